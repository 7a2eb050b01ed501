import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Permission } from '#operations/permissions';
import { COOKIES, Context, type PortalSession, type StaffSession } from '#portal/shared/context';
import type { PortalParts } from '#portal/shared/parts';
import { LANGUAGES, type Language, words } from '#portal/shared/words';
import { findWebSession } from '#storage/web-sessions';

/** Who may come in by a route. `staff` doors name what the role must allow; a test looks that every route has one. */
declare module 'fastify' {
  interface FastifyContextConfig {
    door?: 'open' | 'customer' | 'staff';
    may?: Permission;
    /** Reached although the PIN, the password or the second factor is still wanting. */
    halfway?: true;
  }
}

type Method = 'GET' | 'POST';
type Handler = (context: Context) => Promise<FastifyReply>;
type DoorOptions = {
  /** Also for those whose login is not complete: the pages that complete it. */
  readonly halfway?: true;
  /** Octets of a body (an upload); 64 KiB otherwise. */
  readonly bodyLimit?: number;
};

/** Adds routes of one room of pages. Forms are protected from other sites (CSRF) by the plugin in `portal.ts`. */
export class Doors {
  readonly app: FastifyInstance;
  readonly #parts: PortalParts;

  constructor(app: FastifyInstance, parts: PortalParts) {
    this.app = app;
    this.#parts = parts;
  }

  /** For pages that do something besides answering. */
  get clock(): PortalParts['clock'] {
    return this.#parts.clock;
  }

  get node(): string {
    return this.#parts.node;
  }

  get log(): PortalParts['log'] {
    return this.#parts.log;
  }

  /** For everybody. Whoever is logged in is known all the same. */
  open(method: Method, url: string, handler: Handler, options: DoorOptions = {}): void {
    this.#route(method, url, { door: 'open' }, options, handler);
  }

  /** For a subscriber who is logged in; others are led to the login and back. */
  customer(method: Method, url: string, handler: Handler, options: DoorOptions = {}): void {
    this.#route(method, url, { door: 'customer' }, options, async (context) => {
      const session = context.portalSession;
      if (session === null) return context.redirect(`/prepaid/portal/login${backTo(context.request)}`);
      if (session.mustChangePin && !options.halfway) return context.redirect('/prepaid/portal/pin');
      return handler(context);
    });
  }

  /** For staff whose role allows it; others get 403, those not logged in are led to the login and back. */
  staff(method: Method, url: string, may: Permission, handler: Handler, options: DoorOptions = {}): void {
    this.#route(method, url, { door: 'staff', may }, options, async (context) => {
      const session = context.staffSession;
      if (session === null) return context.redirect(`/login${backTo(context.request)}`);
      if (session.step !== 'full' && !options.halfway)
        return context.redirect(session.step === 'totp' ? '/login/code' : '/account/password');
      if (!context.allowed(may)) {
        const title = context.t('shared.forbidden-title');
        return context.page('shared/message', { title, text: context.t('shared.forbidden') }, { title, status: 403 });
      }
      return handler(context);
    });
  }

  #route(
    method: Method,
    url: string,
    config: { door: 'open' | 'customer' | 'staff'; may?: Permission },
    options: DoorOptions,
    handler: Handler,
  ): void {
    this.app.route({
      method,
      url,
      config: { ...config, ...(options.halfway ? { halfway: true as const } : {}) },
      ...(options.bodyLimit === undefined ? {} : { bodyLimit: options.bodyLimit }),
      handler: async (request, reply) => {
        const context = await contextOf(request, reply, this.#parts);
        return context === null ? starting(request, reply) : handler(context);
      },
    });
  }
}

/** Who asks and in which language; null while the database has not been reached yet. */
export async function contextOf(
  request: FastifyRequest,
  reply: FastifyReply,
  parts: PortalParts,
): Promise<Context | null> {
  const opened = parts.opened();
  if (opened === null) return null;
  const now = parts.clock();
  const { door } = request.routeOptions.config;
  const found = async (name: string) => {
    const token = request.cookies[name];
    return token === undefined ? null : findWebSession(opened.db, token, now);
  };
  const [staff, portal] = await Promise.all([
    door === 'customer' ? null : found(COOKIES.staff),
    door === 'staff' ? null : found(COOKIES.portal),
  ]);
  const staffSession = staff?.kind === 'staff' ? (staff as StaffSession) : null;
  const portalSession = portal?.kind === 'portal' ? (portal as PortalSession) : null;
  return new Context({
    request,
    reply,
    parts,
    opened,
    staff: staffSession,
    portal: portalSession,
    language: languageOf(request, staffSession?.staff.language ?? portalSession?.language ?? 'id'),
    csrf: reply.generateCsrf(),
  });
}

/** What the switch on the page chose, else what is known of the reader. */
function languageOf(request: FastifyRequest, otherwise: Language): Language {
  const chosen = request.cookies[COOKIES.language];
  return LANGUAGES.find((language) => language === chosen) ?? otherwise;
}

function backTo(request: FastifyRequest): string {
  return request.method === 'GET' && request.url !== '/' ? `?back=${encodeURIComponent(request.url)}` : '';
}

/** While the database is not there. Both languages: who asks is not known. */
export function starting(_request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const texts = LANGUAGES.map((language) => `<p lang="${language}">${words(language, 'shared.starting')}</p>`).join('');
  return reply
    .code(503)
    .header('retry-after', '5')
    .type('text/html; charset=utf-8')
    .send(
      `<!doctype html><html lang="id"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="5"><title>Gerbang</title>${texts}</html>`,
    );
}

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Unavailable } from '#domain/errors';
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
      if (session === null) return toLogin(context);
      if (session.mustChangePin && !options.halfway)
        return context.redirect(`/prepaid/portal/pin${isAccount(context.request) ? backTo(context.request) : ''}`);
      return handler(context);
    });
  }

  /**
   * For a script on a customer's page: what it answers is JSON, whatever happens. Nobody logged in (any more) is 401, an
   * `ApiRefusal` its status, what fails of ours 500.
   */
  customerApi(url: string, handler: (context: Context) => Promise<object>): void {
    const config = { door: 'customer' } as const;
    this.app.route({ method: 'GET', url, config, handler: (request, reply) => this.#json(request, reply, handler) });
  }

  async #json(
    request: FastifyRequest,
    reply: FastifyReply,
    handler: (context: Context) => Promise<object>,
  ): Promise<FastifyReply> {
    const refuse = (status: number, error: string) => reply.code(status).send({ success: false, error });
    let language = languageOf(request, 'id');
    try {
      const context = await contextOf(request, reply, this.#parts);
      if (context === null) return refuse(503, words(language, 'shared.starting'));
      language = context.language;
      const { portalSession } = context;
      // The cookie stays, so that the page, loaded again, can say why it leads to the login.
      if (portalSession === null || portalSession.mustChangePin)
        return refuse(401, words(language, 'shared.session-over'));
      return reply.send(await handler(context));
    } catch (error) {
      if (error instanceof ApiRefusal) return refuse(error.status, error.message);
      const path = request.url.split('?', 1)[0];
      if (error instanceof Unavailable) this.log.warn({ err: error, path }, 'an answer could not be given for now');
      else this.log.error({ err: error, path }, 'an answer failed by a mistake of ours');
      return error instanceof Unavailable
        ? refuse(503, words(language, 'shared.starting'))
        : refuse(500, words(language, 'shared.mistake-title'));
    }
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

/** What an API says no with: a status and a text in the reader's words. */
export class ApiRefusal extends Error {
  override name = 'ApiRefusal';
  readonly status: number;

  constructor(status: number, text: string) {
    super(text);
    this.status = status;
  }
}

/** A session that is over is a logged-out browser: its cookie goes, and the login says why it is there. */
function toLogin(context: Context): FastifyReply {
  const login = isAccount(context.request) ? '/customer/login' : '/prepaid/portal/login';
  const path = login + backTo(context.request);
  if (!forgetSession(context)) return context.redirect(path);
  return context.redirect(path, { kind: 'bad', text: context.t('shared.session-over') });
}

/** One of the pages about the account and its bills, which have a login of their own address. */
const isAccount = ({ url }: FastifyRequest): boolean => /^\/customer(?=[/?]|$)/.test(url);

/** Returns whether this browser had a session; one whose PIN is only to be changed keeps it. */
function forgetSession(context: Context): boolean {
  const had = context.request.cookies[COOKIES.portal] !== undefined;
  if (had && context.portalSession === null) context.reply.clearCookie(COOKIES.portal, { path: '/' });
  return had;
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

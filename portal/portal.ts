import compress from '@fastify/compress';
import cookie from '@fastify/cookie';
import csrf from '@fastify/csrf-protection';
import formbody from '@fastify/formbody';
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { InvalidInput, Unavailable } from '#domain/errors';
import { adminPages } from '#portal/admin/pages';
import { customerPages } from '#portal/customer/pages';
import { COOKIES, localPath } from '#portal/shared/context';
import { contextOf, Doors, starting } from '#portal/shared/doors';
import type { PortalParts } from '#portal/shared/parts';
import { assetOf } from '#portal/shared/render';
import { LANGUAGES } from '#portal/shared/words';

/** OWASP Secure Headers: only what is ours is loaded, nothing runs that stands in the page, nobody frames it. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const LARGEST_UPLOAD_BYTES = 20 * 2 ** 20;
const ASSET_SECONDS = 365 * 24 * 3600;

/** Adds every page to the server. What is not found or fails in it is answered as a page, in the reader's language. */
export async function portal(app: FastifyInstance, parts: PortalParts): Promise<void> {
  await app.register(cookie);
  await app.register(formbody);
  await app.register(multipart, {
    attachFieldsToBody: 'keyValues',
    limits: { fileSize: LARGEST_UPLOAD_BYTES, files: 1, fields: 50, fieldSize: 64 * 1024 },
  });
  await app.register(compress, { global: true, threshold: 512, encodings: ['br', 'gzip'] });
  await app.register(csrf, {
    sessionPlugin: '@fastify/cookie',
    cookieKey: 'gerbang_form',
    cookieOpts: { path: '/', httpOnly: true, sameSite: 'strict', secure: isSecure(parts) },
  });
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('content-security-policy', CONTENT_SECURITY_POLICY);
    // Other sites learn nothing; with `no-referrer` browsers would send our own forms with `Origin: null`.
    reply.header('referrer-policy', 'same-origin');
  });
  app.addHook('preHandler', refuseOtherSites(app));
  app.setErrorHandler((error: unknown, request, reply) => answerError(error, request, reply, parts));

  app.get('/assets/:name', { config: { door: 'open' } }, async (request, reply) => {
    const asset = assetOf((request.params as { name: string }).name);
    if (asset === undefined) return notFound(request, reply, parts);
    reply.header('cache-control', `public, max-age=${ASSET_SECONDS}, immutable`);
    return reply.type(asset.type).send(asset.body);
  });
  app.get('/language/:language', { config: { door: 'open' } }, async (request, reply) => {
    const { language } = request.params as { language: string };
    if (!LANGUAGES.some((known) => known === language)) return notFound(request, reply, parts);
    reply.setCookie(COOKIES.language, language, { path: '/', sameSite: 'lax', maxAge: ASSET_SECONDS });
    return reply.redirect(localPath((request.query as Record<string, string>).back) ?? '/', 303);
  });
  const doors = new Doors(app, parts);
  customerPages(doors);
  adminPages(doors);
}

const isSecure = (parts: PortalParts): boolean => parts.publicUrl?.startsWith('https:') === true;

/** Whatever changes something must come from a form of ours, in this browser (OWASP CSRF cheat sheet: token and origin). */
function refuseOtherSites(app: FastifyInstance) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (request.method === 'GET' || request.method === 'HEAD') return;
    const { origin } = request.headers;
    const foreign = origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== request.host);
    if (foreign || request.headers['sec-fetch-site'] === 'cross-site')
      throw Object.assign(new Error('a form of another site'), { statusCode: 403, code: 'CROSS_SITE' });
    await new Promise<void>((resolve, reject) => {
      app.csrfProtection(request, reply, (error?: Error) => (error === undefined ? resolve() : reject(error)));
    });
  };
}

/** The page for an address that leads nowhere. */
export async function notFound(
  request: FastifyRequest,
  reply: FastifyReply,
  parts: PortalParts,
): Promise<FastifyReply> {
  return messagePage(request, reply, parts, 404, 'not-found');
}

async function messagePage(
  request: FastifyRequest,
  reply: FastifyReply,
  parts: PortalParts,
  status: number,
  key: string,
  lines: readonly string[] = [],
): Promise<FastifyReply> {
  const context = await contextOf(request, reply, parts);
  if (context === null) return starting(request, reply);
  const title = context.t(`shared.${key}-title`);
  return context.page('shared/message', { title, text: context.t(`shared.${key}`), lines }, { title, status });
}

/** What failed outside is 503 and comes again; what we got wrong is 500 and shows nothing of its inside. */
async function answerError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  parts: PortalParts,
): Promise<FastifyReply> {
  const path = request.url.split('?', 1)[0];
  try {
    if (error instanceof InvalidInput) return await messagePage(request, reply, parts, 422, 'invalid', error.faults);
    const status = statusOf(error);
    if (status === 403) return await messagePage(request, reply, parts, 403, 'stale-form');
    if (status === 413) return await messagePage(request, reply, parts, 413, 'too-large');
    if (status === 404) return await notFound(request, reply, parts);
    if (status < 500) return await messagePage(request, reply, parts, status, 'invalid');
    if (!(error instanceof Unavailable)) {
      parts.log.error({ err: error, path }, 'a page failed by a mistake of ours');
      return await messagePage(request, reply, parts, 500, 'mistake');
    }
  } catch (second) {
    if (!(second instanceof Unavailable)) parts.log.error({ err: second, path }, 'the page for an error failed too');
  }
  parts.log.warn({ err: error, path }, 'a page could not be answered for now');
  return starting(request, reply);
}

function statusOf(error: unknown): number {
  const status = typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 400 ? status : 500;
}

import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import Handlebars from 'handlebars';
import { Unavailable } from '#domain/errors';
import { type Family, PROMETHEUS_TYPE, printMetrics } from '#http/metrics';

/** One thing that has to work for this node to be of use. */
export type Check = { readonly ok: boolean; readonly says: string };
export type Readiness = Readonly<Record<string, Check>>;

export type HttpOptions = {
  readonly host: string;
  readonly port: number;
  /** Asked anew for each request. */
  readonly readiness: () => Promise<Readiness>;
  readonly metrics: () => readonly Family[];
  /** What the front page says of where this node listens. */
  readonly frontPage: () => FrontPage;
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void };
};

export type FrontPage = { readonly radius: string; readonly subscribers: number | null; readonly ready: boolean };

export type HttpServer = { readonly port: number; stop(): Promise<void>; readonly app: FastifyInstance };

const BODY_LIMIT_BYTES = 64 * 1024;
const REQUEST_TIMEOUT_MS = 15_000;
const LONGEST_URL = 2_048;
/** Connections wait here when all are busy; more than this on a health and metrics door is somebody's mistake. */
const MOST_CONNECTIONS = 1_000;

/** OWASP Secure Headers: nothing of ours is framed, sniffed, or loads from elsewhere. */
const SECURE_HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
} as const;

/** Opens the HTTP door. Throws what `listen` throws: EADDRINUSE, EACCES, EADDRNOTAVAIL. */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  const app = buildHttp(options);
  await app.listen({ host: options.host, port: options.port });
  app.server.maxConnections = MOST_CONNECTIONS;
  return {
    app,
    port: (app.server.address() as AddressInfo).port,
    stop: () => app.close(),
  };
}

export function buildHttp(options: HttpOptions): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: 10_000,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 200 },
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURE_HEADERS);
    if (request.url.length > LONGEST_URL) return reply.code(414).send({ error: 'the address is too long' });
  });
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'there is nothing at this address' }));
  app.setErrorHandler((error: unknown, request, reply) => answerError(error, request.url, reply, options.log));

  app.get('/healthz', async () => ({ alive: true }));
  app.get('/readyz', async (_request, reply) => {
    const checks = await options.readiness();
    const ready = Object.values(checks).every((check) => check.ok);
    return reply.code(ready ? 200 : 503).send({ ready, checks });
  });
  app.get('/metrics', async (_request, reply) => reply.type(PROMETHEUS_TYPE).send(printMetrics(options.metrics())));
  app.get('/', async (_request, reply) => reply.type('text/html; charset=utf-8').send(frontPage(options.frontPage())));
  return app;
}

type ErrorReply = { code(status: number): { send(body: unknown): unknown } };

/** What failed outside is 503, so that callers come back; what we got wrong is 500 and says nothing of its inside. */
function answerError(error: unknown, url: string, reply: ErrorReply, log: HttpOptions['log']): unknown {
  if (error instanceof Unavailable) {
    log.warn({ err: error, path: pathOf(url) }, 'a request could not be answered for now');
    return reply.code(503).send({ error: 'not available for now; try again' });
  }
  const status = statusOf(error);
  if (status < 500) return reply.code(status).send({ error: error instanceof Error ? error.message : 'bad request' });
  log.error({ err: error, path: pathOf(url) }, 'a request failed by a mistake of ours');
  return reply.code(500).send({ error: 'something went wrong on our side; it has been logged' });
}

function statusOf(error: unknown): number {
  const status = typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 400 ? status : 500;
}

/** Without what follows `?`: that is where people put tokens. */
const pathOf = (url: string): string => url.split('?', 1)[0]!;

const frontPage = Handlebars.compile<FrontPage>(readFileSync(new URL('front-page.hbs', import.meta.url), 'utf8'), {
  knownHelpersOnly: true,
  strict: true,
});

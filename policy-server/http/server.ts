import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { Unavailable } from '#domain/errors';
import { type GatewayWebhooks, gatewayWebhooks } from '#http/gateway-webhooks';
import { type Family, PROMETHEUS_TYPE, printMetrics } from '#http/metrics';
import { type WhatsAppWebhook, whatsAppWebhook } from '#http/whatsapp-webhook';

/** One thing that has to work for this node to be of use. */
export type Check = { readonly ok: boolean; readonly says: string };
export type Readiness = Readonly<Record<string, Check>>;

export type HttpOptions = {
  readonly host: string;
  readonly port: number;
  /** Asked anew for each request. */
  readonly readiness: () => Promise<Readiness>;
  readonly metrics: () => readonly Family[];
  /** The pages of customers and staff; without them only machines find something here. */
  readonly pages?: Pages;
  /** Proxies in front of us, as addresses or blocks: what they say of the browser's address is believed. */
  readonly trustedProxies?: readonly string[];
  /** Where calls of WhatsApp's Cloud API go; null while that is not there yet. */
  readonly webhook?: () => WhatsAppWebhook | null;
  /** Where calls of payment gateways go; null while that is not there yet. */
  readonly gatewayWebhooks?: () => GatewayWebhooks | null;
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void };
};

export type Pages = {
  /** Adds the routes, in a scope of their own. */
  readonly add: (scope: FastifyInstance) => Promise<void>;
  /** Looks at every request before its address does: answers it, or lets it pass (captive.ts). */
  readonly captive: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply | undefined>;
  readonly notFound: (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;
};

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
  const app = await buildHttp(options);
  await app.listen({ host: options.host, port: options.port });
  app.server.maxConnections = MOST_CONNECTIONS;
  return {
    app,
    port: (app.server.address() as AddressInfo).port,
    stop: () => app.close(),
  };
}

export async function buildHttp(options: HttpOptions): Promise<FastifyInstance> {
  const { pages } = options;
  const app = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: 10_000,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 200 },
    trustProxy: options.trustedProxies === undefined ? false : [...options.trustedProxies],
    // What the router cannot read (`/%zz`) reaches no hook: the same looks are taken here.
    frameworkErrors: async (error, request, reply) => {
      reply.headers(SECURE_HEADERS);
      await pages?.captive(request, reply);
      if (!reply.sent) answerError(error, request.url, reply as FastifyReply, options.log);
    },
  });
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(SECURE_HEADERS);
  });
  if (pages !== undefined) app.addHook('onRequest', pages.captive);
  app.addHook('onRequest', async (request, reply) => {
    if (request.url.length > LONGEST_URL) return reply.code(414).send({ error: 'the address is too long' });
  });
  app.setErrorHandler((error: unknown, request, reply) => answerError(error, request.url, reply, options.log));

  app.get('/healthz', async () => ({ alive: true }));
  app.get('/readyz', async (_request, reply) => {
    const checks = await options.readiness();
    const ready = Object.values(checks).every((check) => check.ok);
    return reply.code(ready ? 200 : 503).send({ ready, checks });
  });
  app.get('/metrics', async (_request, reply) => reply.type(PROMETHEUS_TYPE).send(printMetrics(options.metrics())));
  if (options.webhook !== undefined) await app.register(whatsAppWebhook, { webhook: options.webhook });
  if (options.gatewayWebhooks !== undefined) {
    await app.register(gatewayWebhooks, { webhooks: options.gatewayWebhooks, log: options.log });
  }
  if (pages === undefined)
    app.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: 'there is nothing at this address' }));
  else {
    await app.register(async (scope) => {
      await pages.add(scope);
      scope.setNotFoundHandler(pages.notFound);
    });
  }
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

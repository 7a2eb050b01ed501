import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Unavailable } from '#domain/errors';
import { GATEWAYS, type GatewayName } from '#domain/gateway';
import { within } from '#domain/patience';
import type { GatewayCall } from '#operations/inbox';

export type GatewayWebhooks = {
  /**
   * Takes a call in: `stored` once it is on record, also when it was before. `refused`: it does not prove that it is the
   * gateway's. `not-set`: we have no key to tell. Throws `Unavailable` when it cannot be stored.
   */
  receive(call: GatewayCall): Promise<'stored' | 'refused' | 'not-set'>;
};

export type GatewayWebhookOptions = {
  readonly webhooks: () => GatewayWebhooks | null;
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void };
};

const BODY_LIMIT_BYTES = 256 * 1024;
/** Xendit never calls again when it has no answer within 30 s, and does so after a 503 (docs.xendit.co/apidocs/webhook-behavior). */
const PATIENCE_MS = 10_000;

/**
 * The door for payment gateways: `POST /api/webhooks/midtrans` and `/api/webhooks/xendit`. What comes is stored octet for
 * octet and answered; the work is done after. Whatever goes wrong on our side is 503, never 500: after a 500 Midtrans
 * calls once more and never again, after a 503 four times (docs.midtrans.com/reference/http-notification). No cookie is read.
 */
export async function gatewayWebhooks(app: FastifyInstance, { webhooks, log }: GatewayWebhookOptions): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: BODY_LIMIT_BYTES }, (_request, body, done) =>
    done(null, body),
  );
  app.setErrorHandler((error: unknown, request, reply) => {
    const status =
      typeof error === 'object' && error !== null && 'statusCode' in error ? Number(error.statusCode) : 500;
    if (status >= 400 && status < 500) return reply.code(status).send({ error: 'the call cannot be read' });
    const fields = { err: error, path: request.routeOptions.url };
    if (error instanceof Unavailable)
      log.warn(fields, 'a payment event cannot be stored now; the gateway will call again');
    else log.error(fields, 'a payment event failed by a mistake of ours; the gateway will call again');
    return tryAgain(reply);
  });
  for (const gateway of GATEWAYS) {
    const url = `/api/webhooks/${gateway}`;
    app.post(url, (request, reply) => take(webhooks(), gateway, request, reply));
    app.route({
      method: ['GET', 'PUT', 'PATCH', 'DELETE'],
      url,
      handler: (_request, reply) => reply.code(405).header('allow', 'POST').send({ error: 'call with POST' }),
    });
  }
}

async function take(
  to: GatewayWebhooks | null,
  gateway: GatewayName,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (to === null) return tryAgain(reply);
  const raw = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]),
  );
  const call = { gateway, headers, raw, source: request.ip.replace(/%.*$/, '') };
  switch (await within(to.receive(call), PATIENCE_MS)) {
    case 'stored':
      return reply.code(200).send({ received: true });
    case 'refused':
      return reply.code(401).send({ error: 'not signed by the gateway' });
    case 'not-set':
      return reply.code(503).send({ error: 'this gateway is not set up here' });
    case 'too-late':
      return tryAgain(reply);
  }
}

const tryAgain = (reply: FastifyReply): FastifyReply =>
  reply.code(503).send({ error: 'not available for now; try again' });

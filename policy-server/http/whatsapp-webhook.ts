import type { FastifyInstance } from 'fastify';

export type WhatsAppWebhook = {
  /** What to answer to Meta's question whether this address is ours; null = refuse. */
  verify(query: Readonly<Record<string, unknown>>): Promise<string | null>;
  /** Takes a call in. False when it is not signed by Meta. Throws `Unavailable`: Meta then calls again. */
  receive(rawBody: Buffer, signature: string | undefined): Promise<boolean>;
};

/** A day's statuses of a busy number come in calls of at most 1,000. */
const BODY_LIMIT_BYTES = 3 * 1024 * 1024;

/**
 * The door for WhatsApp's Cloud API: `GET` and `POST /webhooks/whatsapp`. The signature is over the body as received, so
 * it is kept as octets. Needs no cookie and takes none: what counts is the signature.
 */
export async function whatsAppWebhook(
  app: FastifyInstance,
  { webhook }: { readonly webhook: () => WhatsAppWebhook | null },
): Promise<void> {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: BODY_LIMIT_BYTES }, (_request, body, done) =>
    done(null, body),
  );
  app.get('/webhooks/whatsapp', async (request, reply) => {
    const challenge = await webhook()?.verify(request.query as Readonly<Record<string, unknown>>);
    return challenge == null
      ? reply.code(403).send({ error: 'not verified' })
      : reply.type('text/plain; charset=utf-8').send(challenge);
  });
  app.post('/webhooks/whatsapp', async (request, reply) => {
    const to = webhook();
    if (to === null) return reply.code(503).send({ error: 'not available for now; try again' });
    const signature = request.headers['x-hub-signature-256'];
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const taken = await to.receive(body, typeof signature === 'string' ? signature : undefined);
    return taken ? reply.code(200).send({ received: true }) : reply.code(401).send({ error: 'not signed by Meta' });
  });
}

import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { type Instant, SECOND } from '#domain/time';
import { cloudError } from '#integrations/whatsapp/cloud';

/** What Meta tells us, in the order it does. */
export type CloudEvent =
  /** `ids`: the message under Meta's id and, where it came along, under ours. */
  | { readonly is: 'sent' | 'delivered' | 'read'; readonly ids: readonly string[]; readonly at: Instant }
  | { readonly is: 'failed'; readonly ids: readonly string[]; readonly at: Instant; readonly reason: string }
  | { readonly is: 'restricted'; readonly reason: string }
  | { readonly is: 'wrote'; readonly phone: string; readonly at: Instant };

/** The answer to Meta's question whether this address is ours; null = it is not for us. */
export function verifyChallenge(query: Readonly<Record<string, unknown>>, verifyToken: string | null): string | null {
  const { 'hub.mode': mode, 'hub.verify_token': token, 'hub.challenge': challenge } = query;
  if (verifyToken === null || mode !== 'subscribe' || typeof token !== 'string' || typeof challenge !== 'string') {
    return null;
  }
  return same(token, verifyToken) && /^[\w.-]{1,200}$/.test(challenge) ? challenge : null;
}

/**
 * What a call of the webhook says; null when it is not signed with our app secret: `X-Hub-Signature-256` is
 * `sha256=` and the HMAC of the body exactly as received. Parts that we do not know are left out.
 */
export function receiveWebhook(
  rawBody: Buffer,
  signature: string | undefined,
  appSecret: string | null,
): CloudEvent[] | null {
  if (appSecret === null || signature === undefined) return null;
  if (!same(signature, `sha256=${createHmac('sha256', appSecret).update(rawBody).digest('hex')}`)) return null;
  const parsed = bodySchema.safeParse(jsonOf(rawBody));
  const values = parsed.data?.entry.flatMap((entry) => entry.changes.map((change) => change.value)) ?? [];
  return values.flatMap(({ statuses = [], messages = [] }) => [
    ...messages.flatMap((message) => inbound(message)),
    ...statuses.flatMap((status) => outbound(status)),
  ]);
}

function same(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const seconds = z.string().regex(/^\d{1,12}$/);
const statusSchema = z.object({
  id: z.string().min(1),
  status: z.string(),
  timestamp: seconds,
  biz_opaque_callback_data: z.string().optional(),
  errors: z
    .array(z.object({ code: z.number(), error_data: z.object({ details: z.string().optional() }).optional() }))
    .optional(),
});
const messageSchema = z.object({ from: z.string().regex(/^\d{8,15}$/), timestamp: seconds });
const bodySchema = z.object({
  entry: z.array(
    z.object({
      changes: z.array(
        z.object({
          value: z.object({ statuses: z.array(z.unknown()).optional(), messages: z.array(z.unknown()).optional() }),
        }),
      ),
    }),
  ),
});

function outbound(given: unknown): CloudEvent[] {
  const status = statusSchema.safeParse(given).data;
  if (status === undefined) return [];
  const at = Number(status.timestamp) * SECOND;
  const ours = status.biz_opaque_callback_data;
  const ids = ours === undefined ? [status.id] : [status.id, ours];
  if (status.status === 'sent' || status.status === 'delivered' || status.status === 'read') {
    return [{ is: status.status, ids, at }];
  }
  if (status.status !== 'failed') return [];
  const [error] = status.errors ?? [];
  const outcome = cloudError(error?.code, error?.error_data?.details);
  const reason = outcome.is === 'sent' ? 'rejected' : outcome.reason;
  const failed: CloudEvent = { is: 'failed', ids, at, reason };
  return outcome.is === 'restricted' ? [failed, { is: 'restricted', reason }] : [failed];
}

function inbound(given: unknown): CloudEvent[] {
  const message = messageSchema.safeParse(given).data;
  return message === undefined ? [] : [{ is: 'wrote', phone: message.from, at: Number(message.timestamp) * SECOND }];
}

function jsonOf(rawBody: Buffer): unknown {
  try {
    return JSON.parse(rawBody.toString('utf8'));
  } catch {
    // Signed, but no JSON: it says nothing that we know.
    return null;
  }
}

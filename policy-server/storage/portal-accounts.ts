import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';

/** With what a subscriber enters the portal, besides the Portal ID (which stays with the subscriber for good). */
export type PortalAccount = {
  /** An argon2id hash of the PIN, sealed for `portalPinAad`. */
  readonly pinSealed: Buffer;
  readonly mustChangePin: boolean;
  /** Wrong PINs since this one was issued. */
  readonly failures: number;
  readonly lastFailureAt: Instant | null;
  readonly issuedAt: Instant;
};

const ACCOUNT = `pin_sealed as "pinSealed", must_change_pin as "mustChangePin", failures,
  last_failure_at as "lastFailureAt", issued_at as "issuedAt"`;

export async function findPortalAccount(q: Queryable, subscriberId: number): Promise<PortalAccount | null> {
  const [row] = await q.query<PortalAccount>(`select ${ACCOUNT} from portal_account where subscriber_id = $1`, [
    subscriberId,
  ]);
  return row ?? null;
}

/**
 * Gives the subscriber this Portal ID, who keeps it for good. False when another has it, or this one has another; when
 * another gets it at the same moment, a violation of `subscriber_portal_id_key` is thrown.
 */
export async function claimPortalId(q: Queryable, subscriberId: number, portalId: string): Promise<boolean> {
  const claimed = await q.execute(
    `update subscriber set portal_id = $2 where id = $1 and coalesce(portal_id, $2) = $2
        and not exists (select from subscriber other where other.portal_id = $2 and other.id <> $1)`,
    [subscriberId, portalId],
  );
  return claimed > 0;
}

/** Writes a PIN that was issued: it is to be changed or confirmed at the first login, and no try has failed yet. */
export async function issueSealedPin(
  q: Queryable,
  subscriberId: number,
  pinSealed: Buffer,
  at: Instant,
): Promise<void> {
  await q.execute(
    `insert into portal_account (subscriber_id, pin_sealed, issued_at) values ($1, $2, $3::timestamptz)
     on conflict (subscriber_id) do update set pin_sealed = excluded.pin_sealed, issued_at = excluded.issued_at,
        must_change_pin = true, failures = 0, last_failure_at = null`,
    [subscriberId, pinSealed, timestamp(at)],
  );
}

/** Writes a PIN that its owner chose, the account locked: no try at it has failed yet. */
export async function writeChosenPin(q: Queryable, subscriberId: number, pinSealed: Buffer): Promise<void> {
  await q.execute(
    `update portal_account set pin_sealed = $2, must_change_pin = false, failures = 0, last_failure_at = null
      where subscriber_id = $1`,
    [subscriberId, pinSealed],
  );
}

/** The owner keeps the issued PIN. False when there is no account. */
export async function keepIssuedPin(q: Queryable, subscriberId: number): Promise<boolean> {
  return (
    (await q.execute('update portal_account set must_change_pin = false where subscriber_id = $1', [subscriberId])) > 0
  );
}

/**
 * Counts a try to tell the PIN before it is known whether it is right, so that tries at the same moment all count;
 * null when there is no account, or `atMost` have been counted already.
 */
export async function takePinTry(
  q: Queryable,
  subscriberId: number,
  atMost: number,
  at: Instant,
): Promise<{ pinSealed: Buffer } | null> {
  const [row] = await q.query<{ pinSealed: Buffer }>(
    `update portal_account set failures = failures + 1, last_failure_at = $3::timestamptz
      where subscriber_id = $1 and failures < $2 returning pin_sealed as "pinSealed"`,
    [subscriberId, atMost, timestamp(at)],
  );
  return row ?? null;
}

/** Ends every web session of the subscriber and forgets every device, but those whose token hashes are in `keep`. */
export async function endPortalAccess(q: Queryable, subscriberId: number, keep: readonly Buffer[] = []): Promise<void> {
  const values = [subscriberId, keep];
  await q.execute('delete from web_session where subscriber_id = $1 and token_hash <> all($2::bytea[])', values);
  await q.execute('delete from portal_device where subscriber_id = $1 and token_hash <> all($2::bytea[])', values);
}

/** Like `findPortalAccount`; no PIN is issued or changed until the transaction ends. */
export async function lockPortalAccount(q: Queryable, subscriberId: number): Promise<PortalAccount | null> {
  const [row] = await q.query<PortalAccount>(
    `select ${ACCOUNT} from portal_account where subscriber_id = $1 for no key update`,
    [subscriberId],
  );
  return row ?? null;
}

/** Takes back the one try that turned out to be right; those that were wrong stay counted. */
export async function givePinTryBack(q: Queryable, subscriberId: number): Promise<void> {
  await q.execute('update portal_account set failures = failures - 1 where subscriber_id = $1 and failures > 0', [
    subscriberId,
  ]);
}

import { createHash } from 'node:crypto';
import type { GatewayName } from '#domain/gateway';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import { type Sealer, walletLinkAad } from '#storage/secrets';

/** waiting: for the customer's yes. unlinking: not wanted any more, and the gateway may not know that yet. */
export type WalletLinkState = 'waiting' | 'linked' | 'unlinking' | 'ended';

/** An e-wallet that is, was, or is to be linked at a gateway. */
export type StoredWalletLink = {
  readonly id: number;
  readonly subscriberId: number;
  readonly gateway: GatewayName;
  readonly state: WalletLinkState;
  /** null until the gateway answered. */
  readonly label: string | null;
  /** Under which it is kept, once it was linked. */
  readonly methodId: number | null;
  readonly createdAt: Instant;
  readonly endedAt: Instant | null;
};

/** What the gateway gave for it; sealed. */
export type WalletAccount = { readonly token: string; readonly url: string };

const LINK = `
select id, subscriber_id as "subscriberId", gateway, state, label, method_id as "methodId", created_at as "createdAt",
       ended_at as "endedAt"
  from wallet_link`;

const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest();

/** How many a customer began since then, whatever came of them. */
export async function countWalletLinks(q: Queryable, subscriberId: number, since: Instant): Promise<number> {
  const [row] = await q.query<{ count: number }>(
    'select count(*) as count from wallet_link where subscriber_id = $1 and created_at > $2::timestamptz',
    [subscriberId, timestamp(since)],
  );
  return row!.count;
}

/** Begins one before the gateway hears of it, the subscriber locked; one that waited before is not wanted any more. */
export async function insertWalletLink(
  tx: Queryable,
  { subscriberId, gateway }: Pick<StoredWalletLink, 'subscriberId' | 'gateway'>,
  at: Instant,
  lookAt: Instant,
  by: string,
): Promise<number> {
  await tx.execute(
    `update wallet_link set state = 'unlinking', next_look_at = $2::timestamptz where subscriber_id = $1 and state = 'waiting'`,
    [subscriberId, timestamp(lookAt)],
  );
  const [row] = await tx.query<{ id: number }>(
    `insert into wallet_link (subscriber_id, gateway, created_at, next_look_at, created_by)
     values ($1, $2, $3::timestamptz, $4::timestamptz, $5) returning id`,
    [subscriberId, gateway, timestamp(at), timestamp(lookAt), by],
  );
  return row!.id;
}

/**
 * Writes what the gateway gave for it. Throws a violation of `wallet_link_account` when the wallet is another subscriber's;
 * an older link of the same subscriber with the same wallet is over, and this one stands for it.
 */
export async function storeWalletAccount(
  tx: Queryable,
  sealer: Sealer,
  { id, subscriberId, gateway }: StoredWalletLink,
  { label, ...account }: WalletAccount & { readonly label: string },
  at: Instant,
): Promise<void> {
  const digest = digestOf(account.token);
  await tx.execute(
    `update wallet_link set state = 'ended', ended_at = $5::timestamptz, next_look_at = null, account_sealed = ''
      where subscriber_id = $1 and gateway = $2 and account_digest = $3 and id <> $4 and state <> 'ended'`,
    [subscriberId, gateway, digest, id, timestamp(at)],
  );
  await tx.execute(
    `update wallet_link set label = $2, account_sealed = $3, account_digest = $4 where id = $1 and state <> 'ended'`,
    [id, label, sealer.seal(JSON.stringify(account), walletLinkAad(id)), digest],
  );
}

/** Nobody else decides about it meanwhile; the subscriber is locked first. */
export async function lockWalletLink(tx: Queryable, id: number): Promise<StoredWalletLink | null> {
  const [row] = await tx.query<StoredWalletLink>(`${LINK} where id = $1 for no key update`, [id]);
  return row ?? null;
}

/** The newest of a subscriber. */
export async function newestWalletLink(q: Queryable, subscriberId: number): Promise<StoredWalletLink | null> {
  const [row] = await q.query<StoredWalletLink>(`${LINK} where subscriber_id = $1 order by id desc limit 1`, [
    subscriberId,
  ]);
  return row ?? null;
}

/** null as long as, or because, the gateway gave none. Throws `SecretsFault` like every opening. */
export async function walletAccountOf(q: Queryable, sealer: Sealer, id: number): Promise<WalletAccount | null> {
  const [row] = await q.query<{ sealed: Buffer }>('select account_sealed as sealed from wallet_link where id = $1', [
    id,
  ]);
  if (row === undefined || row.sealed.length === 0) return null;
  return JSON.parse(sealer.open(row.sealed, walletLinkAad(id))) as WalletAccount;
}

/** Those that are to be asked about by now, the longest waiting first; of one subscriber: all that are open. */
export async function openWalletLinks(
  q: Queryable,
  which: { readonly dueAt: Instant } | { readonly subscriberId: number },
  limit: number,
): Promise<StoredWalletLink[]> {
  const [where, value] =
    'dueAt' in which
      ? ['next_look_at <= $1::timestamptz', timestamp(which.dueAt)]
      : ['next_look_at is not null and subscriber_id = $1', which.subscriberId];
  return q.query<StoredWalletLink>(`${LINK} where ${where} order by next_look_at, id limit $2`, [value, limit]);
}

export async function lookAtWalletLater(tx: Queryable, id: number, at: Instant): Promise<void> {
  await tx.execute('update wallet_link set next_look_at = $2::timestamptz where id = $1 and next_look_at is not null', [
    id,
    timestamp(at),
  ]);
}

/** The customer said yes: it is kept as this method. */
export async function setWalletLinked(tx: Queryable, id: number, methodId: number): Promise<void> {
  await tx.execute(`update wallet_link set state = 'linked', method_id = $2, next_look_at = null where id = $1`, [
    id,
    methodId,
  ]);
}

/** It is not wanted any more, and the gateway is to be told. */
export async function setWalletUnlinking(tx: Queryable, methodId: number, at: Instant): Promise<void> {
  await tx.execute(
    `update wallet_link set state = 'unlinking', next_look_at = $2::timestamptz where method_id = $1 and state = 'linked'`,
    [methodId, timestamp(at)],
  );
}

/** It is over, and what the gateway gave for it is gone. */
export async function endWalletLink(tx: Queryable, id: number, at: Instant): Promise<void> {
  await tx.execute(
    `update wallet_link set state = 'ended', ended_at = $2::timestamptz, next_look_at = null, account_sealed = ''
      where id = $1 and state <> 'ended'`,
    [id, timestamp(at)],
  );
}

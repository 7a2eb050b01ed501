import type { GatewayName, SavedMethod } from '#domain/gateway';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import { type Sealer, savedMethodAad } from '#storage/secrets';

/** A card or wallet that a gateway keeps for a customer; what it is charged by is sealed. */
export type StoredMethod = Pick<SavedMethod, 'kind' | 'label' | 'expiresAt'> & {
  readonly id: number;
  readonly gateway: GatewayName;
  readonly savedAt: Instant;
};

const COLUMNS = `id, gateway, kind, label, expires_at as "expiresAt", saved_at as "savedAt"`;

/** Those that were not removed, the newest first. */
export async function methodsOf(q: Queryable, subscriberId: number): Promise<StoredMethod[]> {
  return q.query<StoredMethod>(
    `select ${COLUMNS} from saved_method where subscriber_id = $1 and removed_at is null order by id desc`,
    [subscriberId],
  );
}

/** By what it is charged; null when it is removed or somebody else's. Throws `SecretsFault` like every opening. */
export async function methodWithToken(
  q: Queryable,
  sealer: Sealer,
  subscriberId: number,
  id: number,
): Promise<(StoredMethod & { readonly token: string }) | null> {
  const [row] = await q.query<StoredMethod & { sealed: Buffer }>(
    `select ${COLUMNS}, token_sealed as sealed from saved_method
      where id = $1 and subscriber_id = $2 and removed_at is null`,
    [id, subscriberId],
  );
  if (row === undefined) return null;
  const { sealed, ...method } = row;
  return { ...method, token: sealer.open(sealed, savedMethodAad(id)) };
}

/** `VISA •••• 1111`, also of one that was removed. */
export async function labelOfMethod(q: Queryable, id: number): Promise<string> {
  const [row] = await q.query<{ label: string }>('select label from saved_method where id = $1', [id]);
  return row!.label;
}

/**
 * Keeps a method, the subscriber locked. One whose token is kept already is told anew (its label and its end) and stays one.
 * Returns its id.
 */
export async function keepMethod(
  tx: Queryable,
  sealer: Sealer,
  subscriberId: number,
  gateway: GatewayName,
  { kind, label, token, expiresAt }: SavedMethod,
  at: Instant,
): Promise<number> {
  const kept = await tx.query<{ id: number; sealed: Buffer }>(
    `select id, token_sealed as sealed from saved_method where subscriber_id = $1 and gateway = $2 and removed_at is null`,
    [subscriberId, gateway],
  );
  // Sealed under a fresh nonce each time: the database cannot compare them.
  const same = kept.find((one) => sealer.open(one.sealed, savedMethodAad(one.id)) === token);
  if (same !== undefined) {
    await tx.execute('update saved_method set label = $2, expires_at = $3::timestamptz where id = $1', [
      same.id,
      label,
      timestamp(expiresAt),
    ]);
    return same.id;
  }
  const [next] = await tx.query<{ id: number }>(`select nextval(pg_get_serial_sequence('saved_method', 'id')) as id`);
  const { id } = next!;
  await tx.execute(
    `insert into saved_method (id, subscriber_id, gateway, kind, label, token_sealed, expires_at, saved_at)
     overriding system value values ($1, $2, $3, $4, $5, $6, $7::timestamptz, $8::timestamptz)`,
    [
      id,
      subscriberId,
      gateway,
      kind,
      label,
      sealer.seal(token, savedMethodAad(id)),
      timestamp(expiresAt),
      timestamp(at),
    ],
  );
  return id;
}

/** It is charged no more, and what it was charged by is gone. Returns its label; null when it is not theirs, or removed already. */
export async function removeMethod(
  tx: Queryable,
  subscriberId: number,
  id: number,
  at: Instant,
): Promise<string | null> {
  const [row] = await tx.query<{ label: string }>(
    `update saved_method set removed_at = $3::timestamptz, token_sealed = ''
      where id = $1 and subscriber_id = $2 and removed_at is null returning label`,
    [id, subscriberId, timestamp(at)],
  );
  return row?.label ?? null;
}

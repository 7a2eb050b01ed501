import type { Database } from '#storage/database';
import type { Sealer } from '#storage/secrets';
import { nasSecretAad, subscriberPasswordAad } from '#storage/secrets';

const BATCH = 1_000;

/** Every place where something sealed is stored, and what its bytes are bound to. */
const PLACES = [
  { table: 'subscriber', column: 'password_sealed', aad: subscriberPasswordAad },
  { table: 'nas', column: 'secret_sealed', aad: nasSecretAad },
] as const;

/**
 * Seals every secret anew that is not under the sealing key yet, while everything runs. In short transactions, each row
 * only if it still is what was read: a password changed meanwhile stays changed. Interrupted, it goes on where it was
 * when called again. It goes over the rows until none is left: a server beside us seals with the older key for up to a
 * second more. Returns how many rows it sealed.
 */
export async function resealAll(
  db: Database,
  sealer: Sealer,
  onProgress: (sealed: number) => void = () => undefined,
): Promise<number> {
  sealer.refresh();
  let sealed = 0;
  while ((await sealedOtherwise(db, sealer)) > 0) {
    for (const place of PLACES) {
      for (let after: number | null = 0; after !== null; ) {
        const batch: Batch = await resealBatch(db, sealer, place, after);
        after = batch.last;
        sealed += batch.sealed;
        onProgress(sealed);
      }
    }
  }
  return sealed;
}

/** How many rows are sealed under another key than the sealing one. */
export async function sealedOtherwise(db: Database, sealer: Sealer): Promise<number> {
  let count = 0;
  for (const { table, column } of PLACES) {
    const [row] = await db.query<{ count: number }>(
      `select count(*) as count from ${table} where substr(${column}, 2, 4) <> $1`,
      [keyIdBytes(sealer)],
    );
    count += row!.count;
  }
  return count;
}

/** Whether the database holds anything sealed: then a missing master key file must not be replaced by a new one. */
export async function holdsSecrets(db: Database): Promise<boolean> {
  const [row] = await db.query<{ held: boolean }>(
    'select exists (select from subscriber) or exists (select from nas) as held',
  );
  return row!.held;
}

type Batch = { readonly last: number | null; readonly sealed: number };

async function resealBatch(
  db: Database,
  sealer: Sealer,
  { table, column, aad }: (typeof PLACES)[number],
  after: number,
): Promise<Batch> {
  const rows = await db.query<{ id: number; sealed: Buffer }>(
    `select id, ${column} as sealed from ${table} where id > $1 and substr(${column}, 2, 4) <> $2 order by id limit ${BATCH}`,
    [after, keyIdBytes(sealer)],
  );
  const last = rows.at(-1);
  if (last === undefined) return { last: null, sealed: 0 };
  const renewed = rows.map((row) => sealer.seal(sealer.openBytes(row.sealed, aad(row.id)), aad(row.id)));
  const sealed = await db.execute(
    `update ${table} t set ${column} = n.sealed from unnest($1::bigint[], $2::bytea[], $3::bytea[]) as n (id, was, sealed)
      where t.id = n.id and t.${column} = n.was`,
    [rows.map((row) => row.id), rows.map((row) => row.sealed), renewed],
  );
  return { last: last.id, sealed };
}

function keyIdBytes(sealer: Sealer): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(sealer.currentKeyId);
  return bytes;
}

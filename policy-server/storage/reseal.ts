import type { Database } from '#storage/database';
import type { Sealer } from '#storage/secrets';
import {
  acsTaskAad,
  gatewayEventAad,
  messageBodyAad,
  nasApiPasswordAad,
  nasSecretAad,
  paymentLinkAad,
  portalPinAad,
  savedMethodAad,
  sealedSettingAad,
  staffTotpAad,
  subscriberPasswordAad,
  walletLinkAad,
  whatsAppAuthAad,
} from '#storage/secrets';

const BATCH = 1_000;

/** A column that holds sealed bytes (null and no bytes at all = nothing), the key of its row, and what the bytes are bound to. */
type Place = {
  readonly table: string;
  readonly column: string;
  readonly key: readonly { readonly column: string; readonly type: 'bigint' | 'text' | 'bytea' }[];
  readonly aad: (...key: string[]) => string;
};

const numbered = (column: string): Place['key'] => [{ column, type: 'bigint' }];
const byNumber = (aad: (id: number) => string) => (id?: string) => aad(Number(id));

/** Every place where something sealed is stored; a test looks that no column named `…_sealed` is missing. */
export const PLACES: readonly Place[] = [
  { table: 'subscriber', column: 'password_sealed', key: numbered('id'), aad: byNumber(subscriberPasswordAad) },
  { table: 'nas', column: 'secret_sealed', key: numbered('id'), aad: byNumber(nasSecretAad) },
  { table: 'nas', column: 'api_password_sealed', key: numbered('id'), aad: byNumber(nasApiPasswordAad) },
  { table: 'portal_account', column: 'pin_sealed', key: numbered('subscriber_id'), aad: byNumber(portalPinAad) },
  { table: 'staff', column: 'totp_sealed', key: numbered('id'), aad: byNumber(staffTotpAad) },
  { table: 'message', column: 'body_sealed', key: numbered('id'), aad: byNumber(messageBodyAad) },
  { table: 'payment_intent', column: 'link_sealed', key: numbered('id'), aad: byNumber(paymentLinkAad) },
  {
    table: 'gateway_event',
    column: 'raw_sealed',
    key: [
      { column: 'gateway', type: 'text' },
      { column: 'digest', type: 'bytea' },
    ],
    aad: (gateway, digest) => gatewayEventAad(gateway!, digest!.slice('\\x'.length)),
  },
  { table: 'saved_method', column: 'token_sealed', key: numbered('id'), aad: byNumber(savedMethodAad) },
  { table: 'wallet_link', column: 'account_sealed', key: numbered('id'), aad: byNumber(walletLinkAad) },
  { table: 'acs_task', column: 'body_sealed', key: numbered('id'), aad: byNumber(acsTaskAad) },
  {
    table: 'sealed_setting',
    column: 'value_sealed',
    key: [{ column: 'key', type: 'text' }],
    aad: (key) => sealedSettingAad(key!),
  },
  {
    table: 'whatsapp_auth',
    column: 'value_sealed',
    key: [
      { column: 'kind', type: 'text' },
      { column: 'id', type: 'text' },
    ],
    aad: (kind, id) => whatsAppAuthAad(kind!, id!),
  },
];

/**
 * Seals every secret anew that is not under the sealing key yet, while everything runs. In short transactions, each row
 * only if it still is what was read: a password changed meanwhile stays changed. Interrupted, it goes on where it was
 * when called again. It goes over the rows until none is left: a server beside us seals with the older key for up to a
 * second more. Returns how many values it sealed.
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
      for (let after: readonly string[] | null = null, more = true; more; ) {
        const batch: Batch = await resealBatch(db, sealer, place, after);
        after = batch.last;
        more = batch.last !== null;
        sealed += batch.sealed;
        onProgress(sealed);
      }
    }
  }
  return sealed;
}

/** How many values are sealed under another key than the sealing one. */
export async function sealedOtherwise(db: Database, sealer: Sealer): Promise<number> {
  let count = 0;
  for (const place of PLACES) {
    const [row] = await db.query<{ count: number }>(
      `select count(*) as count from ${place.table} t where ${isOtherwise(place, '$1')}`,
      [keyIdBytes(sealer)],
    );
    count += row!.count;
  }
  return count;
}

/** Whether the database holds anything sealed: then a missing master key file must not be replaced by a new one. */
export async function holdsSecrets(db: Database): Promise<boolean> {
  const anywhere = PLACES.map(({ table, column }) => `exists (select from ${table} where octet_length(${column}) > 0)`);
  const [row] = await db.query<{ held: boolean }>(`select ${anywhere.join(' or ')} as held`);
  return row!.held;
}

const isOtherwise = ({ column }: Place, keyId: string): string =>
  `octet_length(t.${column}) > 0 and substr(t.${column}, 2, 4) <> ${keyId}`;

type Batch = { readonly last: readonly string[] | null; readonly sealed: number };

async function resealBatch(
  db: Database,
  sealer: Sealer,
  place: Place,
  after: readonly string[] | null,
): Promise<Batch> {
  const { table, column, key, aad } = place;
  const columns = key.map((one) => `t.${one.column}`).join(', ');
  const given = key.map((one, at) => `$${at + 2}::${one.type}`).join(', ');
  const rows = await db.query<{ key: string[]; sealed: Buffer }>(
    `select array[${key.map((one) => `t.${one.column}::text`).join(', ')}] as key, t.${column} as sealed from ${table} t
      where ${isOtherwise(place, '$1')} ${after === null ? '' : `and (${columns}) > (${given})`}
      order by ${columns} limit ${BATCH}`,
    [keyIdBytes(sealer), ...(after ?? [])],
  );
  const last = rows.at(-1);
  if (last === undefined) return { last: null, sealed: 0 };
  const renewed = rows.map((row) => sealer.seal(sealer.openBytes(row.sealed, aad(...row.key)), aad(...row.key)));
  const lists = key.map((one, at) => `$${at + 3}::${one.type}[]`).join(', ');
  const names = key.map((one) => one.column).join(', ');
  const sealed = await db.execute(
    `update ${table} t set ${column} = n.sealed from unnest($1::bytea[], $2::bytea[], ${lists}) as n (was, sealed, ${names})
      where ${key.map((one) => `t.${one.column} = n.${one.column}`).join(' and ')} and t.${column} = n.was`,
    [rows.map((row) => row.sealed), renewed, ...key.map((_, at) => rows.map((row) => row.key[at]!))],
  );
  return { last: last.key, sealed };
}

function keyIdBytes(sealer: Sealer): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(sealer.currentKeyId);
  return bytes;
}

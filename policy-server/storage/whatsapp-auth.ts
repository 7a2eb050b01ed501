import type { Queryable } from '#storage/database';
import { type Sealer, whatsAppAuthAad } from '#storage/secrets';

/** One value of the link to WhatsApp: keys and credentials; null = it is no more. */
export type AuthEntry = { readonly kind: string; readonly id: string; readonly value: string | null };

/** Our own notes beside what the library keeps: they stay when the link is forgotten. */
const OWN_KIND = 'gerbang';

/** The values of these ids that are there. Throws `SecretsFault` when one cannot be opened. */
export async function readAuth(
  q: Queryable,
  sealer: Sealer,
  kind: string,
  ids: readonly string[],
): Promise<Map<string, string>> {
  const rows = await q.query<{ id: string; sealed: Buffer }>(
    'select id, value_sealed as sealed from whatsapp_auth where kind = $1 and id = any($2::text[])',
    [kind, ids],
    'whatsapp-auth-read',
  );
  return new Map(rows.map(({ id, sealed }) => [id, sealer.open(sealed, whatsAppAuthAad(kind, id))]));
}

/** All of them or none, in one statement for any number; a key may stand in them once. */
export async function writeAuth(q: Queryable, sealer: Sealer, entries: readonly AuthEntry[]): Promise<void> {
  const kept = entries.flatMap(({ kind, id, value }) => (value === null ? [] : [{ kind, id, value }]));
  const gone = entries.filter(({ value }) => value === null);
  await q.execute(
    `with gone as (
       delete from whatsapp_auth using unnest($1::text[], $2::text[]) as of (kind, id)
        where whatsapp_auth.kind = of.kind and whatsapp_auth.id = of.id
     )
     insert into whatsapp_auth (kind, id, value_sealed) select * from unnest($3::text[], $4::text[], $5::bytea[])
     on conflict (kind, id) do update set value_sealed = excluded.value_sealed`,
    [
      gone.map(({ kind }) => kind),
      gone.map(({ id }) => id),
      kept.map(({ kind }) => kind),
      kept.map(({ id }) => id),
      kept.map(({ kind, id, value }) => sealer.seal(value, whatsAppAuthAad(kind, id))),
    ],
    'whatsapp-auth-write',
  );
}

/** Forgets the link: all but our own notes. */
export async function wipeAuth(q: Queryable): Promise<void> {
  await q.execute('delete from whatsapp_auth where kind <> $1', [OWN_KIND]);
}

/** A note of ours that outlives a restart, sealed like the rest; null when there is none. */
export async function readNote<Note>(q: Queryable, sealer: Sealer, id: string): Promise<Note | null> {
  const text = (await readAuth(q, sealer, OWN_KIND, [id])).get(id);
  return text === undefined ? null : (JSON.parse(text) as Note);
}

export async function writeNote(q: Queryable, sealer: Sealer, id: string, note: unknown): Promise<void> {
  await writeAuth(q, sealer, [{ kind: OWN_KIND, id, value: note === null ? null : JSON.stringify(note) }]);
}

import type { NasVendor } from '#domain/policy';
import type { Instant } from '#domain/time';
import type { Queryable } from '#storage/database';

export const MESSAGE_AUTHENTICATOR_MODES = ['required', 'auto', 'off'] as const;

/** `off`: no TLS; `pinned`: the certificate seen first; `verified`: one a public authority vouches for. */
export const API_TLS_MODES = ['off', 'pinned', 'verified'] as const;

export type NewNas = {
  readonly name: string;
  /** One address or a CIDR. */
  readonly address: string;
  readonly secretSealed: Buffer;
  readonly coaPort: number;
  readonly messageAuthenticator: (typeof MESSAGE_AUTHENTICATOR_MODES)[number];
  readonly swapOctets: boolean;
  readonly tags: readonly string[];
  readonly vendor: NasVendor;
  /** It asks for routers behind it and is believed when it names one. */
  readonly proxy: boolean;
  /** The name of the proxy that passes CoA on to it; null = CoA goes to itself. */
  readonly coaVia: string | null;
};

/** A NAS as lists show it: everything but its secret. */
export type ListedNas = {
  readonly id: number;
  readonly name: string;
  readonly address: string;
  readonly coaPort: number;
  readonly coaPerSecond: number;
  readonly messageAuthenticator: NewNas['messageAuthenticator'];
  readonly messageAuthenticatorSeen: boolean;
  readonly swapOctets: boolean;
  readonly tags: readonly string[];
  readonly vendor: NasVendor;
  readonly proxy: boolean;
  readonly coaVia: string | null;
  /** Where its RouterOS API answers; null = at its address. */
  readonly apiHost: string | null;
  readonly apiPort: number;
  readonly apiTls: (typeof API_TLS_MODES)[number];
  /** SHA-256 of the certificate that was trusted, in hexadecimal; null = none was seen yet. */
  readonly apiFingerprint: string | null;
  readonly apiUser: string | null;
  readonly apiPasswordSet: boolean;
  readonly apiSeenAt: Instant | null;
  /** Why the API last did not answer; null after a success. */
  readonly apiError: string | null;
  readonly recognisesLines: boolean;
  readonly staticLines: number;
  readonly liveSessions: number;
  /** When accounting last spoke of a session on it; null = never. */
  readonly heardAt: Instant | null;
};

/** Taken before the row is written, because the sealed secret is bound to its row. */
export async function nextNasId(q: Queryable): Promise<number> {
  const [row] = await q.query<{ id: number }>(`select nextval(pg_get_serial_sequence('nas', 'id')) as id`);
  return row!.id;
}

/** Throws a unique violation of `nas_name_key` or `nas_address_key`. */
export async function insertNas(q: Queryable, id: number, nas: NewNas): Promise<void> {
  await q.execute(
    `insert into nas (id, name, address, secret_sealed, coa_port, message_authenticator, swap_octets, tags, vendor,
                      proxy, coa_via_id)
     overriding system value values ($1, $2, $3::inet::cidr, $4, $5, $6, $7, $8, $9, $10, (select id from nas where name = $11))`,
    [
      id,
      nas.name,
      nas.address,
      nas.secretSealed,
      nas.coaPort,
      nas.messageAuthenticator,
      nas.swapOctets,
      nas.tags,
      nas.vendor,
      nas.proxy,
      nas.coaVia,
    ],
  );
}

const LISTED = `
select nas.id, nas.name,
       case when masklen(nas.address) = case family(nas.address) when 4 then 32 else 128 end
            then host(nas.address) else nas.address::text end as address,
       nas.coa_port as "coaPort", nas.coa_per_second as "coaPerSecond", nas.message_authenticator as "messageAuthenticator",
       nas.message_authenticator_seen as "messageAuthenticatorSeen", nas.swap_octets as "swapOctets", nas.tags,
       nas.vendor, nas.proxy, (select via.name from nas as via where via.id = nas.coa_via_id) as "coaVia",
       host(nas.api_host) as "apiHost", nas.api_port as "apiPort", nas.api_tls as "apiTls",
       nas.api_fingerprint as "apiFingerprint", nas.api_user as "apiUser",
       nas.api_password_sealed is not null as "apiPasswordSet", nas.api_seen_at as "apiSeenAt", nas.api_error as "apiError",
       nas.recognises_lines as "recognisesLines",
       (select count(*) from subscriber where subscriber.nas_id = nas.id) as "staticLines"`;

/** What is known of the sessions of a NAS; one without any is not among them. */
export type NasSessions = Pick<ListedNas, 'liveSessions' | 'heardAt'> & { readonly nasId: number };

const SESSIONS = `count(*) filter (where ended_at is null)::int as "liveSessions", max(heard_at) as "heardAt"`;

/** Looks at every session: with tens of thousands nearly all of what listing the NASes costs. */
export async function sessionsOfNases(q: Queryable): Promise<NasSessions[]> {
  return q.query<NasSessions>(`select nas_id as "nasId", ${SESSIONS} from session group by nas_id`);
}

/** Every NAS by its name, with `sessions` where they are known already. */
export async function listNases(q: Queryable, sessions?: readonly NasSessions[]): Promise<ListedNas[]> {
  const live = new Map((sessions ?? (await sessionsOfNases(q))).map(({ nasId, ...known }) => [nasId, known]));
  const rows = await q.query<Omit<ListedNas, keyof NasSessions>>(`${LISTED} from nas order by nas.name`);
  return rows.map((row) => ({ ...row, ...(live.get(row.id) ?? { liveSessions: 0, heardAt: null }) }));
}

/** One NAS. `lock` keeps every other transaction from changing it until ours ends. */
export async function findNas(
  q: Queryable,
  by: { readonly id: number } | { readonly name: string },
  lock: 'lock' | 'read' = 'read',
): Promise<ListedNas | null> {
  const [column, value] = 'id' in by ? ['id', by.id] : ['name', by.name];
  const [row] = await q.query<ListedNas>(
    `${LISTED}, live.* from nas, lateral (select ${SESSIONS} from session where nas_id = nas.id) as live
      where nas.${column} = $1 ${lock === 'lock' ? 'for update of nas' : ''}`,
    [value],
  );
  return row ?? null;
}

/** What an edit writes; of the secrets null = as they are. */
export type NasUpdate = Omit<NewNas, 'secretSealed'> &
  Pick<ListedNas, 'coaPerSecond' | 'apiHost' | 'apiPort' | 'apiTls' | 'apiUser' | 'recognisesLines'> & {
    readonly secretSealed: Buffer | null;
    readonly apiPassword: { readonly sealed: Buffer | null } | null;
    /** Whether what was learned under `auto` is forgotten. */
    readonly forgetSigned: boolean;
    /** Whether the certificate that was trusted is forgotten, with how the last connection ended. */
    readonly forgetApi: boolean;
  };

/** Throws a unique violation of `nas_name_key` or `nas_address_key`. */
export async function updateNas(q: Queryable, id: number, to: NasUpdate): Promise<void> {
  await q.execute(
    `update nas set name = $2, address = $3::inet::cidr, secret_sealed = coalesce($4, secret_sealed), coa_port = $5,
            coa_per_second = $6, message_authenticator = $7, swap_octets = $8, tags = $9, api_host = $10::inet,
            api_port = $11, api_tls = $12, api_user = $13, recognises_lines = $14,
            api_password_sealed = case when $15 then $16 else api_password_sealed end,
            message_authenticator_seen = message_authenticator_seen and not $17,
            api_fingerprint = case when $18 then null else api_fingerprint end,
            api_seen_at = case when $18 then null else api_seen_at end,
            api_error = case when $18 then null else api_error end, vendor = $19,
            proxy = $20, coa_via_id = (select id from nas where name = $21)
      where id = $1`,
    [
      id,
      to.name,
      to.address,
      to.secretSealed,
      to.coaPort,
      to.coaPerSecond,
      to.messageAuthenticator,
      to.swapOctets,
      to.tags,
      to.apiHost,
      to.apiPort,
      to.apiTls,
      to.apiUser,
      to.recognisesLines,
      to.apiPassword !== null,
      to.apiPassword?.sealed ?? null,
      to.forgetSigned,
      to.forgetApi,
      to.vendor,
      to.proxy,
      to.coaVia,
    ],
  );
}

/** Null = the certificate of the next connection is trusted. Returns whether there is such a NAS. */
export async function setFingerprint(q: Queryable, id: number, fingerprint: string | null): Promise<boolean> {
  return (await q.execute('update nas set api_fingerprint = $2 where id = $1', [id, fingerprint])) > 0;
}

/** What keeps a NAS from being taken away. */
export async function usesOfNas(
  q: Queryable,
  id: number,
): Promise<{
  readonly sessions: number;
  readonly subscribers: number;
  readonly addresses: number;
  readonly behind: number;
}> {
  const [row] = await q.query<{ sessions: number; subscribers: number; addresses: number; behind: number }>(
    `select (select count(*) from session where nas_id = $1) as sessions,
            (select count(*) from subscriber where nas_id = $1) as subscribers,
            (select count(*) from static_address where nas_id = $1) as addresses,
            (select count(*) from nas where coa_via_id = $1) as behind`,
    [id],
  );
  return row!;
}

export async function deleteNasRow(q: Queryable, id: number): Promise<void> {
  await q.execute('delete from nas where id = $1', [id]);
}

/** Under `auto`: this NAS signs its requests; from now on it must. Returns whether that is news. */
export async function rememberMessageAuthenticator(q: Queryable, id: number): Promise<boolean> {
  const changed = await q.execute(
    'update nas set message_authenticator_seen = true where id = $1 and not message_authenticator_seen',
    [id],
  );
  return changed > 0;
}

/** Every NAS by its name. */
/** What the script made last for each NAS keeps open without a package; null = not known. */
export async function scriptGardens(q: Queryable): Promise<ReadonlyMap<number, readonly string[] | null>> {
  const rows = await q.query<{ id: number; garden: string[] | null }>(
    'select id, script_garden as garden from nas',
    [],
    'nas-script-gardens',
  );
  return new Map(rows.map(({ id, garden }) => [id, garden]));
}

export async function setScriptGarden(tx: Queryable, id: number, garden: readonly string[]): Promise<void> {
  await tx.execute('update nas set script_garden = $2::text[] where id = $1', [id, garden]);
}

export async function nasIdsByName(q: Queryable): Promise<Map<string, number>> {
  const rows = await q.query<{ id: number; name: string }>('select id, name from nas order by name');
  return new Map(rows.map((row) => [row.name, row.id]));
}

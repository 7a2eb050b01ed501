import type { Instant } from '#domain/time';
import type { Queryable } from '#storage/database';

export const MESSAGE_AUTHENTICATOR_MODES = ['required', 'auto', 'off'] as const;

export type NewNas = {
  readonly name: string;
  /** One address or a CIDR. */
  readonly address: string;
  readonly secretSealed: Buffer;
  readonly coaPort: number;
  readonly messageAuthenticator: (typeof MESSAGE_AUTHENTICATOR_MODES)[number];
  readonly swapOctets: boolean;
  readonly tags: readonly string[];
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
    `insert into nas (id, name, address, secret_sealed, coa_port, message_authenticator, swap_octets, tags)
     overriding system value values ($1, $2, $3::inet::cidr, $4, $5, $6, $7, $8)`,
    [id, nas.name, nas.address, nas.secretSealed, nas.coaPort, nas.messageAuthenticator, nas.swapOctets, nas.tags],
  );
}

export async function listNases(q: Queryable): Promise<ListedNas[]> {
  return q.query<ListedNas>(
    `select nas.id, nas.name,
            case when masklen(nas.address) = case family(nas.address) when 4 then 32 else 128 end
                 then host(nas.address) else nas.address::text end as address,
            nas.coa_port as "coaPort", nas.coa_per_second as "coaPerSecond", nas.message_authenticator as "messageAuthenticator",
            nas.message_authenticator_seen as "messageAuthenticatorSeen", nas.swap_octets as "swapOctets", nas.tags,
            coalesce(live.sessions, 0)::int as "liveSessions", live.heard_at as "heardAt"
       from nas left join (select nas_id, count(*) filter (where ended_at is null) as sessions, max(heard_at) as heard_at
                             from session group by nas_id) as live on live.nas_id = nas.id
      order by nas.name`,
  );
}

/** Under `auto`: this NAS signs its requests; from now on it must. Returns whether that is news. */
export async function rememberMessageAuthenticator(q: Queryable, id: number): Promise<boolean> {
  const changed = await q.execute(
    'update nas set message_authenticator_seen = true where id = $1 and not message_authenticator_seen',
    [id],
  );
  return changed > 0;
}

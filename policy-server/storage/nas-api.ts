import type { Instant } from '#domain/time';
import { change } from '#storage/change';
import type { Database, Queryable } from '#storage/database';
import { nasApiPasswordAad, type Sealer, SecretsFault, SecretText } from '#storage/secrets';
import { timestamp } from '#storage/values';

/** How the RouterOS API of one router is reached. */
export type ApiRouter = {
  readonly id: number;
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly tls: 'off' | 'pinned' | 'verified';
  /** SHA-256 of the pinned certificate, in hexadecimal; null = the first one shown is to be pinned. */
  readonly fingerprint: string | null;
  readonly user: string;
  readonly password: SecretText;
  /** Why it cannot be tried at all; null when it can. */
  readonly fault: string | null;
};

type Row = Omit<ApiRouter, 'host' | 'user' | 'password' | 'fault'> & {
  readonly host: string | null;
  readonly user: string | null;
  readonly sealed: Buffer | null;
};

/** The routers that have an API user or static addresses, or the one asked for. */
export async function loadApiRouters(q: Queryable, sealer: Sealer, nasId: number | null = null): Promise<ApiRouter[]> {
  const rows = await q.query<Row>(
    `select id, name, api_port as port, api_tls as tls, api_fingerprint as fingerprint, api_user as "user",
            api_password_sealed as sealed,
            coalesce(host(api_host), case when masklen(address) = case family(address) when 4 then 32 else 128 end
                                          then host(address) end) as host
       from nas where case when $1::int is not null then id = $1
                           else api_user is not null or exists (select from static_address a where a.nas_id = nas.id) end
      order by id`,
    [nasId],
    'nas-api',
  );
  return rows.map(({ sealed, ...row }) => {
    const { text, fault } = password(sealer, row, sealed);
    return { ...row, host: row.host ?? '', user: row.user ?? '', password: new SecretText(text), fault };
  });
}

function password(
  sealer: Sealer,
  row: Omit<Row, 'sealed'>,
  sealed: Buffer | null,
): { text: string; fault: string | null } {
  if (row.user === null) return { text: '', fault: 'no API user is set for this router' };
  if (row.host === null) return { text: '', fault: 'the NAS is a block of addresses: set the host of its API' };
  if (sealed === null) return { text: '', fault: 'no API password is set for this router' };
  try {
    return { text: sealer.open(sealed, nasApiPasswordAad(row.id)), fault: null };
  } catch (error) {
    if (!(error instanceof SecretsFault)) throw error;
    return { text: '', fault: error.message };
  }
}

/** The API of this router answered. */
export async function recordApiSeen(q: Queryable, nasId: number, at: Instant): Promise<void> {
  await q.execute('update nas set api_seen_at = $2::timestamptz, api_error = null where id = $1', [
    nasId,
    timestamp(at),
  ]);
}

/** Why it did not. */
export async function recordApiError(q: Queryable, nasId: number, error: string): Promise<void> {
  await q.execute('update nas set api_error = $2 where id = $1 and api_error is distinct from $2', [nasId, error]);
}

/** Trusts the certificate a router showed first, unless one was pinned meanwhile. */
export async function pinFingerprint(db: Database, nasId: number, fingerprint: string): Promise<void> {
  const detail = { nasId, fingerprint };
  await change(db, { actor: 'system', why: 'pin API certificate', detail }, (tx) =>
    tx.execute('update nas set api_fingerprint = $2 where id = $1 and api_fingerprint is null', [nasId, fingerprint]),
  );
}

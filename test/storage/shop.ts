import { DAY, type Instant } from '#domain/time';
import type { Database } from '#storage/database';
import { timestamp } from '#storage/database';

type SubscriberFields = {
  name?: string;
  phone?: string | null;
  billing?: 'prepaid' | 'postpaid';
  access?: 'pppoe' | 'static';
  portalId?: string;
  tags?: string[];
  mac?: string;
  staticIp?: string;
  suspendedAt?: Instant;
  nasId?: number;
  language?: 'id' | 'en';
};

/** Rows as the tests of lists and reports need them, put straight into the tables. */
export class Shop {
  readonly db: Database;
  #serial = 0;

  constructor(db: Database) {
    this.db = db;
  }

  async nas(name: string, apiError: string | null = null): Promise<number> {
    this.#serial += 1;
    return this.#insert(
      `insert into nas (name, address, secret_sealed, api_error) values ($1, $2::inet::cidr, '', $3) returning id`,
      [name, `192.0.2.${this.#serial}`, apiError],
    );
  }

  /** Returns the id of its revision. */
  async plan(name: string, allowanceBytes: number | null = 1000, mbps = 20, price = 75_000): Promise<number> {
    return this.#insert(
      `with known as (select id from plan where name = $1), made as (insert into plan (name) select $1 where not exists (select from known) returning id)
       insert into plan_revision (plan_id, revision, download_bps, upload_bps, allowance_bytes, period_days, price_rupiah)
       select id, 1 + (select count(*) from plan_revision where plan_id = both_of.id), $3, $3, $2, 30, $4
         from (select id from known union all select id from made) both_of returning id`,
      [name, allowanceBytes, mbps * 1e6, price],
    );
  }

  async subscriber(username: string, fields: SubscriberFields = {}): Promise<number> {
    return this.#insert(
      `insert into subscriber (username, password_sealed, name, phone, billing, access, portal_id, tags, mac, static_ip, suspended_at, nas_id, language)
       values ($1, '', $2, $3, $4, $5, $6, $7, $8, $9::inet, $10::timestamptz, $11, $12) returning id`,
      [
        username,
        fields.name ?? '',
        fields.phone ?? null,
        fields.billing ?? 'prepaid',
        fields.access ?? 'pppoe',
        fields.portalId ?? null,
        fields.tags ?? [],
        fields.mac ?? null,
        fields.staticIp ?? null,
        fields.suspendedAt === undefined ? null : timestamp(fields.suspendedAt),
        fields.nasId ?? null,
        fields.language ?? 'id',
      ],
    );
  }

  async grant(
    subscriberId: number,
    revisionId: number,
    from: Instant,
    until: Instant,
    { used = 0, revokedAt = null }: { used?: number; revokedAt?: Instant | null } = {},
  ): Promise<number> {
    return this.#insert(
      `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at, used_bytes, revoked_at)
       values ($1, $2, $3::timestamptz, $4::timestamptz, $5, $6::timestamptz) returning id`,
      [subscriberId, revisionId, timestamp(from), timestamp(until), used, timestamp(revokedAt)],
    );
  }

  /** A live session, or one that is over but not in the history yet. */
  async session(
    subscriberId: number,
    nasId: number,
    from: Instant,
    more: { address?: string; endedAt?: Instant; cause?: string; heardAt?: Instant; told?: string } = {},
  ): Promise<number> {
    this.#serial += 1;
    return this.#insert(
      `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, framed_ip, started_at, heard_at, day,
                            ended_at, cause, told_live)
       select 'k' || $4, $2, '192.0.2.1', $4, username, id, $5::inet, $3::timestamptz, $8::timestamptz, $3::timestamptz::date, $6::timestamptz, $7, $9
         from subscriber where id = $1 returning id`,
      [
        subscriberId,
        nasId,
        timestamp(from),
        String(this.#serial),
        more.address ?? null,
        timestamp(more.endedAt ?? null),
        more.cause ?? null,
        timestamp(more.heardAt ?? from),
        more.told ?? null,
      ],
    );
  }

  /** A session of the history. */
  async past(
    subscriberId: number,
    nasId: number,
    from: Instant,
    endedAt: Instant,
    cause = 'User-Request',
  ): Promise<void> {
    this.#serial += 1;
    await this.db.execute(
      `insert into session_history (id, key, nas_id, nas_address, acct_session_id, username, subscriber_id, framed_ip, started_at, heard_at,
                                    seconds, up_bytes, down_bytes, raw_up, raw_down, ended_at, cause)
       select $5::bigint, 'p' || $5::bigint, $2, '192.0.2.1', 'p', username, id, '10.0.0.1', $3::timestamptz, $4::timestamptz, 60, 10, 20, 10, 20, $4::timestamptz, $6
         from subscriber where id = $1`,
      [subscriberId, nasId, timestamp(from), timestamp(endedAt), 1_000_000 + this.#serial, cause],
    );
  }

  async purchase(
    subscriberId: number,
    revisionId: number,
    at: Instant,
    more: { number?: string; grantId?: number; cancelledAt?: Instant; price?: number } = {},
  ): Promise<number> {
    this.#serial += 1;
    return this.#insert(
      `insert into purchase (number, subscriber_id, plan_revision_id, price_rupiah, ordered_by, ordered_at, expires_at, grant_id, granted_at, cancelled_at, cancelled_by)
       values ($1, $2, $3, $4, 'staff:sari', $5::timestamptz, $6::timestamptz, $7, $8::timestamptz, $9::timestamptz, case when $9::text is not null then 'staff:adi' end) returning id`,
      [
        more.number ?? `P-${String(this.#serial).padStart(8, '0')}`,
        subscriberId,
        revisionId,
        more.price ?? 75_000,
        timestamp(at),
        timestamp(at + DAY),
        more.grantId ?? null,
        more.grantId === undefined ? null : timestamp(at),
        timestamp(more.cancelledAt ?? null),
      ],
    );
  }

  async payment(purchaseId: number, at: Instant, rupiah = 75_000, method = 'cash'): Promise<number> {
    return this.#insert(
      `insert into payment (purchase_id, subscriber_id, method, amount_rupiah, received_at, received_by, note)
       select $1, subscriber_id, $4, $3, $2::timestamptz, 'staff:sari', 'tunai' from purchase where id = $1 returning id`,
      [purchaseId, timestamp(at), rupiah, method],
    );
  }

  async refund(paymentId: number, at: Instant, rupiah: number, kind = 'refund'): Promise<number> {
    return this.#insert(
      `insert into refund (payment_id, kind, amount_rupiah, at, by, reason)
       values ($1, $4, $3, $2::timestamptz, 'staff:sari', 'salah beli') returning id`,
      [paymentId, timestamp(at), rupiah, kind],
    );
  }

  async message(
    subscriberId: number | null,
    at: Instant,
    more: {
      notice?: string;
      sentAt?: Instant;
      failedAt?: Instant;
      failure?: string;
      onceKey?: string;
      body?: string;
      readAt?: Instant;
    } = {},
  ): Promise<number> {
    return this.#insert(
      `insert into message (subscriber_id, phone, notice, body_sealed, once_key, queued_at, due_at, expires_at, sent_at, failed_at, failure, read_at)
       values ($1, '628123456789', $2, convert_to($8, 'UTF8'), $3, $4::timestamptz, $4::timestamptz, $4::timestamptz + interval '1 day',
               $5::timestamptz, $6::timestamptz, $7, $9::timestamptz) returning id`,
      [
        subscriberId,
        more.notice ?? 'activated',
        more.onceKey ?? null,
        timestamp(at),
        timestamp(more.sentAt ?? null),
        timestamp(more.failedAt ?? null),
        more.failure ?? null,
        more.body ?? 'sealed',
        timestamp(more.readAt ?? null),
      ],
    );
  }

  async #insert(text: string, values: readonly unknown[]): Promise<number> {
    const [row] = await this.db.query<{ id: number }>(text, values);
    return row!.id;
  }
}

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decide } from '#domain/decide';
import type { Decision } from '#domain/decision';
import { defaultPolicy } from '#domain/policy';
import { type Told, toldOf } from '#domain/reconcile';
import { onlyPolicy } from '#domain/rollout';
import { DAY, type Instant } from '#domain/time';
import type { EnforcedNas } from '#enforcement/assess';
import type { Answer, DrivenSession, NasDriver } from '#enforcement/driver';
import type { Alarm, LoopLog, LoopOptions } from '#enforcement/loop';
import { change } from '#storage/change';
import type { Database } from '#storage/database';
import { timestamp } from '#storage/database';
import { type LoadedEntry, loadEntries } from '#storage/facts';
import { createMasterKey, loadMasterKey, nasSecretAad, type Sealer, subscriberPasswordAad } from '#storage/secrets';
import { askEnd } from '#storage/sessions';

export const POLICY = defaultPolicy('Asia/Jakarta');
export const SECRET = 'testing123';

let key: { sealer: Sealer; file: Buffer } | undefined;

/** A master key of this process; its file is gone again at once. */
function masterKey(): { sealer: Sealer; file: Buffer } {
  if (key !== undefined) return key;
  const folder = mkdtempSync(join(tmpdir(), 'gerbang-enforcement-'));
  const path = join(folder, 'master.key');
  createMasterKey(path);
  key = { sealer: loadMasterKey(path), file: readFileSync(path) };
  rmSync(folder, { recursive: true });
  return key;
}

export const testSealer = (): Sealer => masterKey().sealer;

/** For another process that has to open what this one sealed. */
export const writeKeyFile = (path: string): void => writeFileSync(path, masterKey().file, { mode: 0o600 });

/** What a NAS holds of a line, in the words of `Told.live`. */
export const ACTIVE = '20000000/20000000 list=prepaid-active';
export const WALLED = '128000/128000 list=prepaid-no-package';
export const FIXED = 'default';

/** NASes, subscribers and live sessions in a database, in bulk. */
export class Network {
  readonly nases = new Map<number, EnforcedNas & { port: number }>();
  readonly db: Database;
  #revisionId = 0;

  constructor(db: Database) {
    this.db = db;
  }

  /** An empty network in a database used before. */
  static async in(db: Database): Promise<Network> {
    await db.execute(
      'truncate session, due, grants, subscriber, plan_revision, plan, nas, enforcement_act, change cascade',
    );
    return new Network(db);
  }

  /** `address` may be a block; left out: one of 127.0.0.1, 127.0.0.2 … */
  async nas(options: { coaPerSecond?: number; port?: number; address?: string } = {}): Promise<number> {
    const coaPerSecond = options.coaPerSecond ?? 1000;
    const name = `nas${this.nases.size + 1}`;
    const [row] = await this.db.query<{ id: number }>(
      `insert into nas (name, address, secret_sealed, coa_per_second, coa_port)
       values ($1, $2::inet::cidr, '', $3, $4) returning id`,
      [name, options.address ?? `127.0.0.${this.nases.size + 1}`, coaPerSecond, options.port ?? 3799],
    );
    const id = row!.id;
    await this.db.execute('update nas set secret_sealed = $2 where id = $1', [
      id,
      testSealer().seal(SECRET, nasSecretAad(id)),
    ]);
    this.nases.set(id, { name, tags: [], vendor: 'mikrotik', coaPerSecond, port: options.port ?? 3799 });
    return id;
  }

  /** The 20M plan's revision. */
  async plan(allowanceBytes: number | null = null): Promise<number> {
    if (this.#revisionId !== 0) return this.#revisionId;
    const [row] = await this.db.query<{ id: number }>(
      `with plan as (insert into plan (name) values ('20M') returning id)
       insert into plan_revision (plan_id, revision, download_bps, upload_bps, allowance_bytes, period_days, price_rupiah)
       select id, 1, 20000000, 20000000, $1, 30, 75000 from plan returning id`,
      [allowanceBytes],
    );
    this.#revisionId = row!.id;
    return this.#revisionId;
  }

  /**
   * Subscribers `<prefix>0` … with a grant until `until` (null: none), each with one live session that was told `told` and is
   * held by the router at `address` (left out: the NAS's first).
   */
  async lines(
    nasId: number,
    count: number,
    until: Instant | null,
    told: Told | null,
    prefix = `line${nasId}-`,
    address: string | null = null,
  ): Promise<number[]> {
    const revision = await this.plan();
    const rows = await this.db.query<{ id: number }>(
      `insert into subscriber (username, password_sealed) select $1 || i, '' from generate_series(0, $2 - 1) i returning id`,
      [prefix, count],
    );
    const ids = rows.map((row) => row.id);
    await this.db.execute(
      `update subscriber set password_sealed = u.sealed from unnest($1::bigint[], $2::bytea[]) u (id, sealed) where subscriber.id = u.id`,
      [ids, ids.map((id) => testSealer().seal('rahasia', subscriberPasswordAad(id)))],
    );
    if (until !== null) {
      await this.db.execute(
        `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at)
         select id, $2, $3::timestamptz - interval '30 days', $3::timestamptz from unnest($1::bigint[]) id`,
        [ids, revision, timestamp(until)],
      );
    }
    await this.db.execute(
      `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, mac, framed_ip, started_at,
                            heard_at, day, told_live, told_fixed, told_at, confirmed_at)
       select 'key' || id, $2, coalesce($5::inet, (select host(address)::inet from nas where nas.id = $2)), '81' || lpad(to_hex(id), 6, '0'), username, id, 'AA:BB:CC:00:00:01', '10.0.0.1'::inet + id,
              now() - interval '1 hour', now(), current_date, $3, $4,
              case when $3::text is not null then now() - interval '1 hour' end,
              case when $3::text is not null then now() - interval '1 hour' end
       from subscriber where id = any($1::bigint[])`,
      [ids, nasId, told?.live ?? null, told?.fixed ?? null, address],
    );
    return ids;
  }

  /** A payment, as operations do it: a grant from now for 30 days, marked. */
  async grant(subscriberId: number, from: Instant, until: Instant = from + 30 * DAY): Promise<void> {
    const revision = await this.plan();
    await change(this.db, { actor: 'test', why: 'grant plan' }, async (tx) => {
      await tx.execute(
        `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at) values ($1, $2, $3::timestamptz, $4::timestamptz)`,
        [subscriberId, revision, timestamp(from), timestamp(until)],
      );
      await tx.mark([subscriberId]);
    });
  }

  async suspend(subscriberId: number, suspended = true): Promise<void> {
    await change(this.db, { actor: 'test', why: 'suspend' }, async (tx) => {
      await tx.execute('update subscriber set suspended_at = case when $2 then now() end where id = $1', [
        subscriberId,
        suspended,
      ]);
      await tx.mark([subscriberId]);
    });
  }

  /** As the operation does it. */
  async askEnd(subscriberId: number, at: Instant): Promise<void> {
    await change(this.db, { actor: 'test', why: 'disconnect session' }, async (tx) => {
      await askEnd(tx, subscriberId, null, { at, reason: 'modem' });
      await tx.mark([subscriberId]);
    });
  }

  async mark(ids: readonly number[]): Promise<void> {
    await change(this.db, { actor: 'test', why: 'mark' }, (tx) => tx.mark(ids));
  }

  /** One subscriber's rows, as a test asks about them. */
  async state(subscriberId: number) {
    const [row] = await this.db.query<State>(
      `select s.told_live as told, s.ending_since as "endingSince", s.ended_at as "endedAt", s.flags,
              d.due_at as "dueAt", d.attempts, d.last_error as error, d.valid_below as "validBelow",
              d.claimed_until as "claimedUntil"
       from due d left join session s on s.subscriber_id = d.subscriber_id where d.subscriber_id = $1
       order by s.id desc limit 1`,
      [subscriberId],
    );
    return row ?? null;
  }

  async acts(subscriberId: number): Promise<string[]> {
    const rows = await this.db.query<{ line: string }>(
      `select act || ' → ' || outcome as line from enforcement_act where subscriber_id = $1 order by id`,
      [subscriberId],
    );
    return rows.map((row) => row.line);
  }

  /** How many live sessions were told this. */
  async countTold(live: string, nasId: number): Promise<number> {
    const [row] = await this.db.query<{ count: number }>(
      'select count(*) as count from session where told_live = $1 and nas_id = $2 and ended_at is null',
      [live, nasId],
    );
    return row!.count;
  }

  options(driver: NasDriver, time: { clock: () => Instant; alarm?: Alarm }): LoopOptions<LoadedEntry> {
    return {
      db: this.db,
      policies: async () => onlyPolicy(POLICY),
      nases: () => this.nases,
      driver,
      loadEntries: (ids) => loadEntries(this.db, testSealer(), ids),
      publish: () => undefined,
      log: quiet,
      ...time,
    };
  }
}

type State = {
  told: string | null;
  endingSince: Instant | null;
  endedAt: Instant | null;
  flags: string[];
  dueAt: Instant;
  attempts: number;
  error: string | null;
  validBelow: number | null;
  claimedUntil: Instant | null;
};

export const quiet: LoopLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** The machine's time, that can be moved forward; alarms go with it. */
export class MovableTime {
  #offset = 0;
  readonly #alarms = new Set<{ at: Instant; work: () => void; timer: NodeJS.Timeout }>();

  readonly clock = (): Instant => Date.now() + this.#offset;

  readonly alarm: Alarm = (at, work) => {
    const entry = { at, work, timer: setTimeout(() => this.#fire(entry), this.#wait(at)) };
    this.#alarms.add(entry);
    return () => {
      clearTimeout(entry.timer);
      this.#alarms.delete(entry);
    };
  };

  moveTo(at: Instant): void {
    this.#offset += at - this.clock();
    for (const entry of [...this.#alarms]) {
      clearTimeout(entry.timer);
      entry.timer = setTimeout(() => this.#fire(entry), this.#wait(entry.at));
    }
  }

  #wait(at: Instant): number {
    return Math.min(Math.max(0, at - this.clock()), 2 ** 31 - 1);
  }

  #fire(entry: { at: Instant; work: () => void; timer: NodeJS.Timeout }): void {
    this.#alarms.delete(entry);
    entry.work();
  }
}

export type Call = {
  do: 'coa' | 'disconnect' | 'probe';
  username: string;
  nasId: number;
  nasAddress: string;
  live: string;
  at: Instant;
};

/** A driver that notes what it is asked and answers as told. */
export class ScriptedDriver implements NasDriver {
  readonly calls: Call[] = [];
  answer: (call: Call) => Answer | Promise<Answer> = () => ({ is: 'done', said: 'ack' });
  readonly #clock: () => Instant;

  constructor(clock: () => Instant = Date.now) {
    this.#clock = clock;
  }

  coa(session: DrivenSession, decision: Decision): Promise<Answer> {
    return this.#called('coa', session, toldOf(decision).live);
  }

  disconnect(session: DrivenSession): Promise<Answer> {
    return this.#called('disconnect', session, '');
  }

  probe(session: DrivenSession): Promise<Answer> {
    return this.#called('probe', session, '');
  }

  /** `coa line1-0: 128000/128000 list=…` */
  said(): string[] {
    return this.calls.map(({ do: act, username, live }) => `${act} ${username}${live === '' ? '' : `: ${live}`}`);
  }

  async #called(act: Call['do'], { username, nasId, nasAddress }: DrivenSession, live: string): Promise<Answer> {
    const call = { do: act, username, nasId, nasAddress, live, at: this.#clock() };
    this.calls.push(call);
    return this.answer(call);
  }
}

export const done: Answer = { is: 'done', said: 'ack' };
export const silent: Answer = { is: 'silent', said: 'no answer' };
export const gone: Answer = { is: 'gone', said: 'nak 503 session context not found' };
export const cannot: Answer = { is: 'cannot', said: 'nak 401 unsupported attribute' };
export const later: Answer = { is: 'later', said: 'nak 506 resources unavailable' };
export const doubtful: Answer = { is: 'doubtful', said: 'nak 406 unsupported extension' };

/** What `decide` gives these facts, for a session to have been told. */
export const toldBy = (entry: LoadedEntry, at: Instant): Told => toldOf(decide(entry.facts, POLICY, at));

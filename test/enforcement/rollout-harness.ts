import { expect } from 'vitest';
import type { Policy } from '#domain/policy';
import type { Policies, RolloutStatus } from '#domain/rollout';
import { DAY, type Instant, SECOND } from '#domain/time';
import { type Loop, startLoop } from '#enforcement/loop';
import { steps } from '#enforcement/rollout';
import type { Desk } from '#operations/desk';
import { type RolloutOrder, rolloutStatus, startRollout } from '#operations/publish-policy';
import type { Database } from '#storage/database';
import { loadEntries } from '#storage/facts';
import { insertRevision, policyReader, putInForce, type ReadPolicies } from '#storage/policy';
import {
  ACTIVE,
  FIXED,
  MovableTime,
  Network,
  POLICY,
  quiet,
  ScriptedDriver,
  testSealer,
} from '#test/enforcement/network';

export const ZONE = 'Asia/Jakarta';

/** What a line with the 20M plan is told by `HALF`. */
export const HALVED = '10000000/10000000 list=prepaid-active';

/** The default policy with one outcome of its rule for active lines changed. */
export const activeGets = (change: object): Policy => ({
  ...POLICY,
  rules: POLICY.rules.map((rule) =>
    rule.name === 'active' ? { ...rule, give: { ...rule.give, ...change } as typeof rule.give } : rule,
  ),
});

/** Half the speed: a CoA for every active line. */
export const HALF = activeGets({ rate: { is: 'share', share: 0.5 } });

/** A network whose lines are as revision 1 has it, revision 2 ready to be rolled out, the real loop, and steps by hand. */
export class RolloutWorld {
  readonly network: Network;
  readonly time = new MovableTime();
  readonly driver = new ScriptedDriver(this.time.clock);
  readonly db: Database;
  readonly desk: Desk;
  readonly step: (seconds: number) => Promise<boolean>;
  #loop: Loop | null = null;
  #auditedBefore = 0;
  nas = 0;
  ids: number[] = [];

  private constructor(network: Network) {
    this.network = network;
    this.db = network.db;
    const rest = { zone: ZONE, publicUrl: 'https://portal.test', actor: 'staff:andi' };
    this.desk = { ...rest, db: this.db, sealer: testSealer(), clock: this.time.clock };
    this.step = steps({ ...this.options(), clock: async () => this.time.clock() });
  }

  static async of(db: Database, lines: number, next: Policy = HALF): Promise<RolloutWorld> {
    const network = await Network.in(db);
    await db.execute('truncate policy_rollout_session, policy_rollout, policy_revision restart identity');
    const world = new RolloutWorld(network);
    const [audit] = await db.query<{ last: number | null }>('select max(id) as last from audit');
    world.#auditedBefore = audit?.last ?? 0;
    await world.revise(POLICY, true);
    await world.revise(next);
    world.nas = await network.nas();
    world.ids = await network.lines(world.nas, lines, Date.now() + 20 * DAY, { live: ACTIVE, fixed: FIXED });
    return world;
  }

  options() {
    const loadSome = (ids: readonly number[]) => loadEntries(this.db, testSealer(), ids);
    return { db: this.db, zone: ZONE, nases: () => this.network.nases, loadEntries: loadSome, log: quiet };
  }

  /** Saves a policy as the next revision. */
  async revise({ rules }: Policy, inForce = false): Promise<number> {
    const at = this.time.clock() - DAY;
    const rest = { source: null, baseId: null, note: '', createdBy: 'test', at, inForce: false };
    const id = await insertRevision(this.db, { document: { rules }, ...rest });
    if (inForce) await putInForce(this.db, id, at);
    return id;
  }

  async startLoop(): Promise<Loop> {
    const read = policyReader(ZONE);
    let known: ReadPolicies | null = null;
    const policies = async (): Promise<Policies> => {
      known = await read(this.db, known);
      return known.policies;
    };
    this.#loop = await startLoop({ ...this.network.options(this.driver, this.time), policies });
    return this.#loop;
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  start(order: Partial<RolloutOrder> = {}): Promise<RolloutStatus> {
    return startRollout(this.desk, { revision: 2, canary: null, perSecond: 10, watchSeconds: 60, ...order });
  }

  async policies(): Promise<Policies> {
    return (await policyReader(ZONE)(this.db)).policies;
  }

  /** A second passes, and a step is taken. */
  async second(seconds = 1): Promise<RolloutStatus> {
    this.time.moveTo(this.time.clock() + seconds * SECOND);
    await this.step(seconds);
    return this.status();
  }

  async status(): Promise<RolloutStatus> {
    return (await rolloutStatus(this.db))!;
  }

  /** Ids of those whose live session was told this. */
  async told(live: string): Promise<number[]> {
    const rows = await this.db.query<{ id: number }>(
      'select subscriber_id as id from session where told_live = $1 and ended_at is null order by subscriber_id',
      [live],
    );
    return rows.map(({ id }) => id);
  }

  /** Waits until the loop has nothing to do. */
  async quietened(): Promise<void> {
    const busy = async () => {
      const [row] = await this.db.query<{ count: number }>(
        'select count(*) as count from due where claimed_until is not null or (attempts = 0 and due_at <= $1::timestamptz)',
        [new Date(this.time.clock()).toISOString()],
      );
      return row!.count;
    };
    await expect.poll(busy, { timeout: 20_000, interval: 10 }).toBe(0);
  }

  async audited(): Promise<string[]> {
    const rows = await this.db.query<{ why: string }>('select why from audit where id > $1 order by id', [
      this.#auditedBefore,
    ]);
    return rows.map(({ why }) => why);
  }

  /** Accounting hears the end of a session, as a Stop tells it. */
  async endSession(subscriberId: number, at: Instant): Promise<void> {
    await this.db.execute(
      'update session set ended_at = $2::timestamptz, cause = $3 where subscriber_id = $1 and ended_at is null',
      [subscriberId, new Date(at).toISOString(), 'User-Request'],
    );
  }

  /** And a new one. */
  async startSession(subscriberId: number, at: Instant): Promise<void> {
    await this.db.execute(
      `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, started_at, heard_at, day)
       select 'again' || id || '-' || $2, $3, '127.0.0.1', 'again', username, id, $2::timestamptz, $2::timestamptz,
         current_date from subscriber where id = $1`,
      [subscriberId, new Date(at).toISOString(), this.nas],
    );
  }
}

import { beforeAll, describe, expect, test } from 'vitest';
import { DAY, HOUR, type Instant, localDate, MINUTE } from '#domain/time';
import { addPlan } from '#operations/add-plan';
import { askGateway } from '#operations/ask-gateway';
import { runInvoices } from '#operations/run-invoices';
import { subscribe } from '#operations/subscriptions';
import { grantsOf } from '#storage/grants';
import { balances, verifyLedger } from '#storage/ledger';
import { NOW } from '#test/operations/desk';
import { PRICE } from '#test/operations/shop';
import { type Club, type Outcome, openClub } from '#test/recurring/club';

/** The same chances each time: Lehmer's generator of 1988 (16807). */
function chances(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 16_807) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** What goes wrong at most twice for one invoice, as its third try is the last. */
const FAILURES: readonly Outcome[] = ['denied', 'refused'];
/** What leaves it in doubt for a while. */
const DOUBTS: readonly Outcome[] = ['away', 'lost', 'silent', 'pending'];

class World {
  readonly club: Club;
  readonly #chance: () => number;
  /** When the gateway answers again. */
  #backAt: Instant = 0;
  readonly #pending = new Map<string, Instant>();
  readonly happened = new Map<string, number>();

  constructor(club: Club, seed: number) {
    this.club = club;
    this.#chance = chances(seed);
    club.till.decide = (orderId) => this.#decide(orderId);
  }

  #decide(orderId: string): Outcome {
    const tries = Number(orderId.split('-').at(-1));
    const chance = this.#chance();
    const some = chance < 0.35 ? DOUBTS : chance < 0.7 && tries < 3 ? FAILURES : (['paid'] as const);
    const outcome = some[Math.floor(this.#chance() * some.length)]!;
    this.happened.set(outcome, (this.happened.get(outcome) ?? 0) + 1);
    const now = this.club.desk.clock();
    if (outcome === 'silent') this.#backAt = now + 40 * MINUTE;
    if (outcome === 'pending') this.#pending.set(orderId, now + HOUR);
    return outcome;
  }

  /** Goes on until then, looking whenever somebody's auto-pay is to be looked at. */
  async until(end: Instant, each: () => Promise<void>): Promise<void> {
    const { club } = this;
    const { desk, till } = club;
    for (;;) {
      const now = desk.clock();
      till.trouble.down = now < this.#backAt;
      for (const [orderId, at] of this.#pending) {
        if (at > now) continue;
        this.#pending.delete(orderId);
        till.come(orderId);
        // What the inbox would do with its event.
        if (!till.trouble.down) await askGateway(desk, club.gateways, orderId);
      }
      await club.run();
      await each();
      const [next] = await desk.db.query<{ at: Instant | null }>(
        'select min(next_try_at) as at from auto_pay where paused_at is null',
      );
      const to = Math.max(now + MINUTE, Math.min(next!.at ?? end, now + DAY, ...this.#pending.values()));
      if (to >= end) return desk.setClock(end);
      desk.setClock(to);
    }
  }
}

const covers = async (club: Club, id: number) =>
  club.desk.db.query<{ from: Instant; until: Instant }>(
    'select starts_at as from, ends_at as until from cover where subscriber_id = $1 order by 1',
    [id],
  );

async function expectEachPaidOnce(club: Club, id: number): Promise<void> {
  const invoices = await club.invoices(id);
  const settled = invoices.filter(({ settledAt }) => settledAt !== null);
  const grants = await grantsOf(club.desk.db, id);
  expect(settled).toHaveLength(grants.length);
  expect(new Set(grants.map(({ from }) => from)).size).toBe(grants.length);
  expect(await covers(club, id)).toHaveLength(1);
  expect((await club.state(id)).pausedAt).toBeNull();
}

async function expectBooksAgree(club: Club): Promise<void> {
  expect(await verifyLedger(club.desk.db)).toEqual([]);
  const sums = [...(await balances(club.desk.db)).values()];
  expect(sums.reduce((total, rupiah) => total + rupiah, 0)).toBe(0);
}

describe.each([
  ['a month', 31, 7],
  ['a year', 365, 42],
])('auto-pay through %s in which charges fail, get lost and stay in doubt', (_span, days, seed) => {
  let club: Club;
  let world: World;
  let card: number;
  let balance: number;
  let postpaid: number;
  let perWeek: number;

  beforeAll(async () => {
    club = await openClub();
    world = new World(club, seed);
    await addPlan(club.desk, { name: 'weekly', down: '5M', up: '5M', period: '7d', price: '25000' });
    const [weekly] = await club.desk.db.query<{ id: number }>(
      `select max(id) as id from plan_revision where plan_id = (select id from plan where name = 'weekly')`,
    );
    Object.assign(club.plans, { weekly: weekly!.id });
    const members = [await club.member(), await club.member({ card: null }), await club.member({ plan: 'weekly' })];
    [card, balance, perWeek] = members.map(({ id }) => id) as [number, number, number];
    for (const { id, methodId } of members) await club.choose(id, methodId);
    postpaid = (await club.subscriber({ billing: 'postpaid' })).id;
    const [plan] = await club.desk.db.query<{ id: number }>(`select id from plan where name = 'unlimited'`);
    await subscribe(club.desk, { subscriberId: postpaid, planId: plan!.id });
    await club.choose(postpaid, await club.card(postpaid, { token: 'tok-postpaid' }));
    let toppedUp = 0;
    let billedOn = '';
    await world.until(NOW + days * DAY, async () => {
      const now = club.desk.clock();
      const today = localDate(now, club.desk.zone);
      if (today !== billedOn) await runInvoices(club.desk);
      billedOn = today;
      // Late each month: the first try finds too little.
      const months = Math.floor((now - NOW + 20 * HOUR) / (30 * DAY));
      for (; toppedUp < months; toppedUp += 1) await club.topUp(balance, PRICE);
    });
  }, 240_000);

  test('everything that can happen to a charge happened', () => {
    if (days > 31) expect([...world.happened.keys()].sort()).toEqual(['paid', ...FAILURES, ...DOUBTS].sort());
    expect(world.happened.size).toBeGreaterThan(1);
  });

  test('who pays by card is covered without a gap, and charged once for each period', async () => {
    await expectEachPaidOnce(club, card);
    const [cover] = await covers(club, card);
    expect(cover!.until).toBe(NOW + (Math.floor((days + 1) / 30) + 1) * 30 * DAY);
    await expectEachPaidOnce(club, perWeek);
    expect(await club.credit(card)).toBe(0);
  });

  test('who pays from the balance too, although it was filled too late each time', async () => {
    await expectEachPaidOnce(club, balance);
    expect((await club.told(balance)).map(({ notice }) => notice)).toContain('auto-pay-failed');
    expect(await club.credit(balance)).toBe(0);
  });

  test('each invoice of a postpaid line is paid once, before it is overdue', async () => {
    const invoices = await club.invoices(postpaid);
    const due = invoices.filter(({ dueAt }) => dueAt <= club.desk.clock());
    expect(due.length).toBeGreaterThanOrEqual(Math.floor(days / 31));
    for (const { settledAt, dueAt, settlements } of due) {
      expect(settledAt).toBeLessThan(dueAt);
      expect(settlements).toBe(1);
    }
    expect(await club.credit(postpaid)).toBe(0);
  });

  test('what was charged is what the invoices asked, and the books come to zero', async () => {
    const charged = [...club.till.charged.values()].reduce((sum, { amountRupiah }) => sum + amountRupiah, 0);
    const [paid] = await club.desk.db.query<{ rupiah: number }>(
      `select sum(amount_rupiah)::bigint as rupiah from payment where gateway = 'midtrans'`,
    );
    expect(paid!.rupiah).toBe(charged);
    expect((await balances(club.desk.db)).get('clearing:midtrans')).toBe(charged);
    await expectBooksAgree(club);
  });

  test('each charge was told of once, before and after', async () => {
    for (const id of [card, perWeek]) {
      const told = (await club.told(id)).map(({ notice }) => notice);
      const settled = (await club.invoices(id)).filter(({ settledAt }) => settledAt !== null).length;
      expect(told.filter((notice) => notice === 'auto-pay-done')).toHaveLength(settled - 1);
      expect(told.filter((notice) => notice === 'auto-pay-soon').length).toBeGreaterThanOrEqual(settled - 1);
    }
  });
});

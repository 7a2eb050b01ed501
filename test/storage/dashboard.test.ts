import { beforeEach, describe, expect, test } from 'vitest';
import { DAY, HOUR, type Instant, MINUTE, NEVER } from '#domain/time';
import {
  attention,
  countEnding,
  countFigure,
  endingBetween,
  FIGURE_SECONDS,
  type Figure,
  figuresBetween,
  kpis,
  saveFigure,
} from '#storage/dashboard';
import { type Database, timestamp } from '#storage/database';
import { Shop } from '#test/storage/shop';
import { testDatabase } from '#test/support/database';

const ZONE = 'Asia/Jakarta';
/** A Saturday, 09.00 in Jakarta, on a slot. */
const NOW = Date.parse('2026-11-21T02:00:00Z');
const SLOT = FIGURE_SECONDS * 1000;
let db: Database;
let shop: Shop;
let tower: number;
let p20: number;
beforeEach(async () => {
  db = await testDatabase();
  shop = new Shop(db);
  tower = await shop.nas('tower');
  p20 = await shop.plan('P20', 1000);
});

const figure = (at: Instant, over: Partial<Figure> = {}): Figure => ({
  at,
  prepaid: 10,
  active: 5,
  needPackage: 5,
  expired: 3,
  depleted: 1,
  online: 4,
  ...over,
});

/** Of prepaid ones two are active, one depleted, one expired, one without a package, one suspended. */
async function aCompany(): Promise<void> {
  const make = async (name: string, from: number, until: number, used = 0, over = {}) => {
    const id = await shop.subscriber(name, over);
    await shop.grant(id, p20, NOW + from, NOW + until, { used });
    return id;
  };
  const active = await make('active', -DAY, 9 * DAY);
  await make('soon', -DAY, HOUR);
  await make('depleted', -DAY, DAY, 1000);
  await make('expired', -3 * DAY, -DAY);
  await shop.subscriber('none');
  await make('suspended', -DAY, DAY, 0, { suspendedAt: NOW - DAY });
  const postpaid = await make('postpaid', -DAY, DAY, 0, { billing: 'postpaid' });
  await shop.session(active, tower, NOW - HOUR);
  await shop.session(active, tower, NOW - HOUR);
  await shop.session(postpaid, tower, NOW - HOUR);
  await shop.session(postpaid, tower, NOW - 2 * HOUR, { endedAt: NOW - HOUR });
}

describe('the figures of the dashboard', () => {
  test('count the prepaid by how they stand, and everybody who is online once', async () => {
    await aCompany();
    expect(await countFigure(db, NOW)).toEqual({
      at: NOW,
      prepaid: 6,
      active: 2,
      needPackage: 3,
      expired: 1,
      depleted: 1,
      online: 2,
    });
  });

  test('stand beside those of a week ago, as they were kept then', async () => {
    await aCompany();
    await saveFigure(db, NOW - 7 * DAY - SLOT, figure(0, { prepaid: 4, active: 1, online: 9 }));
    await saveFigure(db, NOW - 7 * DAY + SLOT, figure(0, { prepaid: 99 }));
    const all = await kpis(db, NOW, ZONE);
    expect(all.prepaid).toEqual({ now: 6, weekAgo: 4 });
    expect(all.active).toEqual({ now: 2, weekAgo: 1 });
    expect(all.activeRate).toEqual({ now: 2 / 6, weekAgo: 0.25 });
    expect(all.needPackage.now).toBe(3);
    expect(all.online).toEqual({ now: 2, weekAgo: 9 });
  });

  test('of a company without anything are zeros, and of a week ago nothing is known', async () => {
    const all = await kpis(db, NOW, ZONE);
    expect(all.activeRate).toEqual({ now: 0, weekAgo: null });
    expect(all.revenueToday).toEqual({ now: 0, weekAgo: 0 });
  });

  test('of a big company are those of the newest sample, but who is online is counted', async () => {
    await aCompany();
    await saveFigure(db, NOW - SLOT, figure(0, { prepaid: 50_000, active: 40_000, online: 7 }));
    const all = await kpis(db, NOW, ZONE);
    expect([all.prepaid.now, all.active.now, all.online.now]).toEqual([50_000, 40_000, 2]);
    const later = await kpis(db, NOW + 3 * SLOT, ZONE);
    expect(later.prepaid.now, 'too old').toBe(6);
  });

  test('a kept slot stays as it is', async () => {
    expect(await saveFigure(db, NOW, figure(0))).toBe(true);
    expect(await saveFigure(db, NOW, figure(0, { prepaid: 11 }))).toBe(false);
    expect(await figuresBetween(db, NOW, NOW + 1)).toEqual([figure(NOW)]);
  });

  test('over time are all of them, or the last of each step when there are too many; gaps stay gaps', async () => {
    for (let n = 0; n < 12; n++) if (n !== 5) await saveFigure(db, NOW + n * SLOT, figure(0, { online: n }));
    const onlines = async (from: Instant, to: Instant, most?: number) =>
      (await figuresBetween(db, from, to, most)).map(({ online }) => online);
    expect(await onlines(NOW, NOW + 12 * SLOT)).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]);
    expect(await onlines(NOW + SLOT, NOW + 3 * SLOT)).toEqual([1, 2]);
    expect(await onlines(NOW, NOW + 12 * SLOT, 4)).toEqual([2, 4, 8, 11]);
  });
});

describe('revenue', () => {
  test('of today and this month is by the company’s zone, beside what it was a week ago at this time', async () => {
    const who = await shop.subscriber('pembeli');
    const purchase = await shop.purchase(who, p20, NOW - 40 * DAY);
    const pay = (at: string, rupiah: number) => shop.payment(purchase, Date.parse(at), rupiah);
    await pay('2026-11-20T17:00:00Z', 1); // 00.00 today in Jakarta
    await pay('2026-11-20T16:59:59Z', 10); // yesterday
    await pay('2026-11-21T02:00:00Z', 100); // this very instant is not over yet
    await pay('2026-11-13T18:00:00Z', 1_000); // a week ago, 01.00
    await pay('2026-11-14T03:00:00Z', 10_000); // a week ago, 10.00: later than now
    await pay('2026-10-31T17:00:00Z', 100_000); // the first instant of the month
    await pay('2026-10-31T16:59:59Z', 1_000_000); // the month before
    const all = await kpis(db, NOW, ZONE);
    expect(all.revenueToday).toEqual({ now: 1, weekAgo: 1_000 });
    expect(all.revenueThisMonth).toEqual({ now: 111_011, weekAgo: 101_000 });
    const last = await pay('2026-11-13T18:00:00Z', 500);
    await shop.refund(last, Date.parse('2026-11-13T19:00:00Z'), 200);
    await shop.refund(last, Date.parse('2026-11-20T18:00:00Z'), 300, 'reversal');
    const less = await kpis(db, NOW, ZONE);
    expect(less.revenueToday).toEqual({ now: -299, weekAgo: 1_300 });
    expect(less.revenueThisMonth).toEqual({ now: 111_011, weekAgo: 101_300 });
  });
});

describe('who ends soon', () => {
  test('is listed with the plan and the end, unless more follows; the next to end first', async () => {
    const grant = async (name: string, spans: [number, number, Instant?][], over = {}) => {
      const id = await shop.subscriber(name, over);
      for (const [from, until, revokedAt] of spans)
        await shop.grant(id, p20, NOW + from * HOUR, until === NEVER ? NEVER : NOW + until * HOUR, {
          revokedAt: revokedAt ?? null,
        });
    };
    await grant('besok', [[-50, 30]]);
    await grant('nanti', [[-50, 3]]);
    await grant('lanjut', [
      [-50, 3],
      [3, 400],
    ]);
    await grant('rantai', [
      [-50, 3],
      [3, 20],
    ]);
    await grant('jeda', [
      [-50, 5],
      [6, 400],
    ]);
    await grant('lama', [[-50, NEVER]]);
    await grant('lewat', [[-50, -3]]);
    await grant('belum', [[2, 10]]);
    await grant('pasca', [[-50, 3]], { billing: 'postpaid' });
    await grant('henti', [[-50, 3]], { suspendedAt: NOW - HOUR });
    const rows = await endingBetween(db, { now: NOW, from: NOW, to: NOW + DAY });
    expect(rows.map((row) => [row.username, (row.endsAt - NOW) / HOUR])).toEqual([
      ['nanti', 3],
      ['jeda', 5],
      ['rantai', 20],
    ]);
    expect(rows[0]).toMatchObject({ plan: 'P20' });
    const next = await endingBetween(db, { now: NOW, from: NOW + DAY, to: NOW + 2 * DAY, limit: 1 });
    expect(next.map((row) => row.username)).toEqual(['besok']);
    const second = await endingBetween(db, { now: NOW, from: NOW, to: NOW + DAY, limit: 1, offset: 1 });
    expect(second.map((row) => row.username)).toEqual(['jeda']);
    const days = [0, 1, 2].map((day) => ({ label: '', from: NOW + day * DAY, until: NOW + (day + 1) * DAY }));
    expect(await countEnding(db, NOW, days)).toEqual([3, 1, 0]);
  });

  test('goes by the plan that ends it, not by one that ended on the way', async () => {
    const who = await shop.subscriber('ganti');
    const p50 = await shop.plan('P50', null, 50);
    await shop.grant(who, p20, NOW - DAY, NOW + HOUR);
    await shop.grant(who, p50, NOW + HOUR, NOW + 2 * HOUR);
    const [row] = await endingBetween(db, { now: NOW, from: NOW, to: NOW + DAY });
    expect(row).toMatchObject({ plan: 'P50', endsAt: NOW + 2 * HOUR });
  });
});

describe('what needs attention', () => {
  test('is nothing when all is well', async () => {
    await aCompany();
    await db.execute('update session set heard_at = $1::timestamptz', [timestamp(NOW - MINUTE)]);
    expect(await attention(db, NOW)).toEqual({
      failedMessages: 0,
      silentRouters: [],
      apiErrors: [],
      overdueEnforcement: 0,
      waitingPurchases: 0,
      unmatched: { count: 0, rupiah: 0, since: null },
      stuckRefunds: 0,
    });
  });

  test('are failed messages of this week, silent routers, API errors, stuck subscribers and orders that wait', async () => {
    const who = await shop.subscriber('pembeli');
    await shop.message(who, NOW, { failedAt: NOW - 6 * DAY });
    await shop.message(who, NOW, { failedAt: NOW - 8 * DAY });
    const hill = await shop.nas('hill', 'connect ECONNREFUSED');
    await shop.session(who, hill, NOW - DAY, { heardAt: NOW - 16 * MINUTE });
    await shop.session(who, hill, NOW - DAY, { heardAt: NOW - HOUR });
    await shop.session(who, tower, NOW - DAY, { heardAt: NOW - HOUR });
    await shop.session(who, tower, NOW - DAY, { heardAt: NOW - MINUTE });
    await db.execute('insert into due (subscriber_id, due_at, attempts) values ($1, now(), 3)', [who]);
    const other = await shop.subscriber('lain');
    await db.execute('insert into due (subscriber_id, due_at, attempts) values ($1, now(), 2)', [other]);
    await shop.purchase(who, p20, NOW - HOUR);
    await shop.purchase(who, p20, NOW - 25 * HOUR);
    await shop.purchase(who, p20, NOW - HOUR, { cancelledAt: NOW });
    for (const [id, ago] of [
      ['a', 3 * HOUR],
      ['b', HOUR],
    ] as const)
      await db.execute(
        `insert into unmatched_money (gateway, gateway_ref, order_id, amount_rupiah, reason, seen_at)
         values ('xendit', $1, $1, 5000, 'unknown-order', $2::timestamptz)`,
        [id, timestamp(NOW - ago)],
      );
    for (const [key, ago] of [
      ['stuck', 25 * HOUR],
      ['young', 23 * HOUR],
    ] as const)
      await db.execute(
        `insert into refund_order (unmatched_id, gateway_key, amount_rupiah, back_rupiah, reason, asked_at, asked_by, due_at)
         select id, $1, 5, 5, 'x', $2::timestamptz, 'test', now() from unmatched_money where order_id = $3`,
        [key, timestamp(NOW - ago), key === 'stuck' ? 'a' : 'b'],
      );
    expect(await attention(db, NOW)).toEqual({
      failedMessages: 1,
      silentRouters: [{ id: hill, name: 'hill', heardAt: NOW - 16 * MINUTE }],
      apiErrors: [{ id: hill, name: 'hill', error: 'connect ECONNREFUSED' }],
      overdueEnforcement: 1,
      waitingPurchases: 1,
      unmatched: { count: 2, rupiah: 10_000, since: NOW - 3 * HOUR },
      stuckRefunds: 1,
    });
  });
});

import { beforeAll, describe, expect, test } from 'vitest';
import { DAY, HOUR, type Instant } from '#domain/time';
import type { Database } from '#storage/database';
import { ensurePartitions } from '#storage/history';
import {
  countExpired,
  expiredBetween,
  revenueByDay,
  revenueByMethod,
  revenueByMonth,
  revenueBySpan,
  topPackages,
} from '#storage/reports';
import { Shop } from '#test/storage/shop';
import { testDatabase } from '#test/support/database';

const ZONE = 'Asia/Jakarta';
const NOW = Date.parse('2026-11-21T02:00:00Z');
let db: Database;
let shop: Shop;
let p20: number;
let who: number;
beforeAll(async () => {
  db = await testDatabase();
  await ensurePartitions(db, NOW - 62 * DAY, NOW + DAY);
  shop = new Shop(db);
  p20 = await shop.plan('P20', 1000);
  who = await shop.subscriber('budi', { name: 'Budi' });
  const purchase = await shop.purchase(who, p20, NOW - 60 * DAY);
  const pay = (at: string, rupiah: number, method = 'cash') => shop.payment(purchase, Date.parse(at), rupiah, method);
  await pay('2026-11-19T16:59:59.999Z', 5); // the 19th in Jakarta
  await pay('2026-11-19T17:00:00Z', 7, 'transfer'); // the 20th
  await pay('2026-11-20T16:00:00Z', 11); // the 20th
  await pay('2026-10-01T05:00:00Z', 100);
});

const at = (text: string): Instant => Date.parse(text);

describe('revenue', () => {
  test('by day is by the local day, with zeros where nothing came in', async () => {
    const days = await revenueByDay(db, at('2026-11-19T00:00:00Z'), NOW, ZONE);
    expect(days.map(({ label, rupiah, payments }) => [label, rupiah, payments])).toEqual([
      ['2026-11-19', 5, 1],
      ['2026-11-20', 18, 2],
      ['2026-11-21', 0, 0],
    ]);
    expect(days[1]).toMatchObject({ from: at('2026-11-19T17:00:00Z'), until: at('2026-11-20T17:00:00Z') });
  });

  test('by month is whole months, also those begun', async () => {
    const months = await revenueByMonth(db, at('2026-09-30T20:00:00Z'), NOW, ZONE);
    expect(months.map(({ label, rupiah }) => [label, rupiah])).toEqual([
      ['2026-10', 100],
      ['2026-11', 23],
    ]);
    expect(await revenueByMonth(db, NOW, NOW, ZONE)).toHaveLength(1);
  });

  test('where clocks change, a day of 25 hours is one day', async () => {
    const days = await revenueByDay(db, at('2026-10-24T22:00:00Z'), at('2026-10-26T22:00:00Z'), 'Europe/Amsterdam');
    expect(days.map(({ label, from, until }) => [label, (until - from) / HOUR])).toEqual([
      ['2026-10-25', 25],
      ['2026-10-26', 24],
    ]);
  });

  test('by method of payment, the most first', async () => {
    expect(await revenueByMethod(db, at('2026-11-19T17:00:00Z'), NOW)).toEqual([
      { method: 'cash', rupiah: 11, payments: 1 },
      { method: 'transfer', rupiah: 7, payments: 1 },
    ]);
  });
});

test('what went back is taken off on the day it goes, by the method it came in with, and counts as no payment', async () => {
  const books = await testDatabase();
  await ensurePartitions(books, NOW - 62 * DAY, NOW + DAY);
  const own = new Shop(books);
  const plan = await own.plan('P20', 1000);
  const siti = await own.subscriber('siti');
  const purchase = await own.purchase(siti, plan, NOW - 9 * DAY);
  const paid = await own.payment(purchase, at('2026-11-19T05:00:00Z'), 100, 'qris');
  await own.payment(purchase, at('2026-11-20T05:00:00Z'), 7, 'cash');
  await own.refund(paid, at('2026-11-20T16:59:59.999Z'), 30);
  await own.refund(paid, at('2026-11-20T17:00:00Z'), 60, 'chargeback');
  const days = await revenueByDay(books, at('2026-11-19T00:00:00Z'), NOW, ZONE);
  expect(days.map(({ rupiah, payments }) => [rupiah, payments])).toEqual([
    [100, 1],
    [-23, 1],
    [-60, 0],
  ]);
  const spans = await revenueBySpan(books, days);
  expect(spans.map(({ methods }) => methods)).toEqual([{ qris: 100 }, { cash: 7, qris: -30 }, { qris: -60 }]);
  expect(await revenueByMethod(books, at('2026-11-19T00:00:00Z'), NOW)).toEqual([
    { method: 'qris', rupiah: 10, payments: 1 },
    { method: 'cash', rupiah: 7, payments: 1 },
  ]);
  await own.grant(siti, plan, NOW - 9 * DAY, NOW - DAY);
  const [gone] = await expiredBetween(books, { now: NOW, from: NOW - 2 * DAY, to: NOW });
  expect(gone?.paidRupiah).toBe(17);
});

describe('reports of customers', () => {
  test('top packages are counted by what was granted, revisions of a plan together', async () => {
    const newer = await shop.plan('P20', 2000, 20, 80_000);
    const p50 = await shop.plan('P50', null, 50, 150_000);
    const sell = async (subscriberId: number, revision: number, when: Instant, price: number) => {
      const grantId = await shop.grant(subscriberId, revision, when, when + DAY);
      await shop.purchase(subscriberId, revision, when, { grantId, price });
    };
    const siti = await shop.subscriber('siti');
    await sell(who, p20, NOW - 2 * DAY, 75_000);
    await sell(who, newer, NOW - DAY, 80_000);
    await sell(siti, newer, NOW - DAY, 80_000);
    await sell(siti, p50, NOW - DAY, 150_000);
    await sell(siti, p50, NOW - 20 * DAY, 150_000);
    const top = await topPackages(db, NOW - 3 * DAY, NOW);
    expect(top.map(({ plan, sold, rupiah }) => [plan, sold, rupiah])).toEqual([
      ['P20', 3, 235_000],
      ['P50', 1, 150_000],
    ]);
    expect((await topPackages(db, NOW - 3 * DAY, NOW, 1)).length).toBe(1);
  });

  test('expired are those whose last package ended then, the last ended first, with what they ever paid', async () => {
    const grant = async (name: string, spans: [number, number][], over = {}) => {
      const id = await shop.subscriber(name, over);
      for (const [from, until] of spans) await shop.grant(id, p20, NOW + from * DAY, NOW + until * DAY);
      return id;
    };
    const gone = await grant('pergi', [
      [-90, -60],
      [-60, -45.5],
    ]);
    await grant('kembali', [
      [-90, -46],
      [-1, 20],
    ]);
    await grant('nanti', [
      [-90, -46],
      [5, 20],
    ]);
    await grant('baru', [[-90, -45]]);
    await grant('pasca', [[-90, -45]], { billing: 'postpaid' });
    await shop.payment(await shop.purchase(gone, p20, NOW - 90 * DAY), NOW - 90 * DAY, 50_000);
    const week = { from: NOW - 47 * DAY, to: NOW - 40 * DAY };
    const rows = await expiredBetween(db, { now: NOW, ...week });
    expect(rows.map((row) => [row.username, row.endedAt, row.paidRupiah])).toEqual([
      ['baru', NOW - 45 * DAY, 0],
      ['pergi', NOW - 45.5 * DAY, 50_000],
    ]);
    expect(await countExpired(db, NOW, [{ label: '', from: week.from, until: week.to }])).toEqual([2]);
    const all = await expiredBetween(db, { now: NOW, from: NOW - 47 * DAY, to: NOW + 30 * DAY });
    expect(
      all.map((row) => row.username).filter((name) => ['kembali', 'nanti'].includes(name)),
      'not over yet',
    ).toEqual([]);
    const second = await expiredBetween(db, {
      now: NOW,
      from: NOW - 47 * DAY,
      to: NOW - 40 * DAY,
      limit: 1,
      offset: 1,
    });
    expect(second.map((row) => row.username)).toEqual(['pergi']);
  });

  test('expired goes by the plan with which it ended, not by the one before or one that was over sooner', async () => {
    const p50 = await shop.plan('P50', null, 50);
    const id = await shop.subscriber('naik');
    await shop.grant(id, p20, NOW - 20 * DAY, NOW - 10 * DAY);
    await shop.grant(id, p50, NOW - 10 * DAY, NOW + DAY, { revokedAt: NOW - 5 * DAY });
    await shop.grant(id, p20, NOW - 7 * DAY, NOW - 6 * DAY);
    const rows = await expiredBetween(db, { now: NOW, from: NOW - 9 * DAY, to: NOW });
    expect(rows.filter(({ username }) => username === 'naik')).toMatchObject([{ plan: 'P50', endedAt: NOW - 5 * DAY }]);
  });
});

import { beforeAll, describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, NEVER, SECOND } from '#domain/time';
import type { Database } from '#storage/database';
import { ensurePartitions } from '#storage/history';
import { recordRejects } from '#storage/rejected-dials';
import { recordActs } from '#storage/sessions';
import { TIMELINE_KINDS, type TimelineItem, timeline, whyOffline } from '#storage/timeline';
import { Shop } from '#test/storage/shop';
import { testDatabase } from '#test/support/database';

const NOW = Date.now();
let db: Database;
let shop: Shop;
let tower: number;
let p20: number;
beforeAll(async () => {
  db = await testDatabase();
  await ensurePartitions(db, NOW - 62 * DAY, NOW + DAY);
  shop = new Shop(db);
  tower = await shop.nas('tower');
  p20 = await shop.plan('P20', 1000);
});

const reject = (username: string, at: number, over: { times?: number; reason?: string; firstAt?: number } = {}) =>
  recordRejects(db, [
    {
      username,
      nasId: tower,
      mac: null,
      reason: over.reason ?? 'wrong-password',
      times: over.times ?? 1,
      firstAt: over.firstAt ?? at,
      lastAt: at,
    },
  ]);

/** A customer to whom everything happened, one thing after the other. */
async function everything(username: string): Promise<number> {
  const id = await shop.subscriber(username);
  let at = NOW - 3 * DAY;
  const next = () => {
    at += MINUTE;
    return at;
  };
  await db.query(
    `insert into audit (at, actor, why, subscriber_id, detail) values (to_timestamp($1 / 1000.0), 'staff:sari', 'add subscriber', $2, '{"x": 1}')`,
    [next(), id],
  );
  await reject(username, next(), { times: 3, firstAt: at - 30 * SECOND });
  const purchase = await shop.purchase(id, p20, next(), { number: `P-${username.toUpperCase()}` });
  const paid = await shop.payment(purchase, next());
  await shop.refund(paid, next(), 5_000);
  await shop.grant(id, p20, next(), at + DAY, { used: 7 });
  await shop.message(id, next(), { failedAt: at, failure: 'not-on-whatsapp' });
  await shop.past(id, tower, next(), next(), 'Lost-Carrier');
  await recordActs(db, [
    {
      at: next(),
      subscriberId: id,
      sessionKey: 'k',
      nasId: tower,
      act: 'coa',
      outcome: 'ack',
      reason: 'change',
      tookMs: 5,
    },
  ]);
  await shop.purchase(id, p20, next(), { number: `Q-${username.toUpperCase()}`, cancelledAt: at + MINUTE });
  await shop.session(id, tower, NOW - HOUR, { address: '10.0.0.5', told: '20000000/10000000 list=prepaid-active' });
  return id;
}

const word = (item: TimelineItem): string => ('what' in item ? `${item.kind} ${item.what}` : item.kind);

describe('the timeline of a subscriber', () => {
  test('has everything that happened in one order, the newest first, each with its details', async () => {
    const id = await everything('semua');
    const { items, more } = await timeline(db, id, { now: NOW });
    expect(more).toBe(false);
    expect(items.map(word)).toEqual([
      'session began',
      'grant ended',
      'purchase lapsed',
      'purchase cancelled',
      'purchase ordered',
      'enforcement',
      'session ended',
      'session began',
      'message',
      'grant begun',
      'refund refund',
      'payment',
      'purchase ordered',
      'reject',
      'edit',
    ]);
    const of = (wanted: string) => items.find((item) => word(item) === wanted);
    expect(of('reject')).toMatchObject({ times: 3, reason: 'wrong-password', nasName: 'tower' });
    expect(of('session ended')).toMatchObject({
      cause: 'Lost-Carrier',
      seconds: 60,
      upBytes: 10,
      downBytes: 20,
      address: '10.0.0.1',
      nasName: 'tower',
    });
    expect(of('session began')).toMatchObject({ at: NOW - HOUR, endedAt: null, address: '10.0.0.5' });
    expect(of('enforcement')).toMatchObject({
      act: 'coa',
      outcome: 'ack',
      reason: 'change',
      tookMs: 5,
      nasName: 'tower',
    });
    expect(of('purchase cancelled')).toMatchObject({ number: 'Q-SEMUA', by: 'staff:adi', plan: 'P20' });
    expect(of('purchase lapsed')).toMatchObject({ number: 'P-SEMUA', by: null });
    expect(of('payment')).toMatchObject({ number: 'P-SEMUA', amountRupiah: 75_000, method: 'cash', by: 'staff:sari' });
    expect(of('refund refund')).toMatchObject({
      amountRupiah: 5_000,
      method: 'cash',
      by: 'staff:sari',
      reason: 'salah beli',
    });
    expect(of('grant begun')).toMatchObject({ plan: 'P20', usedBytes: 7, allowanceBytes: 1000 });
    expect(of('message')).toMatchObject({ notice: 'activated', state: 'failed', reason: 'not-on-whatsapp' });
    expect(of('edit')).toMatchObject({ actor: 'staff:sari', why: 'add subscriber', detail: { x: 1 } });
    expect(new Set(items.map(({ key }) => key)).size).toBe(items.length);
  });

  test('pages follow each other: nothing is left out, nothing comes twice, also of one instant', async () => {
    const id = await everything('halaman');
    // Six things of one kind and others at the same instant.
    const at = NOW - 2 * HOUR;
    for (let n = 0; n < 6; n++) await shop.message(id, at);
    await shop.past(id, tower, at, at, 'User-Request');
    await shop.grant(id, p20, at, at + HOUR);
    const { items: whole } = await timeline(db, id, { now: NOW });
    for (const limit of [1, 3, 4]) {
      const pages: TimelineItem[] = [];
      for (let before: string | undefined, more = true; more; before = pages.at(-1)!.key) {
        const page = await timeline(db, id, { now: NOW, limit, ...(before === undefined ? {} : { before }) });
        expect(page.items.length).toBeLessThanOrEqual(limit);
        pages.push(...page.items);
        more = page.more;
      }
      expect(pages).toEqual(whole);
    }
  });

  test('a session across a page is not lost: its beginning comes where it belongs', async () => {
    const id = await shop.subscriber('panjang');
    await shop.past(id, tower, NOW - 20 * DAY, NOW - DAY);
    for (let day = 10; day > 5; day--) await shop.message(id, NOW - day * DAY);
    const first = await timeline(db, id, { now: NOW, limit: 4 });
    const rest = await timeline(db, id, { now: NOW, limit: 4, before: first.items.at(-1)!.key });
    expect([...first.items, ...rest.items].map(word)).toEqual([
      'session ended',
      'message',
      'message',
      'message',
      'message',
      'message',
      'session began',
    ]);
  });

  test('a session that has only just ended is there before it is moved to the history', async () => {
    const id = await shop.subscriber('barusan');
    await shop.session(id, tower, NOW - HOUR, { endedAt: NOW - MINUTE, cause: 'Lost-Carrier' });
    const { items } = await timeline(db, id, { now: NOW });
    expect(items.map((item) => [word(item), NOW - item.at])).toEqual([
      ['session ended', MINUTE],
      ['session began', HOUR],
    ]);
  });

  test('can be of some kinds only, and every kind can be asked for', async () => {
    const id = await everything('jenis');
    const { items: whole } = await timeline(db, id, { now: NOW });
    for (const kind of TIMELINE_KINDS) {
      const { items } = await timeline(db, id, { now: NOW, kinds: [kind] });
      expect(items.length).toBeGreaterThan(0);
      expect(items).toEqual(whole.filter((item) => item.kind === kind));
    }
  });

  test('says nothing of what is to come, and what was revoked was revoked then', async () => {
    const id = await shop.subscriber('nanti');
    await shop.grant(id, p20, NOW + HOUR, NOW + DAY);
    await shop.grant(id, p20, NOW - HOUR, NEVER);
    await shop.grant(id, p20, NOW - DAY, NOW + DAY, { revokedAt: NOW - 2 * HOUR });
    const { items } = await timeline(db, id, { now: NOW });
    expect(items.map((item) => [word(item), NOW - item.at])).toEqual([
      ['grant begun', HOUR],
      ['grant revoked', 2 * HOUR],
      ['grant begun', DAY],
    ]);
  });

  test('a key that is none begins at the newest; nobody sees another one’s timeline', async () => {
    const id = await everything('kunci');
    const other = await shop.subscriber('lain');
    const { items } = await timeline(db, id, { now: NOW, before: "x'; select" });
    expect(items[0]).toMatchObject({ at: NOW - HOUR });
    expect((await timeline(db, other, { now: NOW })).items).toEqual([]);
  });
});

describe('why a line is as it is', () => {
  const line = async (id: number) => (await whyOffline(db, id, NOW))!.line;

  test('online, since when, where and how fast; with what was bought', async () => {
    const id = await shop.subscriber('online');
    await shop.grant(id, p20, NOW - DAY, NOW + 5 * DAY, { used: 400 });
    await shop.session(id, tower, NOW - HOUR, { address: '10.0.0.9', told: '20000000/10000000 list=prepaid-active' });
    await reject('online', NOW - MINUTE);
    expect(await whyOffline(db, id, NOW)).toEqual({
      line: {
        is: 'online',
        since: NOW - HOUR,
        address: '10.0.0.9',
        nasName: 'tower',
        rate: { downloadBps: 20e6, uploadBps: 10e6 },
        list: 'prepaid-active',
      },
      bought: { standing: 'active', plan: 'P20', endsAt: NOW + 5 * DAY, leftBytes: 600, allowanceBytes: 1000 },
    });
  });

  test('never seen; then ended, with the cause; an end not moved to the history yet counts too', async () => {
    const id = await shop.subscriber('berakhir');
    expect(await line(id)).toEqual({ is: 'never-seen' });
    await shop.past(id, tower, NOW - 3 * DAY, NOW - 2 * DAY, 'Lost-Carrier');
    expect(await line(id)).toEqual({ is: 'ended', cause: 'Lost-Carrier', at: NOW - 2 * DAY });
    await shop.session(id, tower, NOW - DAY, { endedAt: NOW - MINUTE, cause: 'Admin-Reset' });
    expect(await line(id)).toEqual({ is: 'ended', cause: 'Admin-Reset', at: NOW - MINUTE });
  });

  test('rejected since the last session, for the reason of the last dial, all its runs together', async () => {
    const id = await shop.subscriber('tolak');
    await reject('tolak', NOW - 3 * DAY, { reason: 'session-limit' });
    await shop.past(id, tower, NOW - 3 * DAY, NOW - DAY);
    expect(await line(id), 'the session came after').toMatchObject({ is: 'ended' });
    await reject('tolak', NOW - 5 * HOUR, { times: 4, firstAt: NOW - 6 * HOUR });
    await reject('tolak', NOW - 3 * HOUR, { reason: 'mac-mismatch' });
    await reject('tolak', NOW - HOUR, { times: 2, firstAt: NOW - HOUR });
    expect(await line(id)).toEqual({
      is: 'rejected',
      reason: 'wrong-password',
      times: 6,
      since: NOW - 6 * HOUR,
      last: NOW - HOUR,
    });
  });

  test('suspended; a static line is as its router’s lists; nobody is nobody', async () => {
    const id = await shop.subscriber('henti', { suspendedAt: NOW - HOUR });
    expect(await line(id)).toEqual({ is: 'suspended', since: NOW - HOUR });
    const fixed = await shop.subscriber('tetap', { access: 'static', nasId: tower });
    await db.execute(
      `insert into static_address (subscriber_id, nas_id, address, told_list, seen_list) values ($1, $2, '203.0.113.5', 'prepaid-active', null)`,
      [fixed, tower],
    );
    expect(await line(fixed)).toEqual({
      is: 'static',
      addresses: [
        {
          address: '203.0.113.5',
          nasName: 'tower',
          toldList: 'prepaid-active',
          seenList: null,
          seenAt: null,
          error: null,
        },
      ],
    });
    expect(await whyOffline(db, 999_999, NOW)).toBeNull();
  });
});

import { beforeAll, describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '#domain/time';
import { type Database, timestamp } from '#storage/database';
import { listSubscribers, type SubscriberPage, streamSubscribers, subscriberIdsMatching } from '#storage/lists';
import { auditWords, listAudit, listMessages, streamAudit, streamMessages } from '#storage/log-lists';
import { MOST_COUNTED, STREAM_CHUNK } from '#storage/paging';
import { listPurchases, listSubscriptions, streamPurchases, streamSubscriptions } from '#storage/sales-lists';
import { Shop } from '#test/storage/shop';
import { testDatabase } from '#test/support/database';

const NOW = Date.now();
let db: Database;
let shop: Shop;
let tower: number;
let p20: number;
let p50: number;
const id: Record<string, number> = {};

beforeAll(async () => {
  db = await testDatabase();
  shop = new Shop(db);
  tower = await shop.nas('tower');
  const hill = await shop.nas('hill');
  p20 = await shop.plan('P20', 1000, 20);
  p50 = await shop.plan('P50', null, 50);
  id.budi = await shop.subscriber('budi@isp', {
    name: 'Budi Santoso',
    phone: '081234567890',
    portalId: '12345678',
    mac: 'AA:BB:CC:01:02:03',
  });
  id.siti = await shop.subscriber('siti@isp', { name: 'siti aminah', tags: ['vip'], phone: '6285700001111' });
  id.adi = await shop.subscriber('adi', { name: 'Adi 100%_x', staticIp: '10.9.9.9', billing: 'postpaid' });
  id.kafe = await shop.subscriber('kafe', { name: 'Kafe <b>', access: 'static', nasId: hill });
  id.nora = await shop.subscriber('nora', { name: 'Nora' });
  id.gus = await shop.subscriber('gus', { name: 'Gus', suspendedAt: NOW - HOUR });
  await db.execute(`insert into static_address (subscriber_id, nas_id, address) values ($1, $2, '203.0.113.8/29')`, [
    id.kafe,
    hill,
  ]);
  await shop.grant(id.budi, p20, NOW - DAY, NOW + 5 * DAY, { used: 250 });
  await shop.grant(id.siti, p20, NOW - 9 * DAY, NOW + HOUR);
  await shop.grant(id.adi, p50, NOW - 9 * DAY, NOW + 9 * DAY);
  await shop.grant(id.kafe, p20, NOW - 9 * DAY, NOW + 3 * DAY, { used: 1000 });
  await shop.grant(id.gus, p50, NOW - 9 * DAY, NOW - 2 * DAY);
  await shop.session(id.budi, tower, NOW - HOUR, { address: '10.0.0.77' });
  await shop.session(id.siti, tower, NOW - 2 * HOUR, { address: '10.0.0.78', endedAt: NOW - HOUR });
});

const page = async (over: Partial<SubscriberPage> = {}) =>
  listSubscribers(db, { page: 1, pageSize: 50, now: NOW, ...over });
const names = async (over: Partial<SubscriberPage> = {}) => (await page(over)).rows.map(({ username }) => username);
const found = (search: string) => names({ search });

describe('the list of subscribers', () => {
  test('says of each how it stands, what is left of what, until when, and where it is online', async () => {
    const { rows, total, more } = await page();
    expect([total, more]).toEqual([6, false]);
    const of = (username: string) => rows.find((row) => row.username === username)!;
    expect(of('budi@isp')).toMatchObject({
      id: id.budi,
      phone: '081234567890',
      portalId: '12345678',
      standing: 'active',
      plan: 'P20',
      endsAt: NOW + 5 * DAY,
      leftBytes: 750,
      allowanceBytes: 1000,
      online: { since: NOW - HOUR, address: '10.0.0.77', nasName: 'tower' },
    });
    expect(of('siti@isp')).toMatchObject({ standing: 'ends-soon', endsAt: NOW + HOUR, online: null, tags: ['vip'] });
    expect(of('adi')).toMatchObject({ standing: 'active', plan: 'P50', leftBytes: null, billing: 'postpaid' });
    expect(of('kafe')).toMatchObject({ standing: 'depleted', leftBytes: 0, access: 'static' });
    expect(of('nora')).toMatchObject({ standing: 'no-package', plan: null, endsAt: null });
    expect(of('gus')).toMatchObject({ standing: 'suspended', plan: 'P50', endsAt: NOW - 2 * DAY });
  });

  test('finds by a part of the name, user name, phone, Portal ID or MAC, however they are written', async () => {
    expect(await found('SANTO')).toEqual(['budi@isp']);
    expect(await found('@isp')).toEqual(['budi@isp', 'siti@isp']);
    for (const phone of ['0812-3456', '+62 812 3456 7890', '62812345', '081234567890'])
      expect([phone, await found(phone)]).toEqual([phone, ['budi@isp']]);
    expect(await found('0857 0000')).toEqual(['siti@isp']);
    expect(await found('2345678')).toEqual(['budi@isp']);
    for (const mac of ['aa:bb:cc:01', 'AA-BB-CC-01-02-03', 'aabb.cc01.0203', 'aabbcc010203'])
      expect([mac, await found(mac)]).toEqual([mac, ['budi@isp']]);
    expect(await found('  ')).toHaveLength(6);
  });

  test('finds by a fixed address, the one of a live session, and one within the block of a static line', async () => {
    expect(await found('10.9.9.9')).toEqual(['adi']);
    expect(await found('10.0.0.77')).toEqual(['budi@isp']);
    expect(await found('10.0.0.78'), 'that session is over').toEqual([]);
    expect(await found('203.0.113.10')).toEqual(['kafe']);
  });

  test('takes what is typed as it is: no wildcards, no SQL', async () => {
    expect(await found('%')).toEqual(['adi']);
    expect(await found('100%_')).toEqual(['adi']);
    expect(await found('a_i')).toEqual([]);
    expect(await found('\\')).toEqual([]);
    expect(await found(`'; drop table subscriber; --`)).toEqual([]);
  });

  test('each filter leaves in whom it says', async () => {
    expect(await names({ billing: 'postpaid' })).toEqual(['adi']);
    expect(await names({ access: 'static' })).toEqual(['kafe']);
    expect(await names({ tag: 'vip' })).toEqual(['siti@isp']);
    expect(await names({ online: true })).toEqual(['budi@isp']);
    expect(await names({ online: false, billing: 'prepaid' })).toEqual(['gus', 'kafe', 'nora', 'siti@isp']);
    expect(await names({ nasId: tower })).toEqual(['budi@isp']);
    expect(await names({ standing: ['depleted', 'no-package'] })).toEqual(['kafe', 'nora']);
    expect(await names({ standing: ['active'], search: 'isp' })).toEqual(['budi@isp']);
    expect(await names({ standing: [] })).toEqual([]);
  });

  test('sorts by name whatever its case, by user name, age and end, in both directions', async () => {
    expect(await names()).toEqual(['adi', 'budi@isp', 'gus', 'kafe', 'nora', 'siti@isp']);
    expect(await names({ sort: 'username', direction: 'desc' })).toEqual([
      'siti@isp',
      'nora',
      'kafe',
      'gus',
      'budi@isp',
      'adi',
    ]);
    expect((await names({ sort: 'created' }))[0]).toBe('budi@isp');
    expect(await names({ sort: 'ends' })).toEqual(['gus', 'siti@isp', 'kafe', 'budi@isp', 'adi', 'nora']);
    expect(await names({ sort: 'ends', direction: 'desc' })).toEqual([
      'adi',
      'budi@isp',
      'kafe',
      'siti@isp',
      'gus',
      'nora',
    ]);
    expect(await names({ sort: 'ends', standing: ['active', 'ends-soon'] })).toEqual(['siti@isp', 'budi@isp', 'adi']);
  });

  test('pages follow each other without a gap, in each way of sorting', async () => {
    for (const sort of ['name', 'username', 'created', 'ends'] as const) {
      const whole = await names({ sort });
      const pages = [];
      for (const number of [1, 2, 3, 4]) pages.push(...(await names({ sort, page: number, pageSize: 2 })));
      expect([sort, pages]).toEqual([sort, whole]);
    }
  });

  test('a bulk action gets the ids of everybody the filter finds', async () => {
    expect(await subscriberIdsMatching(db, { search: 'isp' }, NOW)).toEqual([id.budi, id.siti]);
    expect(await subscriberIdsMatching(db, { standing: ['suspended'] }, NOW)).toEqual([id.gus]);
  });
});

describe('the lists of what was sold', () => {
  test('subscriptions by state, the next to end first; a revoked one has ended', async () => {
    const who = await shop.subscriber('langganan');
    const of = { search: 'langganan', page: 1, pageSize: 10, now: NOW };
    const running = await shop.grant(who, p20, NOW - DAY, NOW + 2 * DAY);
    const sooner = await shop.grant(who, p50, NOW - DAY, NOW + DAY);
    const later = await shop.grant(who, p20, NOW + 2 * DAY, NOW + 30 * DAY);
    const revoked = await shop.grant(who, p20, NOW - DAY, NOW + 2 * DAY, { revokedAt: NOW - HOUR });
    const neverBegan = await shop.grant(who, p20, NOW + DAY, NOW + 2 * DAY, { revokedAt: NOW });
    const neverWill = await shop.grant(who, p20, NOW + 2 * DAY, NOW + 3 * DAY, { revokedAt: NOW + DAY });
    await shop.purchase(who, p20, NOW - DAY, { number: 'P-AAAABBBB', grantId: running });
    const ids = async (over: object) => (await listSubscriptions(db, { ...of, ...over })).rows.map((row) => row.id);
    expect(await ids({ state: 'in-force' })).toEqual([sooner, running]);
    expect(await ids({ state: 'to-come' })).toEqual([later]);
    expect(await ids({ state: 'ended' })).toEqual([neverWill, neverBegan, revoked]);
    expect(await ids({ endsBefore: NOW + DAY + 1 })).toEqual([sooner]);
    const plan = (await listSubscriptions(db, { ...of, state: 'in-force' })).rows[1]!;
    expect(plan).toMatchObject({ plan: 'P20', purchase: 'P-AAAABBBB', state: 'in-force', until: NOW + 2 * DAY });
    expect(await ids({ planId: plan.planId })).toEqual([neverWill, neverBegan, revoked, later, running]);
    const streamed = [];
    for await (const rows of streamSubscriptions(db, { search: 'langganan' }, NOW)) streamed.push(...rows);
    expect(streamed.map((row) => [row.id, row.state])).toEqual([
      [running, 'in-force'],
      [sooner, 'in-force'],
      [later, 'to-come'],
      [revoked, 'ended'],
      [neverBegan, 'ended'],
      [neverWill, 'ended'],
    ]);
  });

  test('purchases by their computed state, with what was paid; by number too', async () => {
    const who = await shop.subscriber('pembeli', { name: 'Pembeli' });
    const of = { search: 'pembeli', page: 1, pageSize: 10, now: NOW };
    const grant = await shop.grant(who, p20, NOW - DAY, NOW + 2 * DAY);
    const done = await shop.purchase(who, p20, NOW - 2 * DAY, { number: 'P-DONE0001', grantId: grant });
    await shop.payment(done, NOW - 2 * DAY, 50_000);
    await shop.payment(done, NOW - DAY, 25_000, 'transfer');
    await shop.purchase(who, p20, NOW - HOUR, { number: 'P-WAIT0001' });
    await shop.purchase(who, p20, NOW - DAY, { number: 'P-LATE0001' });
    await shop.purchase(who, p20, NOW - HOUR, { number: 'P-GONE0001', cancelledAt: NOW - MINUTE });
    const numbers = async (over: object) => (await listPurchases(db, { ...of, ...over })).rows.map((row) => row.number);
    expect(await numbers({})).toEqual(['P-GONE0001', 'P-LATE0001', 'P-WAIT0001', 'P-DONE0001']);
    expect(await numbers({ state: 'waiting' })).toEqual(['P-WAIT0001']);
    expect(await numbers({ state: 'expired' })).toEqual(['P-LATE0001']);
    expect(await numbers({ state: 'cancelled' })).toEqual(['P-GONE0001']);
    expect(await numbers({ search: ' p-done0001' })).toEqual(['P-DONE0001']);
    expect(await numbers({ from: NOW - 2 * DAY, to: NOW - DAY })).toEqual(['P-DONE0001']);
    expect((await listPurchases(db, { ...of, state: 'done' })).rows[0]).toMatchObject({
      state: 'done',
      name: 'Pembeli',
      plan: 'P20',
      paidRupiah: 75_000,
      methods: ['cash', 'transfer'],
    });
    const states = [];
    for await (const rows of streamPurchases(db, { search: 'pembeli' }, NOW))
      states.push(...rows.map((row) => row.state));
    expect(states).toEqual(['done', 'waiting', 'expired', 'cancelled']);
  });
});

describe('the lists of what was written', () => {
  test('messages by state, never with their text', async () => {
    const who = await shop.subscriber('penerima');
    const queued = await shop.message(who, NOW, { body: 'PIN 481920' });
    const sent = await shop.message(who, NOW, { sentAt: NOW });
    const read = await shop.message(who, NOW - DAY, { sentAt: NOW, readAt: NOW, notice: 'ended' });
    const failed = await shop.message(who, NOW, { failedAt: NOW, failure: 'not-on-whatsapp' });
    const of = { search: 'penerima', page: 1, pageSize: 10 };
    const ids = async (over: object) => (await listMessages(db, { ...of, ...over })).rows.map((row) => row.id);
    expect(await ids({})).toEqual([failed, read, sent, queued]);
    expect(await ids({ state: 'queued' })).toEqual([queued]);
    expect(await ids({ state: 'sent' })).toEqual([sent]);
    expect(await ids({ state: 'read' })).toEqual([read]);
    expect(await ids({ state: 'failed' })).toEqual([failed]);
    expect(await ids({ state: 'delivered' })).toEqual([]);
    expect(await ids({ notice: 'ended' })).toEqual([read]);
    expect(await ids({ to: NOW })).toEqual([read]);
    const { rows } = await listMessages(db, of);
    expect(rows[0]).toMatchObject({ state: 'failed', reason: 'not-on-whatsapp', username: 'penerima' });
    expect(JSON.stringify(rows)).not.toContain('481920');
    const streamed = [];
    for await (const some of streamMessages(db, { search: 'penerima' })) streamed.push(...some.map((row) => row.state));
    expect(streamed).toEqual(['queued', 'sent', 'read', 'failed']);
  });

  test('the audit log page by page, and by actor, verb, subscriber and time', async () => {
    const add = (actor: string, why: string, at: number, subscriberId: number | null = null) =>
      db.query(
        `insert into audit (actor, why, at, subscriber_id, detail) values ($1, $2, to_timestamp($3 / 1000.0), $4, '{"a": 1}')`,
        [actor, why, at, subscriberId],
      );
    for (let at = 0; at < 5; at++) await add('staff:sari', 'edit subscriber', NOW - at * MINUTE, id.budi);
    await add('system', 'prune', NOW - DAY);
    const all = await listAudit(db, { limit: 10 });
    expect(all.map(({ at }) => NOW - at)).toEqual([0, MINUTE, 2 * MINUTE, 3 * MINUTE, 4 * MINUTE, DAY]);
    expect(all[0]).toMatchObject({ actor: 'staff:sari', username: 'budi@isp', detail: { a: 1 } });
    const first = await listAudit(db, { limit: 2 });
    const second = await listAudit(db, { limit: 2, before: first[1]!.id });
    expect([...first, ...second]).toEqual(all.slice(0, 4));
    expect(await listAudit(db, { limit: 9, actor: 'system' })).toEqual([all[5]]);
    expect(await listAudit(db, { limit: 9, why: 'prune' })).toEqual([all[5]]);
    expect(await listAudit(db, { limit: 9, subscriberId: id.budi! })).toEqual(all.slice(0, 5));
    expect(await listAudit(db, { limit: 9, from: NOW - 2 * MINUTE, to: NOW })).toEqual(all.slice(1, 3));
    expect(await auditWords(db)).toEqual({ actors: ['staff:sari', 'system'], verbs: ['edit subscriber', 'prune'] });
    const streamed = [];
    for await (const rows of streamAudit(db, { actor: 'system' })) streamed.push(...rows);
    expect(streamed).toEqual([all[5]]);
  });
});

describe('a long list', () => {
  test('is counted up to a bound, and streamed whole in chunks', async () => {
    const count = MOST_COUNTED + 500;
    await db.execute(
      `insert into subscriber (username, password_sealed, tags) select 'bulk' || i, '', '{bulk}' from generate_series(1, $1) i`,
      [count],
    );
    expect(await page({ tag: 'bulk', pageSize: 1 })).toMatchObject({ total: MOST_COUNTED, more: true });
    expect(await page({ tag: 'bulk', pageSize: 1, sort: 'ends' })).toMatchObject({ total: MOST_COUNTED, more: true });
    const seen = new Set<number>();
    let largest = 0;
    for await (const rows of streamSubscribers(db, { tag: 'bulk' }, NOW)) {
      largest = Math.max(largest, rows.length);
      for (const row of rows) seen.add(row.id);
    }
    expect([seen.size, largest]).toEqual([count, STREAM_CHUNK]);
    expect(await subscriberIdsMatching(db, { tag: 'bulk' }, NOW)).toHaveLength(count);
  });

  test('by the end of cover goes on after those who have it with those who never had any', async () => {
    const bulk = await subscriberIdsMatching(db, { tag: 'bulk' }, NOW);
    const [soon, late] = [bulk[700]!, bulk[30]!];
    await shop.grant(soon, p20, NOW - DAY, NOW + DAY);
    await shop.grant(late, p20, NOW - DAY, NOW + 2 * DAY);
    const never = bulk.filter((one) => one !== soon && one !== late);
    const ids = async (over: Partial<SubscriberPage>) =>
      (await page({ tag: 'bulk', sort: 'ends', ...over })).rows.map((row) => row.id);
    expect(await ids({ pageSize: 4 })).toEqual([soon, late, ...never.slice(0, 2)]);
    expect(await ids({ pageSize: 4, page: 3 })).toEqual(never.slice(6, 10));
    const last = never.toReversed();
    expect(await ids({ pageSize: 4, direction: 'desc' })).toEqual([late, soon, ...last.slice(0, 2)]);
    expect(await ids({ pageSize: 4, page: 3, direction: 'desc' })).toEqual(last.slice(6, 10));
  });

  test('of those who are served goes by ends, and leaves out whose cover has a gap soon', async () => {
    await db.execute(
      `insert into subscriber (username, password_sealed, tags) select 'crowd' || i, '', '{crowd}' from generate_series(1, $1) i`,
      [MOST_COUNTED + 500],
    );
    await db.execute(
      `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at)
       select id, $1, $2::timestamptz, $3::timestamptz + id * interval '1 minute' from subscriber where tags = '{crowd}'`,
      [p20, timestamp(NOW - DAY), timestamp(NOW + 2 * DAY)],
    );
    const crowd = await subscriberIdsMatching(db, { tag: 'crowd' }, NOW);
    const [gapSoon, gapLater, spent] = [crowd[10]!, crowd[20]!, crowd[30]!];
    await db.execute(`update grants set ends_at = $2::timestamptz where subscriber_id = $1`, [
      gapSoon,
      timestamp(NOW + HOUR),
    ]);
    for (const who of [gapSoon, gapLater]) await shop.grant(who, p20, NOW + 400 * DAY, NOW + 401 * DAY);
    await db.execute('update grants set used_bytes = 1000 where subscriber_id = $1', [spent]);
    const ids = async (over: Partial<SubscriberPage>) =>
      (await page({ tag: 'crowd', sort: 'ends', standing: ['active'], pageSize: 50, ...over })).rows.map(
        (row) => row.id,
      );
    const right = [...crowd.filter((one) => ![gapSoon, gapLater, spent].includes(one)), gapLater];
    expect(await ids({})).toEqual(right.slice(0, 50));
    expect(await ids({ page: 100 })).toEqual(right.slice(4_950, 5_000));
    expect(await ids({ direction: 'desc' })).toEqual(right.toReversed().slice(0, 50));
    expect(await ids({ standing: ['active', 'ends-soon'], direction: 'desc', pageSize: 2 })).toContain(gapSoon);
  });
});

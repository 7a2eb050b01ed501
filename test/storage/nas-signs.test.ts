import { beforeEach, describe, expect, test, vi } from 'vitest';
import { Unavailable } from '#domain/errors';
import { GAP_BUCKETS, gapBucket, type NasSigns, noSigns } from '#domain/nas-signs';
import { DAY, HOUR } from '#domain/time';
import { signsRecorder } from '#policy-server/signs-side';
import { type Database, openDatabase } from '#storage/database';
import { countedRouters, knownRouters, recordNasSigns, SLOT_MS } from '#storage/nas-signs';
import { forgetBeyond } from '#storage/retention';
import { Shop } from '#test/storage/shop';
import { testDatabase } from '#test/support/database';

const NOON = Date.UTC(2026, 10, 20, 5);
let db: Database;
let nas: number;
beforeEach(async () => {
  db ??= await testDatabase();
  await db.execute('truncate nas, nas_router, nas_signs cascade');
  nas = await new Shop(db).nas('tower');
  await db.execute("update nas set address = '10.0.0.0/8' where id = $1", [nas]);
});

const HERE = '10.0.0.1';
const gaps = (seconds: number, count: number): number[] =>
  Array.from({ length: GAP_BUCKETS }, (_, bucket) => (bucket === gapBucket(seconds) ? count : 0));
const signs = (change: Partial<NasSigns> = {}): NasSigns => ({ ...noSigns(nas, HERE), ...change });
const counted = async (since = NOON - DAY) =>
  (await countedRouters(db, nas, since)).find(({ address }) => address === HERE);

describe('what is seen of routers', () => {
  test('adds up over nodes, and over time from a quarter of an hour on', async () => {
    await recordNasSigns(db, [signs({ counts: { accepted: 2, signed: 1 }, gaps: gaps(300, 3) })], NOON);
    await recordNasSigns(db, [signs({ counts: { accepted: 1 }, gaps: gaps(300, 1) })], NOON + 1);
    await recordNasSigns(db, [signs({ counts: { accepted: 5 }, gaps: gaps(60, 1) })], NOON + HOUR);
    const all = (await counted())!;
    expect(all.counts).toMatchObject({ accepted: 8, signed: 1, rejected: 0 });
    expect([all.gaps[gapBucket(300)], all.gaps[gapBucket(60)], all.gaps.length]).toEqual([4, 1, GAP_BUCKETS]);
    expect((await counted(NOON + HOUR))!.counts.accepted).toBe(5);
    expect((await counted(NOON + SLOT_MS))!.counts.accepted).toBe(5);
    expect(await counted(NOON + 2 * HOUR)).toBeUndefined();
    const [{ rows }] = (await db.query<{ rows: number }>('select count(*) as rows from nas_signs')) as [
      { rows: number },
    ];
    expect(rows).toBe(2);
  });

  test('keeps the later of instants and the newer clock, whichever node writes last', async () => {
    const newer = { authAt: NOON, rightAt: NOON, skew: { ms: 5, at: NOON }, identity: 'menara' };
    await recordNasSigns(db, [signs(newer)], NOON);
    const older = { authAt: NOON - HOUR, wrongAt: NOON - HOUR, skew: { ms: 9, at: NOON - HOUR } };
    await recordNasSigns(db, [signs(older)], NOON);
    expect(await knownRouters(db, nas)).toEqual([
      {
        nasId: nas,
        address: HERE,
        identity: 'menara',
        firstAt: NOON,
        skewMs: 5,
        skewAt: NOON,
        authAt: NOON,
        acctAt: null,
        rightAt: NOON,
        wrongAt: NOON - HOUR,
        signedAt: null,
        unsignedAt: null,
      },
    ]);
  });

  test('holds what a router calls itself, whatever it is', async () => {
    await recordNasSigns(db, [signs({ identity: 'a\0b' })], NOON);
    expect((await knownRouters(db, null))[0]!.identity).toBe('a\ufffdb');
  });

  test('is written by several nodes at once without one in the way of another', async () => {
    const other = openDatabase({ url: db.url, poolSize: 4 });
    const many = Array.from({ length: 1000 }, (_, i) => ({
      ...noSigns(nas, `10.0.${i >> 8}.${i & 255}`),
      counts: { accepted: 1 },
    }));
    const rounds = Array.from({ length: 12 }, (_, i) =>
      (i % 2 === 0 ? db : other).transaction((tx) => recordNasSigns(tx, i % 3 === 0 ? many.toReversed() : many, NOON)),
    );
    await Promise.all(rounds);
    await other.close();
    const all = await countedRouters(db, nas, NOON);
    expect(all.map(({ counts }) => counts.accepted)).toEqual(many.map(() => 12));
  });

  test('of a NAS that was taken away meanwhile is left out, and what was known of it goes', async () => {
    await recordNasSigns(db, [signs({ counts: { accepted: 1 } })], NOON);
    await db.execute('delete from nas');
    await recordNasSigns(db, [signs({ counts: { accepted: 1 } })], NOON);
    expect([await knownRouters(db, null), await countedRouters(db, null, 0)]).toEqual([[], []]);
  });

  test('of an address that the NAS has no more is not told', async () => {
    await recordNasSigns(db, [signs()], NOON);
    await db.execute("update nas set address = '192.0.2.1' where id = $1", [nas]);
    expect(await knownRouters(db, nas)).toEqual([]);
  });

  test('is forgotten after some days, however many rows of one quarter of an hour there are', async () => {
    const many = Array.from({ length: 25 }, (_, i) => noSigns(nas, `10.0.0.${i}`));
    await recordNasSigns(db, many, NOON - 10 * DAY);
    await recordNasSigns(db, many, NOON - 9 * DAY);
    await recordNasSigns(db, many, NOON - 7 * DAY);
    await forgetBeyond(db, NOON, 24, undefined, 10);
    const rows = await db.query<{ slot: number }>('select distinct slot from nas_signs');
    expect(rows.map(({ slot }) => slot)).toEqual([NOON - 7 * DAY - ((NOON - 7 * DAY) % SLOT_MS)]);
  });
});

describe('the recorder', () => {
  const soon = { timeout: 5_000, interval: 5 };

  test('adds up what waits and writes it every now and then', async () => {
    const recorder = signsRecorder({ db: () => db, clock: () => NOON, log: { warn: vi.fn() }, pauseMs: 5 });
    for (let i = 0; i < 5; i += 1) recorder.add([signs({ counts: { accepted: 1 } })]);
    await vi.waitFor(async () => expect((await counted())?.counts.accepted).toBe(5), soon);
    recorder.add([signs({ counts: { accepted: 2 } })]);
    await vi.waitFor(async () => expect((await counted())?.counts.accepted).toBe(7), soon);
    await recorder.stop();
  });

  test('keeps it while the database is away or not there yet, and gives up what it refuses', async () => {
    const warn = vi.fn();
    let open: Database | null = null;
    const recorder = signsRecorder({ db: () => open, clock: () => NOON, log: { warn }, pauseMs: 5 });
    recorder.add([signs({ counts: { accepted: 1 } })]);
    let tries = 0;
    const away = {
      transaction: () => {
        tries += 1;
        return Promise.reject(new Unavailable('away'));
      },
    } as unknown as Database;
    open = away;
    await vi.waitFor(() => expect(tries).toBeGreaterThan(1), soon);
    recorder.add([signs({ counts: { accepted: 1 } })]);
    open = db;
    await vi.waitFor(async () => expect((await counted())?.counts.accepted).toBe(2), soon);
    expect(warn).not.toHaveBeenCalled();
    open = { transaction: () => Promise.reject(new Error('no such column')) } as unknown as Database;
    recorder.add([signs({ counts: { accepted: 1 } })]);
    await vi.waitFor(() => expect(warn).toHaveBeenCalledTimes(1), soon);
    await recorder.stop();
  });

  test('counts what routers say to a CoA, and nothing that was never sent', async () => {
    const recorder = signsRecorder({ db: () => db, clock: () => NOON, log: { warn: vi.fn() } });
    const router = { nasId: nas, nasAddress: HERE };
    recorder.answered(router, { is: 'done', said: 'ack' });
    recorder.answered(router, { is: 'gone', said: 'nak 503 session context not found' });
    recorder.answered(router, { is: 'silent', said: 'no answer' });
    recorder.answered(router, { is: 'cannot', said: 'not asked: the address of its router is not known' });
    await recorder.stop();
    expect((await counted())!.counts).toMatchObject({ coaAcknowledged: 1, coaRefused: 1, coaSilent: 1 });
  });
});

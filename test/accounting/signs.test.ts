import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { gapBucket, type NasSigns } from '#domain/nas-signs';
import type { SessionRecord } from '#domain/usage';
import { AccountingSigns } from '#storage/accounting-signs';
import type { Database } from '#storage/database';
import { recordTold } from '#storage/sessions';
import { company, emptied, Ledger, sessions } from '#test/accounting/ledger';
import { routerOs, type Said, sessionRecord } from '#test/accounting/requests';
import { testDatabase } from '#test/support/database';

/** What accounting shows of its routers while it is applied. */

const NOON = Date.parse('2026-11-20T05:00:00Z');
const HERE = '10.0.0.1';
const TOLD = '20000000/10000000 list=l|default';
const token = Buffer.alloc(16, 7);
/** Bytes that a rate of so many Mbit/s amounts to in so many seconds. */
const bytes = (mbps: number, seconds: number): number => (mbps * 1e6 * seconds) / 8;

let db: Database;
let ledger: Ledger;
let nas: { id: number; swapOctets: boolean };
let seen: AccountingSigns;

beforeAll(async () => {
  db = await testDatabase();
});
beforeEach(async () => {
  await emptied(db);
  ledger = new Ledger(db);
  nas = { id: (await company(db, NOON)).nasId, swapOctets: false };
  seen = new AccountingSigns();
});

const said = (seconds: number, more: Said = {}, at = seconds): SessionRecord =>
  sessionRecord(routerOs({ token, seconds, told: TOLD, ...more }), NOON + at * 1000, nas, HERE);
const start = () => said(0, { status: 'start' });
async function apply(...records: SessionRecord[]): Promise<void> {
  seen.add((await ledger.apply(...records)).signs);
}
const taken = async (): Promise<NasSigns | undefined> => (await seen.take(db))[0];
const gaps = (signs: NasSigns | undefined): Record<number, number> =>
  Object.fromEntries([60, 300, 600, 900].map((s) => [s, signs?.gaps[gapBucket(s)] ?? 0]).filter(([, n]) => n !== 0));

describe('gaps between interims', () => {
  test('are those of the session’s own clock, whenever the records came; within a batch and over several', async () => {
    await apply(start(), said(300, {}, 330), said(600, {}, 900));
    await apply(said(1200, {}, 1201));
    expect(gaps(await taken())).toEqual({ 300: 2, 600: 1 });
    expect(await taken()).toBeUndefined();
  });

  test('a Stop comes when it comes, a record that is behind or comes twice is no gap', async () => {
    await apply(start(), said(600), said(600), said(300), said(900, { status: 'stop' }));
    const signs = await taken();
    expect(gaps(signs)).toEqual({ 600: 1 });
    expect(signs!.counts).toEqual({ repeated: 1 });
  });

  test('a session that is first heard of by an interim has had none yet', async () => {
    await apply(said(300));
    expect(gaps(await taken())).toEqual({});
  });
});

describe('rates', () => {
  test('under and over what the Access-Accept told, where the line was busy; an idle one says nothing', async () => {
    await apply(start(), said(300, { down: bytes(18, 300) }), said(600, { down: bytes(20, 600) }));
    expect((await taken())!.counts).toEqual({ rateKept: 2 });
    await apply(said(900, { down: bytes(20, 600) + bytes(26, 300) }));
    expect((await taken())!.counts).toEqual({ rateExceeded: 1 });
    await apply(said(1200, { down: bytes(20, 600) + bytes(26, 300) + bytes(1, 300) }));
    expect((await taken())!.counts).toEqual({});
  });

  test('the upload has a rate of its own', async () => {
    await apply(start(), said(300, { up: bytes(13, 300) }));
    expect((await taken())!.counts).toEqual({ rateExceeded: 1 });
  });

  test('a burst may last as its threshold allows', async () => {
    const told = '20000000/10000000 list=l burst=80000000/80000000 over=40000000/40000000 for=16|default';
    await apply(said(0, { status: 'start', told }), said(300, { told, down: bytes(39, 300) }));
    await apply(said(600, { told, down: bytes(39, 300) + bytes(60, 300) }));
    expect((await taken())!.counts).toEqual({ rateKept: 1, rateExceeded: 1 });
  });

  test('told by CoA: only what was used wholly after it counts', async () => {
    await apply(start(), said(300, { down: bytes(19, 300) }));
    const { id } = (await sessions(db))[0]!;
    // In the middle of a gap: half of it at the old rate, half at the new.
    await recordTold(db, [
      { sessionId: id, told: { live: '5000000/5000000 list=l', fixed: 'default' }, at: NOON + 450_000 },
    ]);
    await seen.take(db);
    const half = bytes(19, 450) + bytes(4, 150);
    await apply(said(600, { down: half }));
    expect((await taken())!.counts).toEqual({});
    await apply(said(900, { down: half + bytes(4, 300) }));
    expect((await taken())!.counts).toEqual({ coaKept: 1 });
    await apply(said(1200, { down: half + bytes(4, 300) + bytes(19, 300) }));
    expect((await taken())!.counts).toEqual({ coaExceeded: 1 });
  });

  test('a sample that was told something else before it was looked at is no evidence', async () => {
    await apply(start(), said(300, { down: bytes(19, 300) }));
    const { id } = (await sessions(db))[0]!;
    await recordTold(db, [
      { sessionId: id, told: { live: '1000000/1000000 list=l', fixed: 'default' }, at: NOON + 301_000 },
    ]);
    expect((await taken())!.counts).toEqual({});
  });

  test('what was told is not known where it is a hash', async () => {
    const told = '#0123456789abcdef|default';
    await apply(said(0, { status: 'start', told }), said(300, { told, down: bytes(900, 300) }));
    expect((await taken())!.counts).toEqual({});
  });
});

test('a batch that is not applied shows nothing, and each record once however often it was tried', async () => {
  const poison = said(300, { id: '81000002', token: Buffer.alloc(16, 9) });
  const broken = { ...poison, username: 'x\0y' };
  const applied = await ledger.apply(start(), said(300), broken, said(600));
  expect(applied).toMatchObject({ applied: true, quarantined: 1 });
  seen.add(applied.signs);
  expect(gaps(await taken())).toEqual({ 300: 2 });
});

import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { SessionRecord } from '#domain/usage';
import { Intake } from '#policy-server/intake';
import { octetsOf, parseAddress } from '#radius/address';
import { Journal } from '#radius/journal';
import { closeSilentSessions } from '#storage/accounting';
import type { Database } from '#storage/database';
import { moveEndedSessions } from '#storage/history';
import { charged, company, emptied, Ledger, sessions, ZONE } from '#test/accounting/ledger';
import { accountingRequest, routerOs, type Said, sessionRecord } from '#test/accounting/requests';
import { testDatabase } from '#test/support/database';

/** A router that was deleted while accounting for it still waited. */

const NOON = Date.parse('2026-11-20T05:00:00Z');
const SECOND = 1000;
const HOUR = 3_600_000;
const tokenOf = (line: string): Buffer => createHash('md5').update(line).digest();

let db: Database;
let ledger: Ledger;
let gone: number;
let other: number;

beforeAll(async () => {
  db = await testDatabase();
});

beforeEach(async () => {
  await emptied(db);
  ledger = new Ledger(db);
  ({ nasId: gone, otherNasId: other } = await company(db, NOON, { usernames: ['budi', 'sari'] }));
});

const heard = (nasId: number, user: string, seconds: number, said: Said = {}): SessionRecord =>
  sessionRecord(routerOs({ token: tokenOf(user), user, seconds, ...said }), NOON + seconds * SECOND, {
    id: nasId,
    swapOctets: false,
  });
const deleteNas = (id: number) => db.execute('delete from nas where id = $1', [id]);
const reasons = async () =>
  (await db.query<{ reason: string }>('select reason from quarantine order by id')).map(({ reason }) => reason);

describe('accounting for a router that was deleted', () => {
  test('is put into quarantine with the reason, and holds nobody else up', async () => {
    const records = Array.from({ length: 300 }, (_, i) => [
      heard(gone, `gone-${i}`, 60, { up: 1 }),
      heard(other, `other-${i}`, 60, { up: 1 }),
    ]).flat();
    await deleteNas(gone);
    let transactions = 0;
    const transaction = db.transaction.bind(db);
    vi.spyOn(db, 'transaction').mockImplementation((work, options) => {
      transactions += 1;
      return transaction(work, options);
    });
    const applied = await ledger.apply(...records);
    expect(applied).toMatchObject({ applied: true, records: 600, quarantined: 300 });
    expect(await sessions(db)).toHaveLength(300);
    expect(new Set(await reasons())).toEqual(new Set([`NAS ${gone} is no longer known`]));
    // Not one transaction for each of them.
    expect(transactions).toBeLessThan(5);
  });

  test('that was entered anew: a session that had gone to the history goes on where it was', async () => {
    await ledger.apply(heard(gone, 'budi', 300, { up: 1_000, down: 2_000 }));
    await closeSilentSessions(db, NOON + 26 * HOUR, { interimSeconds: 300 });
    await moveEndedSessions(db, NOON + 28 * HOUR);
    expect(await sessions(db)).toEqual([]);
    await deleteNas(gone);
    const late = await ledger.apply(heard(other, 'budi', 30 * 3600, { up: 1_500, down: 2_500 }));
    expect(late.quarantined).toBe(0);
    expect(await sessions(db)).toMatchObject([{ nas_id: other, up_bytes: 1_500, down_bytes: 2_500, ended_at: null }]);
    expect(await charged(db)).toBe(4_000);
  });

  test('does not stop the intake, also while it still believes that router to be there', async () => {
    const folder = fs.mkdtempSync(join(tmpdir(), 'deleted-nas-'));
    const journal = await Journal.open(join(folder, '0'), { onDurable: () => undefined });
    const append = (nasId: number, user: string) =>
      journal.append(
        nasId,
        octetsOf(parseAddress('10.0.0.1')!),
        NOON,
        accountingRequest(routerOs({ status: 'start', user, token: tokenOf(user) })),
      );
    const intake = new Intake({ db, journalsFolder: folder, zone: ZONE, clock: () => NOON, post: () => undefined });
    const running = intake.run();
    const applied = (count: number) =>
      vi.waitFor(() => expect(intake.metrics().recordsApplied).toBe(count), { timeout: 30_000 });
    append(gone, 'budi');
    await applied(1);
    await db.execute('delete from session');
    await deleteNas(gone);
    append(gone, 'late');
    append(other, 'sari');
    await applied(3);
    expect(await reasons()).toEqual([`NAS ${gone} is no longer known`]);
    expect((await sessions(db)).map(({ key }) => key)).toEqual([tokenOf('sari').toString('hex')]);
    intake.stop();
    await running;
    await journal.close();
    fs.rmSync(folder, { recursive: true });
  });
});

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { entitlement } from '#domain/entitlement';
import { Unavailable } from '#domain/errors';
import { DAY } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { addNas } from '#operations/add-nas';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import { migrateFromCsv } from '#operations/migrate-from-csv';
import { migrateToPrepaid } from '#operations/migrate-to-prepaid';
import { portalLogin } from '#operations/portal-login';
import { previewMigration } from '#operations/preview-migration';
import { undoPrepaid } from '#operations/undo-prepaid';
import { prepaidMigrate, prepaidUndo } from '#policy-server/cli/prepaid';
import { readArguments } from '#policy-server/cli/usage';
import { readConfig } from '#policy-server/config';
import { loadEntries } from '#storage/facts';
import { grantsOf } from '#storage/grants';
import { findMessage, messagesOf, openBody } from '#storage/messages';
import { subscriberProfile } from '#storage/subscriber-profile';
import { faults, NOW, PLAN, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;
let next = 0;
let nasId: number;
beforeAll(async () => {
  desk = await testDesk();
  await addPlan(desk, PLAN);
  await addPlan(desk, { name: 'rumah', down: '10M', up: '5M', period: 'month', price: '200000' });
  nasId = (await addNas(desk, { name: 'north', address: '10.20.0.1', secret: 'generate' })).id;
});

type Added = { readonly id: number; readonly username: string };
async function postpaid(more: object = {}): Promise<Added> {
  next += 1;
  const about = { username: `lama${next}`, password: 'pw', billing: 'postpaid', phone: `0812-7000-${1000 + next}` };
  return addSubscriber(desk, { ...about, ...more });
}
const entryOf = async (id: number) => (await loadEntries(desk.db, desk.sealer, [id]))[0]!;
const coverOf = async (id: number) => entitlement((await entryOf(id)).facts, desk.clock());
const profile = async (id: number) => (await subscriberProfile(desk.db, id))!;
const audits = (id: number) =>
  desk.db.query<{ why: string; actor: string; detail: Record<string, unknown> }>(
    'select why, actor, detail from audit where subscriber_id = $1 order by id',
    [id],
  );
const live = (subscriberId: number, username: string) =>
  desk.db.execute(
    `insert into session (key, nas_id, nas_address, acct_session_id, username, subscriber_id, started_at, heard_at, day)
     values ($1, $2, '10.20.0.1', $1, $1, $3, now(), now(), current_date)`,
    [username, nasId, subscriberId],
  );
const logIn = (portalId: string, pin: string) =>
  portalLogin(desk, { portalId, pin, deviceToken: null, address: '100.64.0.1', userAgent: 'test' });

describe('moving to prepaid', () => {
  test('a postpaid line gets a Portal ID and a PIN that log in, its packages end, the message waits, enforcement looks', async () => {
    const { id, username } = await postpaid({ name: 'Budi' });
    const running = await addGrant(desk, { username, plan: 'rumah' });
    const coming = await addGrant(desk, { username, plan: 'rumah' });
    await desk.db.execute('delete from due where subscriber_id = $1', [id]);
    const { moved, skipped } = await migrateToPrepaid(desk, [id]);
    expect(skipped).toEqual([]);
    const [one] = moved;
    expect(one).toEqual({
      subscriberId: id,
      username,
      name: 'Budi',
      portalId: expect.stringMatching(/^[1-9]\d{7}$/),
      pin: expect.stringMatching(/^\d{6}$/),
      phone: `08127000${1000 + next}`,
      messageQueued: true,
    });
    expect((await entryOf(id)).facts.billing).toBe('prepaid');
    expect((await coverOf(id)).inForce).toEqual([]);
    expect((await grantsOf(desk.db, id)).map((grant) => grant.revokedAt)).toEqual([NOW, NOW]);
    expect(await profile(id)).toMatchObject({
      portalId: one!.portalId,
      portalAccount: { mustChangePin: true, failures: 0, issuedAt: NOW, lastLogin: null },
      standingMove: { movedAt: NOW, movedBy: 'test', revokedGrants: [running.id, coming.id] },
    });
    expect(await desk.db.query('select from due where subscriber_id = $1', [id])).toHaveLength(1);
    expect(await logIn(one!.portalId, one!.pin)).toMatchObject({ ok: true, mustChangePin: true });
    expect((await profile(id)).portalAccount!.lastLogin).not.toBeNull();
  });

  test('the message has the text of the seed', async () => {
    const { id } = await postpaid({ name: 'Budi Santoso' });
    const { portalId, pin } = (await migrateToPrepaid(desk, [id])).moved[0]!;
    const [message] = await messagesOf(desk.db, id);
    expect(message).toMatchObject({ notice: 'portal-pin', phone: `628127000${1000 + next}`, secret: true });
    const { bodySealed } = (await findMessage(desk.db, message!.id))!;
    expect(openBody(desk.sealer, message!.id, bodySealed).text).toBe(
      [
        'Halo Budi Santoso,',
        'Akun Anda telah dimigrasi ke sistem Prepaid.',
        `Portal ID: ${portalId}\nPIN: ${pin}`,
        'Silakan login di:\nhttps://portal.test/prepaid/portal/login',
        'Untuk membeli paket internet.',
        'Terima kasih.',
      ].join('\n\n'),
    );
  });

  test('the audit says which packages ended, and never the PIN', async () => {
    const { id, username } = await postpaid();
    const grant = await addGrant(desk, { username, plan: 'rumah' });
    const { portalId, pin } = (await migrateToPrepaid(desk, [id])).moved[0]!;
    const rows = await audits(id);
    expect(rows.at(-1)).toEqual({
      why: 'migrate to prepaid',
      actor: 'test',
      detail: { username, portalId, revokedGrants: [grant.id] },
    });
    expect(JSON.stringify(rows).replaceAll(portalId, '')).not.toContain(pin);
  });

  test('a package that is over or was taken back is not counted among those that ended', async () => {
    const { id, username } = await postpaid();
    await addGrant(desk, { username, plan: 'rumah', from: '2026-09-01', until: '2026-10-01' });
    await migrateToPrepaid(desk, [id]);
    expect((await profile(id)).standingMove!.revokedGrants).toEqual([]);
    expect((await grantsOf(desk.db, id))[0]!.revokedAt).toBeNull();
  });

  test('who has no usable telephone number is moved, and it is said that no message waits', async () => {
    const { id } = await postpaid({ phone: null });
    const odd = await postpaid({ phone: '123456' });
    const { moved } = await migrateToPrepaid(desk, [id, odd.id]);
    expect(moved.map((one) => one.messageQueued)).toEqual([false, false]);
  });

  test('each is told why he was left out, also when named twice', async () => {
    const { id } = await postpaid();
    const { id: prepaid, username } = await postpaid({ billing: 'prepaid' });
    const { moved, skipped } = await migrateToPrepaid(desk, [id, prepaid, 999_999, id]);
    expect(moved.map((one) => one.subscriberId)).toEqual([id]);
    expect(skipped.toSorted((a, b) => a.subscriberId - b.subscriberId)).toEqual([
      { subscriberId: prepaid, username, why: 'is prepaid already' },
      { subscriberId: 999_999, username: '', why: 'there is nobody of that number' },
    ]);
  });

  test('the same one moved twice at the same moment is moved once', async () => {
    const { id, username } = await postpaid();
    const both = await Promise.all([migrateToPrepaid(desk, [id]), migrateToPrepaid(desk, [id])]);
    const moved = both.flatMap((one) => one.moved);
    expect(moved).toHaveLength(1);
    expect(both.flatMap((one) => one.skipped)).toEqual([{ subscriberId: id, username, why: 'is prepaid already' }]);
    expect(await logIn(moved[0]!.portalId, moved[0]!.pin)).toMatchObject({ ok: true });
    expect(await messagesOf(desk.db, id)).toHaveLength(1);
  });

  test('many at once: progress is told, the event loop goes on, every Portal ID differs', async () => {
    const some = await Promise.all(Array.from({ length: 40 }, () => postpaid()));
    const told: number[] = [];
    let longest = 0;
    let last = performance.now();
    const watch = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    const { moved } = await migrateToPrepaid(
      desk,
      some.map(({ id }) => id),
      { onProgress: (done) => told.push(done) },
    );
    clearInterval(watch);
    expect(moved).toHaveLength(40);
    expect(new Set(moved.map((one) => one.portalId)).size).toBe(40);
    expect(new Set(moved.map((one) => one.pin)).size).toBeGreaterThan(35);
    expect(told).toEqual(Array.from({ length: 40 }, (_, at) => at + 1));
    // 40 PINs are a second of hashing; in one go it would stand still for longer than this.
    expect(longest).toBeLessThan(500);
  });

  test('stopped on the way, those who were moved are told with their PINs, and the others are as they were', async () => {
    const some = await Promise.all(Array.from({ length: 10 }, () => postpaid()));
    const stop = new AbortController();
    const { moved, skipped } = await migrateToPrepaid(
      desk,
      some.map(({ id }) => id),
      { signal: stop.signal, onProgress: (done) => done === 3 && stop.abort() },
    );
    expect(moved.length).toBeGreaterThanOrEqual(3);
    expect(moved.length).toBeLessThanOrEqual(4);
    expect(skipped).toHaveLength(10 - moved.length);
    expect(new Set(skipped.map((one) => one.why))).toEqual(new Set(['stopped before it was their turn']));
    for (const one of moved) expect(await logIn(one.portalId, one.pin)).toMatchObject({ ok: true });
    for (const one of skipped) expect((await entryOf(one.subscriberId)).facts.billing).toBe('postpaid');
  });

  test('when the database goes away on the way, the PINs of those before are not lost', async () => {
    const some = await Promise.all(Array.from({ length: 6 }, () => postpaid()));
    let left = 3;
    const transaction: TestDesk['db']['transaction'] = (work, options) => {
      if (left === 0) return Promise.reject(new Unavailable('the database does not answer'));
      left -= 1;
      return desk.db.transaction(work, options);
    };
    const db = Object.assign(Object.create(desk.db) as TestDesk['db'], { transaction });
    const { moved, skipped } = await migrateToPrepaid(
      { ...desk, db },
      some.map(({ id }) => id),
    );
    expect(moved).toHaveLength(3);
    expect(skipped.map((one) => one.why)).toEqual(Array(3).fill('may not be moved: the database does not answer'));
    for (const one of moved) expect(await logIn(one.portalId, one.pin)).toMatchObject({ ok: true });
  });
});

describe('looking before moving', () => {
  test('counts who would move, and what they would notice, and changes nothing', async () => {
    const [one, other, third] = [
      await postpaid(),
      await postpaid({ phone: null }),
      await postpaid({ billing: 'prepaid' }),
    ];
    await addGrant(desk, { username: one.username, plan: 'rumah' });
    await addGrant(desk, { username: one.username, plan: 'rumah' });
    await addGrant(desk, { username: other.username, plan: 'rumah', from: '2026-09-01', until: '2026-10-01' });
    await addGrant(desk, { username: third.username, plan: 'rumah' });
    await live(one.id, one.username);
    await live(third.id, third.username);
    expect(await previewMigration(desk, [one.id, other.id, third.id, 999_999])).toMatchObject({
      willMove: 2,
      alreadyPrepaid: 1,
      withoutPhone: 1,
      runningGrants: 2,
      online: 1,
    });
    expect((await entryOf(one.id)).facts.billing).toBe('postpaid');
  });
});

describe('undoing the move', () => {
  test('what ended is given back from now to its original end, with what was used of it; the Portal ID stays', async () => {
    const { id, username } = await postpaid();
    const first = await addGrant(desk, { username, plan: 'prepaid-20mbps' });
    const second = await addGrant(desk, { username, plan: 'rumah' });
    await desk.db.execute('update grants set used_bytes = $2 where id = $1', [first.id, 15 * 2 ** 30]);
    const { portalId, pin } = (await migrateToPrepaid(desk, [id])).moved[0]!;
    await logIn(portalId, pin);
    desk.setClock(NOW + 2 * DAY);
    const undone = await undoPrepaid(desk, id);
    expect(undone).toEqual({
      username,
      givenBack: [
        { id: expect.any(Number), plan: 'prepaid-20mbps', from: NOW + 2 * DAY, until: first.until },
        { id: expect.any(Number), plan: 'rumah', from: second.from, until: second.until },
      ],
    });
    const { facts } = await entryOf(id);
    expect(facts.billing).toBe('postpaid');
    const cover = await coverOf(id);
    expect([cover.until, cover.leftBytes]).toEqual([first.until, 5 * 2 ** 30]);
    expect(await profile(id)).toMatchObject({ portalId, standingMove: null });
    expect(await desk.db.query('select from web_session where subscriber_id = $1', [id])).toEqual([]);
    expect((await messagesOf(desk.db, id))[0]!.cancelledAt).toBe(NOW + 2 * DAY);
    expect((await audits(id)).at(-1)).toMatchObject({
      why: 'undo prepaid',
      detail: { username, givenBack: undone.givenBack.map((grant) => grant.id) },
    });
    desk.setClock(NOW);
  });

  test('what would be over by now is not given back, what was bought meanwhile stays', async () => {
    const { id, username } = await postpaid();
    await addGrant(desk, { username, plan: 'rumah', until: '2026-11-22' });
    await migrateToPrepaid(desk, [id]);
    const bought = await addGrant(desk, { username, plan: 'prepaid-20mbps' });
    desk.setClock(NOW + 5 * DAY);
    expect((await undoPrepaid(desk, id)).givenBack).toEqual([]);
    expect((await coverOf(id)).until).toBe(bought.until);
    desk.setClock(NOW);
  });

  test('moved, undone and moved again: the Portal ID is the same, the PIN is another, and again it can be undone', async () => {
    const { id, username } = await postpaid();
    const grant = await addGrant(desk, { username, plan: 'rumah' });
    const first = (await migrateToPrepaid(desk, [id])).moved[0]!;
    await undoPrepaid(desk, id);
    const second = (await migrateToPrepaid(desk, [id])).moved[0]!;
    expect(second.portalId).toBe(first.portalId);
    expect(await logIn(second.portalId, second.pin)).toMatchObject({ ok: true });
    const { givenBack } = await undoPrepaid(desk, id);
    expect(givenBack).toMatchObject([{ plan: 'rumah', from: NOW, until: grant.until }]);
    expect((await coverOf(id)).inForce).toHaveLength(1);
  });

  test('who was prepaid from the beginning becomes postpaid, who is postpaid is told so', async () => {
    const { id, username } = await postpaid({ billing: 'prepaid' });
    expect(await undoPrepaid(desk, id)).toEqual({ username, givenBack: [] });
    expect(await faults(undoPrepaid(desk, id))).toEqual([`${username} is postpaid; there is nothing to undo`]);
    expect(await faults(undoPrepaid(desk, 999_999))).toEqual(['there is no subscriber of number 999999']);
  });

  test('undone twice at the same moment, it is given back once', async () => {
    const { id, username } = await postpaid();
    await addGrant(desk, { username, plan: 'rumah' });
    await migrateToPrepaid(desk, [id]);
    const both = await Promise.allSettled([undoPrepaid(desk, id), undoPrepaid(desk, id)]);
    expect(both.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await coverOf(id)).inForce).toHaveLength(1);
  });
});

describe('moving by a file', () => {
  test('first it is only looked at, then it is done; columns in any order, others are passed over', async () => {
    const [one, other, third] = [await postpaid(), await postpaid(), await postpaid({ phone: '+62 812 9000 1234' })];
    await migrateToPrepaid(desk, [other.id]);
    await undoPrepaid(desk, other.id);
    const { portalId } = await profile(other.id);
    const csv = `name,phone,portal_id,username\nx,,,${one.username}\nx,,${portalId},\n"x, y",0812-9000-1234,,\n`;
    const looked = await migrateFromCsv(desk, csv, { apply: false });
    expect(looked).toMatchObject({ preview: { willMove: 3 }, result: null });
    expect((await entryOf(one.id)).facts.billing).toBe('postpaid');
    const { result } = await migrateFromCsv(desk, csv, { apply: true });
    expect(result!.moved.map((moved) => moved.subscriberId).sort()).toEqual([one.id, other.id, third.id].sort());
  });

  test.each([
    ['0812-5555-0001', '+6281255550001'],
    ['+6281255550002', '081255550002'],
    ['6281255550003', '81255550003'],
    ['81255550004', '006281255550004'],
    ['006281255550005', '62 0812 5555 0005'],
    ['+81355550006', '+81 3 5555 0006'],
  ])('a telephone number is the same however it is written: %s and %s', async (stored, given) => {
    const { id } = await postpaid({ phone: stored });
    const { result } = await migrateFromCsv(desk, `phone\n${given}\n`, { apply: true });
    expect(result!.moved.map((one) => one.subscriberId)).toEqual([id]);
  });

  test('every row that names nobody, or two, is said, and nobody is moved', async () => {
    const { id, username } = await postpaid({ phone: '081299990000' });
    const twin = await postpaid({ phone: '+6281299990000' });
    const csv = `username,phone\n${username},\nnobody,\n,081299990000\n,\n"x"y,\n`;
    expect(await faults(migrateFromCsv(desk, csv, { apply: true }))).toEqual([
      'line 5: username and phone empty; say who is meant',
      'line 6: something after the closing quote of a field',
    ]);
    const [head, ...rows] = csv.split('\n');
    expect(await faults(migrateFromCsv(desk, [head, ...rows.slice(0, 3)].join('\n'), { apply: true }))).toEqual([
      'line 3: there is no subscriber of username "nobody"',
      `line 4: phone "081299990000" is that of ${username}, ${twin.username}; name one by username`,
    ]);
    expect((await entryOf(id)).facts.billing).toBe('postpaid');
  });

  test.each([
    ['', 'line 1: there is no column username or portal_id or phone'],
    ['name;username\n', 'line 1: there is no column username or portal_id or phone; save the file with commas'],
    ['username\n', 'the file has a header but no subscriber; add one line for each'],
  ])('a file that cannot be used is said: %j', async (csv, line) => {
    expect(await faults(migrateFromCsv(desk, csv, { apply: true }))).toEqual([line]);
  });
});

describe('the commands', () => {
  const run = (command: typeof prepaidMigrate, words: readonly string[], options: Record<string, string | true> = {}) =>
    command.run({ ...desk, config: readConfig({}) }, { words, options });

  test('prepaid migrate looks first, moves with --apply, and shows the PINs', async () => {
    const [one, other] = [await postpaid(), await postpaid({ phone: null })];
    const words = [one.username, other.username];
    expect((await run(prepaidMigrate, words)).text).toContain('2 would be moved (0 are prepaid already).');
    expect((await entryOf(one.id)).facts.billing).toBe('postpaid');
    const done = await run(prepaidMigrate, words, { apply: true });
    const { moved } = done.json as Awaited<ReturnType<typeof migrateToPrepaid>>;
    expect(moved.map((each) => each.username)).toEqual(words);
    for (const each of moved) expect(done.text).toMatch(new RegExp(`${each.portalId}\\s+${each.pin}`));
    expect(done.text).toContain('none: hand it over');
    expect((await run(prepaidUndo, [one.username])).text).toBe(`${one.username} is postpaid.`);
    expect(await faults(run(prepaidMigrate, ['nobody'], { apply: true }))).toEqual(['there is no subscriber "nobody"']);
  });

  test('prepaid migrate takes a file', async () => {
    const { id, username } = await postpaid();
    const file = join(mkdtempSync(join(tmpdir(), 'gerbang-csv-')), 'who.csv');
    writeFileSync(file, `username\n${username}\n`);
    await run(prepaidMigrate, [], { csv: file, apply: true });
    expect((await entryOf(id)).facts.billing).toBe('prepaid');
  });

  test('prepaid migrate takes any number of user names, or a file', () => {
    const faultsOf = (line: string) => {
      const { given, faults: usage } = readArguments(prepaidMigrate, line.split(' ').filter(Boolean));
      return [...usage, ...prepaidMigrate.check!(given, desk.zone)];
    };
    const whom = 'give user names, or --csv FILE, and not both';
    expect(faultsOf('a b c --apply')).toEqual([]);
    expect(faultsOf('--csv who.csv')).toEqual([]);
    expect(faultsOf('')).toEqual([whom]);
    expect(faultsOf('a --csv who.csv')).toEqual([whom]);
  });
});

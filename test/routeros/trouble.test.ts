import { describe, expect, test } from 'vitest';
import { DAY, HOUR } from '#domain/time';
import { recordListed, recordSeen, recordTakenOut, recordWanted, staticAddressesOf } from '#storage/static-addresses';
import { ACTIVE, FIXED, quiet, WALLED } from '#test/enforcement/network';
import {
  countIn,
  driver,
  eventually,
  held,
  LISTS,
  lines,
  network,
  node,
  router,
  rows,
  setAddresses,
  setApi,
  time,
  useLines,
} from '#test/routeros/lines';
import type { Fault } from '#test/world/routeros-api';

useLines();

const { active, walled } = LISTS;
const apiOf = async (id: number) => {
  const [row] = await network.db.query<{ error: string | null; seen: number | null; fingerprint: string | null }>(
    'select api_error as error, api_seen_at as seen, api_fingerprint as fingerprint from nas where id = $1',
    [id],
  );
  return row!;
};

const PREFIX = '/ip/firewall/address-list/';

describe('while a router', () => {
  const faults: readonly (readonly [string, Fault, RegExp])[] = [
    ['refuses connections', { is: 'refuse' }, /nothing listens there|closed|broke/],
    ['hangs', { is: 'hang' }, /no answer/],
    ['resets in the middle of a sentence', { is: 'reset', on: `${PREFIX}set` }, /broke|closed/],
    ['says !trap', { is: 'trap', on: `${PREFIX}set`, message: 'not enough permissions (9)' }, /not enough permissions/],
    ['says !fatal', { is: 'fatal', on: `${PREFIX}set`, message: 'out of memory' }, /out of memory/],
    ['closes without a word', { is: 'close', on: `${PREFIX}set` }, /closed/],
  ];
  test.each(faults)('%s, what failed is said and tried again, and put right afterwards', async (_, fault, why) => {
    const { id, api } = await router();
    const [budi] = await lines(id, 1, null);
    await node();
    await eventually(async () => (await rows(budi!))[0]?.told).toBe(walled);
    await api.fault(fault);
    await network.grant(budi!, time.clock());
    await eventually(async () => (await network.state(budi!))?.attempts).toBeGreaterThan(0);
    expect((await network.state(budi!))!.error).toMatch(why);
    await eventually(async () => (await rows(budi!))[0]?.error ?? '').toMatch(why);
    expect(await rows(budi!)).toMatchObject([{ wanted: active, told: walled }]);
    expect((await network.acts(budi!)).at(-1)).toMatch(/^list-move → /);
    await api.fault(null);
    await eventually(() => held(api)).toEqual([`10.${id}.0.0 ${active}`]);
    await eventually(() => rows(budi!)).toMatchObject([{ told: active, error: null }]);
    await eventually(async () => (await network.state(budi!))?.attempts).toBe(0);
    await eventually(async () => (await apiOf(id)).error).toBeNull();
  });

  test.each(['6.49', '7.20'])(
    'of RouterOS %s has empty lists, all goes well (`!empty` from 7.18 on)',
    async (version) => {
      const { id, api } = await router({ version });
      const [budi] = await lines(id, 1, time.clock() + DAY);
      await node();
      await eventually(() => held(api)).toEqual([`10.${id}.0.0 ${active}`]);
      await setAddresses(budi!, id, []);
      await eventually(() => rows(budi!)).toEqual([]);
    },
  );

  test('sends every octet for itself, all goes well', async () => {
    const { id, api } = await router();
    await lines(id, 3, time.clock() + DAY);
    await api.fault({ is: 'bytes' });
    await node({ patience: { connectMs: 5_000, silenceMs: 5_000 } });
    await eventually(() => countIn(api, active)).toBe(3);
  });
});

test('a dead router and a slow one hold up nobody else: not another router, not a CoA', async () => {
  const [dead, slow, well] = [await router(), await router(), await router()];
  const until = time.clock() + HOUR;
  const ids = await lines(dead.id, 50, until);
  for (const { id } of [slow, well]) await lines(id, 50, until);
  await network.lines(dead.id, 20, until, { live: ACTIVE, fixed: FIXED }, 'ppp');
  await network.db.execute('insert into due (subscriber_id, due_at) select subscriber_id, now() from session');
  const { loop, lists } = await node({ patience: { connectMs: 4_000, silenceMs: 4_000 } });
  for (const { api } of [dead, slow, well]) await eventually(() => countIn(api, active)).toBe(50);
  await eventually(() => loop.status().held).toBe(0);
  await dead.api.fault({ is: 'hang' });
  await slow.api.fault({ is: 'slow', ms: 3_000 });
  const began = performance.now();
  time.moveTo(until);
  await eventually(() => countIn(well.api, walled), 2_900).toBe(50);
  await eventually(() => network.countTold(WALLED, dead.id), 2_900).toBe(20);
  expect(performance.now() - began).toBeLessThan(3_000);
  expect(driver.calls).toHaveLength(20);
  await eventually(() => countIn(slow.api, walled)).toBe(50);
  expect(countIn(dead.api, walled)).toBe(0);
  await eventually(() => lists.routers().find(({ nasId }) => nasId === dead.id)?.state).toBe('failing');
  await eventually(async () => (await apiOf(dead.id)).error).toMatch(/no answer/);
  expect((await apiOf(well.id)).error).toBeNull();
  // However far their back-off has gone, all come at once when it is back.
  await eventually(() => loop.status().held).toBe(0);
  await network.db.execute("update due set due_at = due_at + interval '1 hour' where attempts > 0");
  await dead.api.fault(null);
  await eventually(() => countIn(dead.api, walled)).toBe(50);
  await eventually(async () => (await network.state(ids[49]!))?.attempts).toBe(0);
});

test('what is said is decided when it is said: a change in the queue is said once, as it is then', async () => {
  const { id, api } = await router();
  const ids = await lines(id, 1, null);
  await node({ patience: { connectMs: 3_000, silenceMs: 3_000 } });
  await eventually(async () => (await rows(ids[0]!))[0]?.told).toBe(walled);
  await api.fault({ is: 'slow', ms: 400, times: 1 });
  await network.grant(ids[0]!, time.clock());
  await api.until('the move is on its way', () => api.commands.at(-1)?.includes(`=list=${active}`));
  await network.suspend(ids[0]!);
  await network.suspend(ids[0]!, false);
  await network.suspend(ids[0]!);
  const said = () => api.commands.filter((c) => c.startsWith(`${PREFIX}set`)).map((c) => c.split('=list=')[1]);
  await eventually(said).toEqual([active, walled]);
  await eventually(() => held(api)).toEqual([`10.${id}.0.0 ${walled}`]);
  await eventually(async () => (await network.state(ids[0]!))?.claimedUntil).toBeNull();
  expect(await rows(ids[0]!)).toMatchObject([{ told: walled, wanted: walled }]);
  expect(said()).toHaveLength(2);
});

test('two nodes on one database and one router agree', async () => {
  const { id, api } = await router();
  const ids = await lines(id, 120, null);
  await node();
  await node();
  await eventually(() => countIn(api, walled)).toBe(120);
  await Promise.all(ids.map((one) => network.grant(one, time.clock())));
  await eventually(() => countIn(api, active)).toBe(120);
  expect(api.lists()).toHaveLength(120);
  await eventually(async () => (await staticAddressesOf(network.db, ids)).every((row) => row.toldList === active)).toBe(
    true,
  );
});

test('a router without an API user, or with a wrong password, is failing and says why; set right, it is served', async () => {
  const { id, api } = await router();
  await network.db.execute('update nas set api_user = null where id = $1', [id]);
  const [budi] = await lines(id, 1, time.clock() + DAY);
  const { lists } = await node();
  await eventually(async () => (await network.state(budi!))?.error ?? '').toMatch(/no API user is set/);
  await eventually(async () => (await apiOf(id)).error).toBe('no API user is set for this router');
  await setApi(id, api.port, 'off', 'salah');
  await eventually(async () => (await apiOf(id)).error).toMatch(/refuses the user "gerbang"/);
  expect(await lists.test(id)).toMatchObject({
    ok: false,
    says: expect.stringMatching(/invalid user name or password/),
  });
  await setApi(id, api.port);
  await eventually(() => held(api)).toEqual([`10.${id}.0.0 ${active}`]);
  expect(await lists.test(id)).toEqual({
    ok: true,
    says: 'mikrotik answers: RouterOS 7.20 (stable) on CHR',
    fingerprint: null,
  });
  await eventually(async () => (await apiOf(id)).seen).toBeGreaterThan(0);
  expect(lists.routers()).toMatchObject([{ state: 'connected', wanted: 1, name: 'nas1' }]);
});

test('the certificate of the first connection is pinned, and another one later is refused', async () => {
  const { id, api } = await router({ tls: true });
  await lines(id, 1, time.clock() + DAY);
  const { lists } = await node();
  await eventually(() => held(api)).toHaveLength(1);
  await eventually(async () => (await apiOf(id)).fingerprint).toBe(api.fingerprint);
  const [audit] = await network.db.query('select actor, why, detail from audit order by id desc limit 1');
  expect(audit).toEqual({
    actor: 'system',
    why: 'pin API certificate',
    detail: { nasId: id, fingerprint: api.fingerprint },
  });
  // The pin is no reason to connect anew.
  await new Promise((resolve) => setTimeout(resolve, 250));
  expect(api.logins).toBe(1);
  api.certificate = 1;
  await api.reboot({ loseLists: true });
  await eventually(async () => (await apiOf(id)).error).toMatch(/shows another certificate/);
  expect(lists.routers()).toMatchObject([{ state: 'failing' }]);
  expect(api.logins).toBe(1);
  await network.db.execute('update nas set api_fingerprint = null where id = $1', [id]);
  await eventually(() => held(api)).toHaveLength(1);
});

test('a connection that died without a word is noticed and made anew', async () => {
  const { id, api } = await router();
  await lines(id, 1, time.clock() + DAY);
  const { lists } = await node({ idleMs: 200 });
  await eventually(() => held(api)).toHaveLength(1);
  await eventually(() => api.commands.filter((c) => c === '/system/identity/print').length).toBeGreaterThan(1);
  await api.fault({ is: 'hang' });
  await eventually(() => lists.routers()[0]?.state).toBe('failing');
  await api.fault(null);
  await eventually(() => lists.routers()[0]?.state).toBe('connected');
});

test('a router that is reached elsewhere from now on is connected there at once', async () => {
  const [{ id, api }, other] = [await router(), await router()];
  await lines(id, 1, time.clock() + DAY);
  await node();
  await eventually(() => held(api)).toHaveLength(1);
  await network.db.execute('delete from nas where id = $1', [other.id]);
  await setApi(id, other.api.port);
  await eventually(() => held(other.api)).toEqual([`10.${id}.0.0 ${active}`]);
  await eventually(() => api.connections).toBe(0);
});

test('a router that is taken out of the database is left alone', async () => {
  const { id, api } = await router();
  const { lists } = await node();
  await eventually(() => lists.routers()).toMatchObject([{ state: 'connected' }]);
  await network.db.execute('delete from nas where id = $1', [id]);
  await eventually(() => api.connections).toBe(0);
  expect(lists.routers()).toEqual([]);
  expect(
    await lists.place({ nasId: id, subscriberId: 1, address: '10.0.0.1', list: active, isNew: true }),
  ).toMatchObject({
    is: 'refused',
    said: 'there is no such router',
  });
});

test('a look corrects what was acknowledged before it, and not what was acknowledged since', async () => {
  const { id } = await router();
  const [budi] = await lines(id, 1, null);
  const [row] = await staticAddressesOf(network.db, [budi!]);
  const at = time.clock();
  await recordWanted(network.db, [{ id: row!.id, list: active }]);
  await recordListed(network.db, [{ id: row!.id, at, list: active, error: null }]);
  await network.db.execute("update due set due_at = 'infinity'");
  const isDue = async () => Number.isFinite((await network.state(budi!))!.dueAt);
  expect(await recordSeen(network.db, id, at - 1, [{ id: row!.id, list: walled }])).toBe(0);
  expect(await rows(budi!)).toMatchObject([{ told: active, seen: walled }]);
  expect(await isDue()).toBe(false);
  expect(await recordSeen(network.db, id, at + 1, [{ id: row!.id, list: walled }])).toBe(1);
  expect(await rows(budi!)).toMatchObject([{ told: walled, seen: walled }]);
  expect(await isDue()).toBe(true);
});

test('what was taken out as nobody’s, and has become somebody’s meanwhile, is told again', async () => {
  const { id } = await router();
  const [budi, tuti] = await lines(id, 2, null);
  await network.db.execute("update static_address set told_list = 'x'");
  await network.db.execute("update due set due_at = 'infinity'");
  await recordTakenOut(network.db, id, [`10.${id}.0.0`, 'ein-name.example', '10.0.0.1-10.0.0.9']);
  expect([await rows(budi!), await rows(tuti!)]).toMatchObject([[{ told: null }], [{ told: 'x' }]]);
  expect(Number.isFinite((await network.state(budi!))!.dueAt)).toBe(true);
  expect(Number.isFinite((await network.state(tuti!))!.dueAt)).toBe(false);
});

test('an address that is dropped while its line takes it back is told again', async () => {
  const { id } = await router();
  const [budi] = await lines(id, 1, null);
  const [row] = await staticAddressesOf(network.db, [budi!]);
  await network.db.execute("update static_address set told_list = 'x', removed_at = null");
  // The router acknowledged the drop; meanwhile the row was taken back.
  await recordListed(network.db, [{ id: row!.id, at: time.clock(), list: null, error: null }]);
  expect(await rows(budi!)).toMatchObject([{ told: null, removed: false }]);
});

test('stopping does not wait for a router that hangs', async () => {
  const { id, api } = await router();
  await lines(id, 5, time.clock() + DAY);
  await api.fault({ is: 'hang' });
  const { stop } = await node({ patience: { connectMs: 20_000, silenceMs: 20_000 }, log: quiet });
  await api.until('it is asked', () => api.commands.length > 0);
  const began = performance.now();
  await stop();
  expect(performance.now() - began).toBeLessThan(5_000);
});

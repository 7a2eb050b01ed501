import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '#domain/time';
import { sweep } from '#enforcement/sweep';
import { change } from '#storage/change';
import { violatedConstraint } from '#storage/database';
import {
  countStaticAddresses,
  forgetRemovedAddresses,
  redirectRows,
  removeStaticAddresses,
} from '#storage/static-addresses';
import { ACTIVE, FIXED, WALLED } from '#test/enforcement/network';
import {
  countIn,
  driver,
  eventually,
  held,
  LISTS,
  lines,
  network,
  node,
  otherInstallation,
  router,
  rows,
  setAddresses,
  tagBegins,
  time,
  useLines,
} from '#test/routeros/lines';

useLines();

const { active, walled } = LISTS;

describe('a static line', () => {
  test('is in the list of its standing, and its expiry is carried out at its instant', async () => {
    const { id, api } = await router();
    const until = time.clock() + HOUR;
    const [budi, tuti] = [...(await lines(id, 1, until)), ...(await network.lines(id, 1, null, null, 'x'))];
    await setAddresses(tuti!, id, ['10.99.0.1']);
    await node();
    await eventually(() => held(api)).toEqual([`10.${id}.0.0 ${active}`, `10.99.0.1 ${walled}`]);
    await eventually(async () => (await network.state(budi!))?.dueAt).toBe(until);
    expect(await network.state(budi!)).toMatchObject({ attempts: 0, error: null, claimedUntil: null });
    const before = api.commands.length;
    time.moveTo(until - 1_000);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(api.commands).toHaveLength(before);
    await eventually(() => held(api)).toEqual([`10.${id}.0.0 ${walled}`, `10.99.0.1 ${walled}`]);
    expect(time.clock()).toBeGreaterThanOrEqual(until);
    await eventually(() => network.acts(budi!)).toEqual(['list-add → done', 'list-move → done']);
    expect(await rows(budi!)).toMatchObject([{ wanted: walled, told: walled, error: null }]);
    const [act] = await network.db.query(
      'select session_key, nas_id, reason from enforcement_act order by id desc limit 1',
    );
    expect(act).toEqual({ session_key: '', nas_id: id, reason: `10.${id}.0.0: ${active} → ${walled}` });
  });

  test('comes back at once when a package is granted, by a single set', async () => {
    const { id, api } = await router();
    const [budi] = await lines(id, 1, null);
    await node();
    await eventually(() => held(api)).toEqual([`10.${id}.0.0 ${walled}`]);
    const began = performance.now();
    await network.grant(budi!, time.clock());
    await eventually(() => held(api)).toEqual([`10.${id}.0.0 ${active}`]);
    expect(performance.now() - began).toBeLessThan(3_000);
    expect(api.commands.slice(-1)).toEqual([expect.stringMatching(/\/set =\.id=\S+ =list=prepaid-active$/)]);
  });

  test('that is suspended is cut off, not left free', async () => {
    const { id, api } = await router();
    const [budi] = await lines(id, 1, time.clock() + DAY);
    await node();
    await eventually(() => held(api)).toEqual([`10.${id}.0.0 ${active}`]);
    await network.suspend(budi!);
    await eventually(() => held(api)).toEqual([`10.${id}.0.0 ${walled}`]);
    await network.suspend(budi!, false);
    await eventually(() => held(api)).toEqual([`10.${id}.0.0 ${active}`]);
  });

  test('on postpaid with cover is in the active list too', async () => {
    const { id, api } = await router();
    const [budi] = await lines(id, 1, time.clock() + DAY);
    await network.db.execute("update subscriber set billing = 'postpaid' where id = $1", [budi]);
    await node();
    await eventually(() => held(api)).toEqual([`10.${id}.0.0 ${active}`]);
  });

  test('may have several addresses and subnets; what is taken from it is dropped', async () => {
    const { id, api } = await router();
    const [budi] = await lines(id, 1, time.clock() + DAY);
    expect(await setAddresses(budi!, id, ['10.50.0.1', '10.50.0.8/29', `10.${id}.0.0`])).toEqual({
      added: ['10.50.0.1', '10.50.0.8/29'],
      removed: [],
    });
    await node();
    await eventually(() => held(api)).toEqual(
      [`10.${id}.0.0 ${active}`, `10.50.0.1 ${active}`, `10.50.0.8/29 ${active}`].sort(),
    );
    await setAddresses(budi!, id, ['10.50.0.8/29']);
    await eventually(() => held(api)).toEqual([`10.50.0.8/29 ${active}`]);
    await eventually(() => rows(budi!)).toHaveLength(1);
    await change(network.db, { actor: 'test', why: 'edit' }, (tx) => removeStaticAddresses(tx, budi!));
    await eventually(() => held(api)).toEqual([]);
    await eventually(() => rows(budi!)).toEqual([]);
  });

  test('moves to another router: dropped on the one, put in on the other', async () => {
    const [north, south] = [await router(), await router()];
    const [budi] = await lines(north.id, 1, time.clock() + DAY);
    await node();
    await eventually(() => held(north.api)).toEqual([`10.${north.id}.0.0 ${active}`]);
    await setAddresses(budi!, south.id, [`10.${north.id}.0.0`]);
    await eventually(() => held(south.api)).toEqual([`10.${north.id}.0.0 ${active}`]);
    await eventually(() => held(north.api)).toEqual([]);
    await eventually(() => rows(budi!)).toMatchObject([{ nasId: south.id, told: active }]);
  });

  test('an address that is given back before the router heard of it stays as it was', async () => {
    const { id, api } = await router();
    const [budi] = await lines(id, 1, time.clock() + DAY);
    const { loop } = await node();
    await eventually(() => held(api)).toHaveLength(1);
    await eventually(async () => loop.status().held).toBe(0);
    await api.fault({ is: 'hang' });
    await setAddresses(budi!, id, []);
    await setAddresses(budi!, id, [`10.${id}.0.0`]);
    expect(await rows(budi!)).toMatchObject([{ removed: false }]);
    await api.fault(null);
    await eventually(async () => (await rows(budi!))[0]?.told).toBe(active);
    await eventually(() => held(api)).toEqual([`10.${id}.0.0 ${active}`]);
  });

  test('no two lines have one address, nor one inside of the other’s', async () => {
    const [one, other] = [await router(), await router()];
    const [budi, tuti] = await lines(one.id, 2, null);
    await setAddresses(budi!, one.id, ['10.50.0.0/24']);
    const fault = await setAddresses(tuti!, other.id, ['10.50.0.7']).catch((error: unknown) => error);
    expect(violatedConstraint(fault)).toBe('static_address_address_excl');
  });
});

describe('what a router holds otherwise', () => {
  test('entries of others are never touched, ours of nobody are removed', async () => {
    const { id, api } = await router();
    await lines(id, 2, time.clock() + DAY);
    api.put({ list: walled, address: `10.${id}.0.0`, comment: 'kantor, jangan dihapus' });
    api.put({ list: active, address: '10.77.0.1' });
    const tag = await tagBegins();
    api.put({ list: active, address: '10.77.0.2', comment: `${tag}123 lama` });
    api.put({ list: active, address: '10.77.0.3', comment: 'gerbang:123' });
    api.put({ list: active, address: '10.77.0.4', comment: 'gerbang:deadbeef:123' });
    api.put({ list: active, address: `10.${id}.0.1`, dynamic: true });
    const foreign = () => api.lists().filter(({ comment, dynamic }) => dynamic || !comment.startsWith(tag));
    const before = foreign();
    await node();
    await eventually(() => held(api, tag)).toEqual([`10.${id}.0.0 ${active}`]);
    // The dynamic one serves as long as it is there, and does not last.
    await eventually(async () => (await countStaticAddresses(network.db))[0]).toMatchObject({
      wanted: 2,
      differing: 0,
    });
    expect(foreign()).toEqual(before);
    expect(api.commands.filter((command) => /\/(set|remove)/.test(command))).toHaveLength(1);
  });

  test('two installations with a router in common keep to their own entries, also when each looks at all of them', async () => {
    const { id, api } = await router();
    const other = await otherInstallation(api);
    const [ours, theirs] = [await tagBegins(), await tagBegins(other.network)];
    const [budi] = await lines(id, 2, time.clock() + DAY, { net: 201 });
    await lines(other.id, 2, time.clock() + DAY, { of: other.network, net: 202 });
    const nodes = [await node(), await node({ db: other.network.db, loop: other.network.options(driver, time) })];
    const all = (net: number) => [0, 1].map((at) => `10.${net}.0.${at} ${active}`);
    await eventually(() => [held(api, ours), held(api, theirs)]).toEqual([all(201), all(202)]);
    const looks = () => api.commands.filter((command) => command.includes('?dynamic=true')).length;
    const before = looks();
    for (const { lists } of nodes) lists.look();
    await eventually(looks).toBe(before + 2);
    await setAddresses(budi!, id, []);
    await eventually(() => held(api, ours)).toEqual([`10.201.0.1 ${active}`]);
    expect(held(api, theirs)).toEqual(all(202));
    expect(api.commands.filter((command) => command.includes('/remove'))).toHaveLength(1);
  });

  test('a reboot that loses the lists is noticed, and every line is put back', async () => {
    const { id, api } = await router();
    await lines(id, 40, time.clock() + DAY);
    const { lists } = await node();
    await eventually(() => countIn(api, active)).toBe(40);
    await eventually(async () => (await countStaticAddresses(network.db))[0]?.differing).toBe(0);
    await api.reboot({ loseLists: true });
    expect(api.lists()).toEqual([]);
    await eventually(() => countIn(api, active)).toBe(40);
    expect(lists.routers()).toMatchObject([{ nasId: id, state: 'connected', error: null }]);
    await eventually(async () => (await countStaticAddresses(network.db))[0]?.differing).toBe(0);
  });

  test('what a person changed there is put right by the sweep', async () => {
    const { id, api } = await router();
    const ids = await lines(id, 3, time.clock() + DAY);
    const { lists } = await node();
    await eventually(() => countIn(api, active)).toBe(3);
    await eventually(async () => (await countStaticAddresses(network.db))[0]?.differing).toBe(0);
    api.take(({ address }) => address === `10.${id}.0.1`);
    api.take(({ address }) => address === `10.${id}.0.2`);
    api.put({ list: walled, address: `10.${id}.0.2`, comment: `${await tagBegins()}${ids[2]}` });
    lists.look();
    await eventually(() => held(api)).toEqual([0, 1, 2].map((n) => `10.${id}.0.${n} ${active}`));
    await eventually(() => rows(ids[2]!)).toMatchObject([{ told: active }]);
    lists.look();
    await eventually(async () => (await rows(ids[2]!))[0]?.seen).toBe(active);
  });

  test('the sweep takes static lines along, in steps with those that have a session', async () => {
    const { id } = await router();
    const ids = await lines(id, 5, time.clock() + DAY);
    const dialled = await network.lines(id, 5, time.clock() + DAY, { live: ACTIVE, fixed: FIXED }, 'ppp');
    await network.mark(dialled);
    await network.db.execute("update due set due_at = 'infinity'");
    expect(await sweep(network.db, time.clock(), MINUTE)).toBe(10);
    for (const one of [...ids, ...dialled]) {
      expect((await network.state(one))!.dueAt).toBeLessThanOrEqual(time.clock() + MINUTE);
    }
  });
});

test('a line with a session and a fixed address is told on both ways', async () => {
  const { id, api } = await router();
  const [budi] = await network.lines(id, 1, null, { live: ACTIVE, fixed: FIXED });
  await setAddresses(budi!, id, ['10.60.0.1']);
  await node();
  await eventually(() => held(api)).toEqual([`10.60.0.1 ${walled}`]);
  await eventually(() => driver.said()).toEqual([`coa line${id}-0: ${WALLED}`]);
});

test('the page of the redirect: wanted beside told and seen, searched and filtered', async () => {
  const { id, api } = await router();
  const [budi, tuti] = await lines(id, 2, time.clock() + DAY);
  await network.db.execute("update subscriber set name = 'Budi Santoso' where id = $1", [budi]);
  await network.suspend(tuti!);
  const { lists } = await node();
  await eventually(() => held(api)).toHaveLength(2);
  await eventually(async () => (await rows(tuti!))[0]?.told).toBe(walled);
  lists.look();
  await eventually(async () => (await rows(tuti!))[0]?.seen).toBe(walled);
  const found = async (filter: Parameters<typeof redirectRows>[1]) =>
    (await redirectRows(network.db, filter)).rows.map(({ subscriberId }) => subscriberId);
  const all = await redirectRows(network.db, {});
  expect(all).toMatchObject({
    total: 2,
    rows: [
      { name: 'Budi Santoso', address: `10.${id}.0.0`, wantedList: active, toldList: active, seenList: active },
      { nasName: 'nas1', address: `10.${id}.0.1`, wantedList: walled, differs: false, lastError: null },
    ],
  });
  expect(await found({ list: walled })).toEqual([tuti]);
  expect(await found({ search: 'santoso' })).toEqual([budi]);
  expect(await found({ search: `10.${id}.0.1` })).toEqual([tuti]);
  expect(await found({ nasId: id + 1 })).toEqual([]);
  expect(await found({ page: 2, pageSize: 1 })).toEqual([tuti]);
  expect(await found({ differing: true })).toEqual([]);
  await network.db.execute("update static_address set told_list = 'x' where subscriber_id = $1", [budi]);
  expect(await found({ differing: true })).toEqual([budi]);
});

test('of a router that will not come back, what it still held can be forgotten', async () => {
  const { id } = await router();
  const [budi] = await lines(id, 1, null);
  await setAddresses(budi!, id, []);
  expect(await forgetRemovedAddresses(network.db, id)).toBe(1);
  expect(await rows(budi!)).toEqual([]);
});

import { afterEach, describe, expect, test } from 'vitest';
import { DAY, HOUR } from '#domain/time';
import { coaTargets, radiusDriver } from '#enforcement/radius-driver';
import { CoaClient } from '#radius/coa-client';
import { Code, Secret } from '#radius/packet';
import { loadNases } from '#storage/facts';
import { attributesOf, FakeNas, signedReply } from '#test/enforcement/fake-nas';
import { active, driver, eventually, network, start, stateOf, time, useLoop, walled } from '#test/enforcement/harness';
import { ACTIVE, done, doubtful, SECRET, silent, testSealer } from '#test/enforcement/network';

/** A NAS entered as a block of addresses: many routers behind one row and one secret. */

const [NORTH, SOUTH] = ['127.0.0.2', '127.0.0.3'] as const;

useLoop();

describe('on the wire', () => {
  const closing: { close(): void }[] = [];
  const open = <T extends { close(): void }>(one: T): T => {
    closing.push(one);
    return one;
  };
  afterEach(() => {
    for (const one of closing.splice(0)) one.close();
  });

  const secret = new Secret(SECRET);
  const acks = (address: string, port = 0) =>
    FakeNas.open((request) => signedReply(request, request.code + 1, secret), { address, port }).then(open);
  const heardBy = (nas: FakeNas) =>
    nas.heard.map(({ bytes }) => [bytes[0], attributesOf(bytes).get(1)!.toString('latin1')]);

  test('each router hears of its own sessions and of no others; one that moved is told where it is now', async () => {
    const north = await acks(NORTH);
    const south = await acks(SOUTH, north.port);
    const nas = await network.nas({ address: '127.0.0.0/8', port: north.port });
    const [budi] = await network.lines(nas, 1, null, walled, 'budi', NORTH);
    const [sari] = await network.lines(nas, 1, null, walled, 'sari', SOUTH);
    const client = open(new CoaClient({ host: '127.0.0.1', now: time.clock }));
    const targetOf = coaTargets(await loadNases(network.db, testSealer()));
    await start({ driver: radiusDriver(client, targetOf) });
    await network.grant(budi!, time.clock());
    await network.grant(sari!, time.clock());
    await eventually(() => network.countTold(ACTIVE, nas)).toBe(2);
    expect(heardBy(north)).toEqual([[Code.coaRequest, 'budi0']]);
    expect(heardBy(south)).toEqual([[Code.coaRequest, 'sari0']]);

    await network.db.execute('update session set nas_address = $2 where subscriber_id = $1', [budi, SOUTH]);
    await network.suspend(budi!);
    await eventually(async () => (await stateOf(budi!))?.endingSince).not.toBeNull();
    expect(heardBy(north)).toHaveLength(1);
    expect(heardBy(south).at(-1)).toEqual([Code.disconnectRequest, 'budi0']);
  });
});

test('a router of a block that is silent holds up nobody on the others, and is caught up with when it is back', async () => {
  const nas = await network.nas({ address: '127.0.0.0/8' });
  const until = time.clock() + DAY;
  const onDead = await network.lines(nas, 20, until, active, 'north', NORTH);
  const onLive = await network.lines(nas, 20, until, active, 'south', SOUTH);
  let isDead = true;
  driver.answer = ({ nasAddress }) => (isDead && nasAddress === NORTH ? silent : done);
  const loop = await start({ random: () => 0.99 });
  for (const id of onDead) await network.suspend(id);
  await eventually(() => loop.status().nases[0]?.silent).toBe(true);
  for (const id of onLive) await network.suspend(id);
  const ending = async () => {
    const rows = await network.db.query<{ at: string; count: number }>(
      'select host(nas_address) as at, count(*) as count from session where ending_since is not null group by 1 order by 1',
    );
    return rows.map(({ at, count }) => [at, count]);
  };
  await eventually(ending).toEqual([[SOUTH, 20]]);
  const failed = onDead.map(async (id) => (await stateOf(id))?.error);
  for (const error of await Promise.all(failed)) expect(error).toMatch(/^nas1 \(127\.0\.0\.2\)/);
  expect(loop.status().nases).toMatchObject([{ nasId: nas, silent: true }]);

  // Whoever comes first is the trial; the others are due in an hour, but for its answer.
  const [trial] = onDead;
  await network.db.execute('update due set due_at = $2 where attempts > 0 and subscriber_id <> $1', [
    trial,
    new Date(time.clock() + HOUR).toISOString(),
  ]);
  isDead = false;
  time.moveTo((await stateOf(trial!))!.dueAt);
  await eventually(ending).toEqual([
    [NORTH, 20],
    [SOUTH, 20],
  ]);
  expect(loop.status().nases).toMatchObject([{ nasId: nas, silent: false }]);
});

test('a session on one router says nothing of what another’s 406 is worth', async () => {
  const nas = await network.nas({ address: '127.0.0.0/8' });
  const [budi] = await network.lines(nas, 1, time.clock() + DAY, active, 'budi', NORTH);
  await network.lines(nas, 1, time.clock() + DAY, active, 'sari', SOUTH);
  driver.answer = ({ nasAddress }) => (nasAddress === NORTH ? doubtful : done);
  await start();
  await network.suspend(budi!);
  await eventually(async () => (await stateOf(budi!))?.attempts).toBe(1);
  expect(driver.said()).toEqual(['disconnect budi0']);
});

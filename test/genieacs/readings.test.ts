import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HOUR, MINUTE, SECOND } from '#domain/time';
import { saveSettings } from '#operations/settings';
import type { AcsSide } from '#policy-server/acs-side';
import { addLine, readOnt, startSide, startWorld } from '#test/genieacs/harness';
import { emptied, secondNode, type TestDesk, testDesk } from '#test/operations/desk';
import type { GenieAcsWorld } from '#test/world/genieacs';

let desk: TestDesk;
let world: GenieAcsWorld;
let side: AcsSide;
let logged: string[];
beforeAll(async () => {
  desk = await testDesk();
});
beforeEach(async () => {
  await emptied(desk);
  logged = [];
  world = await startWorld(desk);
  side = startSide(desk, logged);
});
afterEach(async () => {
  await side.stop();
  await world.stop();
  expect(logged).toEqual([]);
});

const later = (ms: number) => desk.setClock(desk.clock() + ms);
/** How long a page waits, and what it gets. */
async function page(id: number) {
  const began = performance.now();
  const ont = await side.control.ontOf(id);
  return { ont, tookMs: performance.now() - began };
}

/** What a page gets once what it asks for is there: a busy machine may be slower than a page waits. */
async function read(id: number) {
  await page(id);
  await side.idle();
  return (await page(id)).ont;
}

describe('what a page gets', () => {
  test('is the ONT already at the first time, where GenieACS answers quickly', async () => {
    const first = async () => {
      const line = await addLine(desk);
      const { id } = world.add({ username: line.username });
      return (await page(line.id)).ont?.deviceId === id;
    };
    await expect.poll(first, { timeout: 20_000 }).toBe(true);
  });

  test('is how it is and when that was read', async () => {
    const line = await addLine(desk);
    const device = world.add({ username: line.username });
    expect(await read(line.id)).toMatchObject({
      deviceId: device.id,
      others: 0,
      online: true,
      error: null,
      readAt: desk.clock(),
      reading: { rxPowerDbm: -21.3, ssid: 'RUMAH-BUDI' },
    });
  });

  test('is nothing where no ACS is set, and none is asked', async () => {
    await saveSettings(desk, 'genieacs', { url: '' });
    const line = await addLine(desk);
    expect((await page(line.id)).ont).toBeNull();
    expect(world.requests).toHaveLength(0);
  });

  test('within a minute is what was read, without asking again', async () => {
    const line = await addLine(desk);
    world.add({ username: line.username });
    await read(line.id);
    const asked = world.requests.length;
    later(59 * SECOND);
    await page(line.id);
    await side.idle();
    expect(world.requests).toHaveLength(asked);
  });

  test('after that is what was read, at once; it is read again behind the page', async () => {
    const line = await addLine(desk);
    const device = world.add({ username: line.username });
    await read(line.id);
    const readAt = desk.clock();
    device.real.set('VirtualParameters.RXPower', '-28.0 dBm');
    later(61 * SECOND);
    world.add({ username: 'x' });
    world.inform(device.id);
    expect((await page(line.id)).ont).toMatchObject({ readAt });
    await side.idle();
    expect((await page(line.id)).ont).toMatchObject({ readAt: desk.clock() });
  });

  test('says offline when the modem did not report for 2.5 informs, by the clock of now', async () => {
    const line = await addLine(desk);
    world.add({ username: line.username });
    expect((await read(line.id))?.online).toBe(true);
    world.behave({ status: 503 });
    later(13 * MINUTE);
    expect((await page(line.id)).ont?.online).toBe(false);
  });

  test('of a line whose modem GenieACS does not know is that, for ten minutes', async () => {
    const line = await addLine(desk);
    expect(await read(line.id)).toMatchObject({ deviceId: null, reading: null, readAt: desk.clock() });
    const asked = world.requests.length;
    later(9 * MINUTE);
    await page(line.id);
    await side.idle();
    expect(world.requests).toHaveLength(asked);
    const device = world.add({ username: line.username });
    later(2 * MINUTE);
    await page(line.id);
    await side.idle();
    expect((await page(line.id)).ont?.deviceId).toBe(device.id);
  });
});

describe('a page never waits longer than 300 ms', () => {
  test('when GenieACS never answers and nothing is known', async () => {
    world.behave({ hang: 'all' });
    const line = await addLine(desk);
    const { ont, tookMs } = await page(line.id);
    expect(ont).toMatchObject({ reading: null, readAt: null });
    expect(tookMs).toBeGreaterThan(200);
    expect(tookMs).toBeLessThan(700);
  });

  test('and not at all when something is known', async () => {
    const line = await addLine(desk);
    world.add({ username: line.username });
    await read(line.id);
    world.behave({ hang: 'all' });
    later(HOUR);
    const { ont, tookMs } = await page(line.id);
    expect(ont).toMatchObject({ reading: { ssid: 'RUMAH-BUDI' }, error: null });
    expect(tookMs).toBeLessThan(250);
  });

  test('nor while GenieACS has just failed', async () => {
    await side.stop();
    side = startSide(desk, logged, { searchMs: 280 });
    world.behave({ hang: 'all' });
    const [first, second] = [await addLine(desk), await addLine(desk)];
    expect(await read(first.id)).toMatchObject({ error: 'GenieACS does not answer' });
    expect((await page(second.id)).tookMs).toBeLessThan(200);
  });

  test('what comes late is there at the next look', async () => {
    const line = await addLine(desk);
    world.add({ username: line.username });
    world.behave({ slowMs: 250 });
    expect((await page(line.id)).ont).toMatchObject({ readAt: null });
    await side.idle();
    expect((await page(line.id)).ont).toMatchObject({ reading: { ssid: 'RUMAH-BUDI' } });
  });
});

describe('no stampede', () => {
  test('a hundred pages of one line ask once', async () => {
    const line = await addLine(desk);
    world.add({ username: line.username });
    world.behave({ slowMs: 20 });
    await Promise.all(Array.from({ length: 100 }, () => page(line.id)));
    await side.idle();
    expect(world.requests).toHaveLength(2); // who it is, and how it is
  });

  test('nor do two nodes both ask', async () => {
    const other = await secondNode(desk);
    const otherSide = startSide(other, logged);
    const line = await addLine(desk);
    world.add({ username: line.username });
    world.behave({ slowMs: 50 });
    await Promise.all([side, otherSide].map((one) => one.control.ontOf(line.id)));
    await Promise.all([side.idle(), otherSide.idle()]);
    expect(world.requests).toHaveLength(2);
    await otherSide.stop();
    await other.db.close();
  });

  test('while GenieACS hangs no more than eight are asked, and the others are not waited for', async () => {
    world.behave({ hang: 'all' });
    const lines = await Promise.all(Array.from({ length: 12 }, () => addLine(desk)));
    await Promise.all(lines.map((line) => side.control.ontOf(line.id)));
    expect(world.requests).toHaveLength(8);
  });

  test('one that failed is not asked again for twenty seconds', async () => {
    world.behave({ status: 503 });
    const line = await addLine(desk);
    expect(await read(line.id)).toMatchObject({ error: 'GenieACS cannot be reached (HTTP 503)', readAt: null });
    later(19 * SECOND);
    await page(line.id);
    await side.idle();
    expect(world.requests).toHaveLength(1);
    later(2 * SECOND);
    world.behave({});
    world.add({ username: line.username });
    await page(line.id);
    await side.idle();
    expect((await page(line.id)).ont).toMatchObject({ error: null, reading: { ssid: 'RUMAH-BUDI' } });
  });
});

describe('several modems of one name', () => {
  test('are a conflict that stays known while the known one is read by its id', async () => {
    const line = await addLine(desk);
    world.add({ username: line.username, lastInform: desk.clock() - HOUR });
    const newest = world.add({ username: line.username });
    expect(await read(line.id)).toMatchObject({ deviceId: newest.id, others: 1 });
    later(2 * MINUTE);
    await page(line.id);
    await side.idle();
    expect(await read(line.id)).toMatchObject({ deviceId: newest.id, others: 1 });
  });

  test('are none any more once staff looked and there is one', async () => {
    const line = await addLine(desk);
    const old = world.add({ username: line.username, lastInform: desk.clock() - HOUR });
    world.add({ username: line.username });
    expect((await readOnt(side, line.id)).others).toBe(1);
    world.remove(old.id);
    expect((await readOnt(side, line.id)).others).toBe(0);
  });
});

test('what is kept of a reading holds no password', async () => {
  const line = await addLine(desk);
  world.add({ username: line.username });
  await readOnt(side, line.id);
  const kept = await desk.db.query('select * from acs_device');
  expect(JSON.stringify(kept)).toContain('RUMAH-BUDI');
  expect(JSON.stringify(kept)).not.toContain('Sandi-lama-99');
});

test('the test of the settings says whether GenieACS answers', async () => {
  expect(await side.control.test()).toEqual({ ok: true, says: 'GenieACS answers' });
  world.behave({ status: 401 });
  expect(await side.control.test()).toMatchObject({ ok: false, says: expect.stringContaining('password') });
  await saveSettings(desk, 'genieacs', { url: '' });
  expect(await side.control.test()).toMatchObject({ ok: false, says: expect.stringContaining('not set') });
});

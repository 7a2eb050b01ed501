import { expect, test } from 'vitest';
import { Random } from '#test/radius-server/random';
import {
  becomes,
  desk,
  eventually,
  message,
  pair,
  start,
  startPaired,
  stateOf,
  states,
  stop,
  subscribers,
  useWhatsApp,
  whatsApp,
  writeTo,
} from '#test/whatsapp/harness';

useWhatsApp();

/** What each subscriber's phone shows, by number. */
const shownTo = () => {
  const by = new Map<string, number>();
  for (const { to } of whatsApp.messages()) by.set(to, (by.get(to) ?? 0) + 1);
  return by;
};
const eachOnce = (people: readonly { phone: string }[]) => new Map(people.map(({ phone }) => [phone, 1]));

test('30 % of all sending goes wrong in six ways: every message arrives exactly once', async () => {
  const random = new Random(7);
  await startPaired({ baileys: { answerTimeoutMs: 400 } });
  const people = await subscribers(60);
  let faults = 0;
  const goesWrong = (share: number) => {
    const wrong = random.chance(share);
    if (wrong) faults += 1;
    return wrong;
  };
  whatsApp.fault({
    message: () => (goesWrong(0.2) ? random.of(['lost', 'unanswered', 'cut-before', 'cut-after'] as const) : null),
    receipts: 'none', // a receipt would settle the doubt before the message is repeated
    nack: () => (goesWrong(0.125) ? random.of(['500', '503'] as const) : null),
  });
  await writeTo(people, 'Info');
  await eventually(async () => (await states()).queued ?? 0, 50_000).toBe(0);
  await eventually(shownTo).toEqual(eachOnce(people));
  expect(faults).toBeGreaterThan(15);
  expect(whatsApp.arrivals).toBeGreaterThan(60); // some came twice, under one id
  expect(await states()).toEqual({ sent: 60 });
}, 90_000);

test('463 opens the breaker: nothing goes for a while, then only to those who wrote first, then one for trial, and nothing is lost or doubled', async () => {
  const people = await subscribers(5);
  const warm = people[4]!;
  const side = await startPaired({ outbox: { breakerTimes: { stopMs: 700, coldMs: 5_000 } } });
  await whatsApp.write(warm.phone, 'Halo');
  await eventually(async () => (await desk.db.query('select 1 from whatsapp_contact')).length).toBe(1);
  let refusing = true;
  const tried: string[] = [];
  whatsApp.fault({
    nack: ({ to }) => {
      tried.push(to);
      return refusing && to !== warm.phone ? '463' : null;
    },
  });
  await writeTo(people.slice(0, 4), 'Info');
  await eventually(() => side.control.status().breakerUntil).not.toBeNull();
  expect(side.control.status()).toMatchObject({ state: 'connected', reason: 'reach-out-lock-463' });
  expect(tried).toHaveLength(1);
  const [toWarm] = await writeTo([warm], 'Info');
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(tried).toHaveLength(1); // open: not even to those
  await eventually(() => tried).toEqual([tried[0], warm.phone]); // half open
  await eventually(() => stateOf(toWarm!)).toBe('read');
  expect(await states()).toEqual({ queued: 4, read: 1 });
  refusing = false;
  await eventually(states).toEqual({ read: 5 });
  expect(shownTo()).toEqual(eachOnce(people));
  expect(side.control.status()).toMatchObject({ breakerUntil: null, reason: null });
});

test('while 463 goes on each pause is twice as long, and a message that it hits three times fails so that others may be tried', async () => {
  const side = await startPaired({ outbox: { breakerTimes: { stopMs: 50, coldMs: 50 } } });
  const tried: { at: number; id: string }[] = [];
  whatsApp.fault({
    nack: ({ id }) => {
      tried.push({ at: performance.now(), id });
      return '463';
    },
  });
  const [first, second] = await writeTo(await subscribers(2), 'Info');
  await eventually(() => stateOf(first!)).toBe('failed');
  expect((await message(first!)).failure).toBe('reach-out-lock-463');
  expect(new Set(tried.slice(0, 3).map(({ id }) => id)).size).toBe(1);
  const pauses = tried.slice(1, 3).map(({ at }, i) => at - tried[i]!.at);
  expect(pauses[0]).toBeGreaterThanOrEqual(45);
  expect(pauses[1]).toBeGreaterThanOrEqual(95);
  await eventually(async () => (await message(second!)).waitingFor).toBe('reach-out-lock-463');
  expect(whatsApp.messages()).toEqual([]);
  expect(side.control.status().state).toBe('connected');
});

test('the restriction is remembered over a restart', async () => {
  const side = await startPaired();
  whatsApp.fault({ nack: () => '429' });
  const [first] = await writeTo(await subscribers(1), 'Info');
  await eventually(() => side.control.status().breakerUntil).not.toBeNull();
  const until = side.control.status().breakerUntil;
  await stop(side);
  whatsApp.fault({});
  const again = await start();
  await becomes(again, 'connected');
  expect(again.control.status()).toMatchObject({ breakerUntil: until, reason: 'rate-limited' });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await stateOf(first!)).toBe('queued');
  expect((await message(first!)).waitingFor).toBe('rate-limited');
});

test('a message that WhatsApp refuses again and again fails with what it said', async () => {
  await startPaired();
  whatsApp.fault({ nack: () => '406' });
  const [id] = await writeTo(await subscribers(1), 'Info');
  await eventually(() => stateOf(id!)).toBe('failed');
  expect((await message(id!)).failure).toBe('rejected: 406');
  expect((await message(id!)).attempts).toBe(3);
});

test('logged out in the middle: the queue is kept, and goes out after pairing again, each once', async () => {
  const side = await startPaired();
  const people = await subscribers(30);
  whatsApp.fault({ delayMs: 5 });
  await writeTo(people, 'Info');
  await eventually(() => whatsApp.messages().length).toBeGreaterThan(5);
  whatsApp.logOut();
  await becomes(side, 'logged-out');
  expect(whatsApp.messages().length).toBeLessThan(30);
  expect((await states()).failed).toBeUndefined();
  whatsApp.fault({});
  await pair(side);
  await eventually(async () => (await states()).queued ?? 0).toBe(0);
  expect(shownTo()).toEqual(eachOnce(people));
});

test('replaced in the middle: the queue waits', async () => {
  const side = await startPaired();
  const people = await subscribers(20);
  whatsApp.fault({ delayMs: 5 });
  await writeTo(people, 'Info');
  await eventually(() => whatsApp.messages().length).toBeGreaterThan(3);
  whatsApp.replace();
  await becomes(side, 'replaced');
  const before = whatsApp.messages().length;
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(whatsApp.messages().length).toBe(before);
  whatsApp.fault({});
  await side.control.reconnect();
  await eventually(async () => (await states()).queued ?? 0).toBe(0);
  expect(shownTo()).toEqual(eachOnce(people));
});

test('a slow WhatsApp is waited for', async () => {
  await startPaired();
  whatsApp.fault({ delayMs: 150 });
  const people = await subscribers(3);
  await writeTo(people, 'Info');
  await eventually(states).toEqual({ read: 3 });
  expect(whatsApp.arrivals).toBe(3);
});

test('a stop in the middle of a message does not wait for the answer, and it arrives once all the same', async () => {
  const side = await startPaired({ baileys: { answerTimeoutMs: 20_000 } });
  const people = await subscribers(1);
  whatsApp.fault({ message: () => 'unanswered', receipts: 'none' });
  const [id] = await writeTo(people, 'Info');
  await whatsApp.until('the message', () => whatsApp.messages().length === 1);
  const began = performance.now();
  await stop(side);
  expect(performance.now() - began).toBeLessThan(2_000);
  expect((await message(id!)).sentAt).toBeNull();
  whatsApp.fault({});
  await start();
  await eventually(() => stateOf(id!)).toBe('read');
  expect(whatsApp.arrivals).toBe(2);
  expect(shownTo()).toEqual(eachOnce(people));
});

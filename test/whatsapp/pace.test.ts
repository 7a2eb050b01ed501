import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HOUR, MINUTE, SECOND } from '#domain/time';
import { Breaker } from '#integrations/whatsapp/breaker';
import { afterClose, afterNack } from '#integrations/whatsapp/close-rules';
import { Pace } from '#integrations/whatsapp/pace';

/** When messages go that all wait from the beginning. */
function sendAll(perMinute: number, count: number, random: () => number): number[] {
  const pace = new Pace(0, random);
  const went: number[] = [];
  for (let now = 0; went.length < count; ) {
    const waitMs = pace.waitMs(now, perMinute);
    now += waitMs;
    if (waitMs > 0) continue;
    pace.take(now, perMinute);
    went.push(now);
  }
  return went;
}

test('however it falls out, no more than the limit and a small burst go in any minute, and not much less', () => {
  const random = fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), random, (perMinute, stream) => {
      const went = sendAll(perMinute, perMinute * 3 + 3, () => stream.next().value as number);
      for (const from of went) {
        expect(went.filter((at) => at >= from && at < from + MINUTE).length).toBeLessThanOrEqual(perMinute + 3);
      }
      expect(went.at(-1)).toBeLessThanOrEqual(4 * MINUTE);
    }),
    { numRuns: 50 },
  );
});

test('messages do not go in lockstep', () => {
  let seed = 1;
  const went = sendAll(6, 30, () => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed / 2_147_483_647;
  });
  const distances = new Set(went.slice(1, 4).map((at, i) => Math.round((at - went[i]!) / 100)));
  expect(distances.size).toBe(3);
  expect(went[1]! - went[0]!).toBeGreaterThan(0);
});

test('a single message after a silence goes at once', () => {
  const pace = new Pace(0, () => 0.5);
  expect(pace.waitMs(10 * SECOND, 6)).toBe(0);
});

test('the breaker: open, half-open, a trial; twice as long each time, up to a day; a cold message that passes ends it', () => {
  const breaker = new Breaker(null);
  expect(breaker.phase(0)).toBe('closed');
  breaker.trip('reach-out-lock-463', 0);
  const phases = (from: number) => [1, 5, 6, 29, 30].map((minutes) => breaker.phase(from + minutes * MINUTE));
  expect(phases(0)).toEqual(['open', 'half-open', 'half-open', 'half-open', 'closed']);
  expect(breaker.passed(false, 6 * MINUTE)).toBe(false);
  expect(breaker.passed(true, 6 * MINUTE)).toBe(false); // sent before, acknowledged now: no trial
  expect(breaker.passed(false, 31 * MINUTE)).toBe(false);
  breaker.trip('reach-out-lock-463', 31 * MINUTE);
  expect(breaker.phase(31 * MINUTE + 9 * MINUTE)).toBe('open');
  expect(breaker.phase(31 * MINUTE + 59 * MINUTE)).toBe('half-open');
  for (let times = 0; times < 20; times += 1) breaker.trip('reach-out-lock-463', HOUR);
  expect(breaker.note).toMatchObject({ stopUntil: 3 * HOUR, coldUntil: 25 * HOUR, level: 22 });
  expect(breaker.passed(true, 26 * HOUR)).toBe(true);
  expect(breaker.note).toBeNull();
});

test('the breaker believes WhatsApp when it names a later end', () => {
  const breaker = new Breaker(null);
  breaker.trip('reach-out-lock-463', 0, 3 * HOUR);
  expect(breaker.phase(2 * HOUR)).toBe('half-open');
  expect(breaker.changesInMs(2 * HOUR)).toBe(HOUR);
});

test('each way in which WhatsApp closes', () => {
  const codes = [515, 401, 411, 403, 440, 428, 408, 500, 503, undefined];
  expect(codes.map(afterClose)).toEqual([
    'restart',
    'unlinked',
    'unlinked',
    'banned',
    'replaced',
    'again',
    'again',
    'again',
    'again',
    'again',
  ]);
});

test('each way in which WhatsApp refuses a message', () => {
  expect(['463', '429'].map((code) => afterNack(code, 9))).toEqual(['restricted', 'restricted']);
  expect(['500', '503', 'odd'].map((code) => afterNack(code, 9))).toEqual(['later', 'later', 'later']);
  expect([1, 2, 3].map((attempts) => afterNack('479', attempts))).toEqual(['later', 'later', 'failed']);
});

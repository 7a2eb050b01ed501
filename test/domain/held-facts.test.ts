import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decide } from '#domain/decide';
import { charge } from '#domain/entitlement';
import type { Facts } from '#domain/facts';
import { HOUR, MINUTE } from '#domain/time';
import { facts, instant, metered, policy, policyOfOne, type UsedGrant, useOf } from '#test/domain/generate';
import { gets, twin } from '#test/domain/twin';

/**
 * Directories hold facts as they were when somebody last had a reason to load them: at a decision's `validUntil`, or when
 * usage reached its `validBelow`. In between usage is charged that they know nothing of, some of it late, days and months
 * begin, and grants begin and end. Every answer from what is held must be the one that the whole truth gives.
 */
const event = fc.record({
  minutes: fc.integer({ min: 0, max: 36 * 60 }),
  /** How late its record comes. */
  late: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30 * 60 })),
  bytes: fc.integer({ min: 0, max: 300 }),
});

test('whoever answers from held facts answers as the truth would, though usage goes on', () => {
  fc.assert(
    fc.property(
      facts(),
      fc.oneof(policy(), policyOfOne),
      instant,
      fc.array(event, { maxLength: 12 }),
      (raw, p, start, events) => {
        let truth = metered(raw, p.zone, start);
        let held = truth;
        let bound = decide(held, p, start);
        let at = start;
        for (const { minutes, late, bytes } of events) {
          at += minutes * MINUTE;
          truth = used(truth, p.zone, at - late * MINUTE, bytes);
          if (truth.chargedBytes >= bound.validBelow || at >= bound.validUntil) {
            held = truth;
            bound = decide(held, p, at);
          }
          for (const t of [at, at + 1, at + HOUR]) {
            if (t < bound.validUntil) expect(gets(decide(held, p, t))).toEqual(twin(truth, p, t));
          }
        }
      },
    ),
    { numRuns: 2000 },
  );
});

function used(before: Facts, zone: string, at: number, bytes: number): Facts {
  const shares = charge(before.grants, at, bytes);
  const grants = (before.grants as readonly UsedGrant[]).map((one) => {
    const share = shares.get(one.id);
    return share === undefined ? one : useOf(one, zone, { at, bytes: share });
  });
  return { ...before, grants, chargedBytes: before.chargedBytes + [...shares.values()].reduce((a, b) => a + b, 0) };
}

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide } from '#domain/decide';
import type { Decision } from '#domain/decision';
import { charge } from '#domain/entitlement';
import type { Facts, Grant } from '#domain/facts';
import { defaultPolicy, type Policy } from '#domain/policy';
import { printDecision } from '#domain/print';
import { DAY, HOUR, type Instant, MINUTE, NEVER } from '#domain/time';
import {
  BASE,
  facts,
  grants,
  instant,
  metered,
  per,
  plan,
  policy,
  policyOfOne,
  shifted,
  type UsedGrant,
  usages,
  useOf,
  within,
} from '#test/domain/generate';
import { type Gets, gets, twin } from '#test/domain/twin';

const defaults = defaultPolicy();
/** From the 23rd of October to the 23rd of January: the shortest month is next. */
const TO_JANUARY = 92 * DAY;

/** Facts after more usage at an instant: so many bytes to each grant, and to nobody where it says so. */
function after(before: Facts, charged: ReadonlyMap<number, number>, zone: string, at: Instant): Facts {
  const grants = (before.grants as readonly UsedGrant[]).map((g) => {
    const bytes = charged.get(g.id) ?? 0;
    const inside = Math.max(g.from, Math.min(at, g.until - 1));
    return bytes === 0 ? g : useOf(g, zone, { at: inside, bytes });
  });
  const sum = [...charged.values()].reduce((a, b) => a + b, 0);
  return { ...before, grants, chargedBytes: before.chargedBytes + sum };
}

const used = (before: Facts, zone: string, at: Instant, bytes: number) =>
  after(before, charge(before.grants, at, bytes), zone, at);

/** Usage of a day that is over is known only when that day is over: nobody is asked about an instant before it. */
function fromNewestUse(f: Facts, p: Policy, instants: Instant[]): Instant[] {
  if (!/"per":\{/.test(JSON.stringify(p))) return instants;
  return instants.filter((t) => f.grants.every(({ metered }) => metered === null || metered.lastAt <= t));
}

/** Every instant in [at, validUntil) that could matter, and some that should not. */
function samples(f: Facts, d: Decision, at: Instant): Instant[] {
  const edges = f.grants.flatMap((g) => [g.from, g.until, g.until + DAY, g.until + 3 * DAY]);
  const around = [...edges, f.suspendedSince ?? at].flatMap((edge) => [edge - 1, edge, edge + 1]);
  const spread = [0, 1, 13, 50, 87, 99].map((part) => within(at, d.validUntil, part));
  const last = d.validUntil === NEVER ? at + 400 * DAY : d.validUntil - 1;
  return [...around, ...spread, last].filter((t) => t >= at && t < d.validUntil && Number.isFinite(t));
}

describe('the master law: the answer is the same until validUntil and below validBelow', () => {
  const keepsTheLaw = (policies: fc.Arbitrary<Policy>) =>
    fc.property(
      facts(),
      policies,
      instant,
      usages,
      fc.constantFrom(0, TO_JANUARY),
      (early, p, before, usage, shift) => {
        const [raw, at] = [shifted(early, shift), before + shift];
        const f = metered(raw, p.zone, at);
        const decision = decide(f, p, at);
        const answer = gets(decision);
        let later = f;
        for (const { hundredths, when } of usage) {
          const room = Math.min(decision.validBelow - 1 - later.chargedBytes, 5000);
          later = used(later, p.zone, within(at, decision.validUntil, when), Math.floor((room * hundredths) / 100));
          expect(later.chargedBytes).toBeLessThan(decision.validBelow);
          for (const t of fromNewestUse(later, p, samples(later, decision, at)))
            expect(twin(later, p, t)).toEqual(answer);
        }
        for (const t of samples(f, decision, at)) expect(gets(decide(f, p, t))).toEqual(answer);
      },
    );

  test('at every instant before, after any usage charged by the rules, late records included', () => {
    fc.assert(keepsTheLaw(policy()), { numRuns: 1500 });
  });

  test('of each condition by itself', () => {
    fc.assert(keepsTheLaw(policyOfOne), { numRuns: 1500 });
  });

  test('whichever grants the usage is charged to', () => {
    const shares = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(
        facts(),
        policy(false),
        instant,
        shares,
        fc.integer({ min: -30, max: 99 }),
        (raw, p, at, parts, when) => {
          const f = metered(raw, p.zone, at);
          const decision = decide(f, p, at);
          const room = Math.min(decision.validBelow - 1 - f.chargedBytes, 5000);
          const weight = parts.slice(0, f.grants.length).reduce((a, b) => a + b, 0) || 1;
          const charged = new Map(f.grants.map((g, i) => [g.id, Math.floor((room * parts[i]!) / weight)]));
          const later = after(f, charged, p.zone, within(at, decision.validUntil, when));
          for (const t of fromNewestUse(later, p, samples(later, decision, at)))
            expect(twin(later, p, t)).toEqual(gets(decision));
        },
      ),
      { numRuns: 1500 },
    );
  });

  test('looked at every single minute of two days, in zones with and without daylight saving', () => {
    fc.assert(
      fc.property(facts(), policy(), instant, (raw, p, at) => {
        const f = metered(raw, p.zone, at);
        const decision = decide(f, p, at);
        const end = Math.min(decision.validUntil, at + 2 * DAY);
        for (let t = at; t < end; t += MINUTE) {
          if (!same(twin(f, p, t), gets(decision))) expect(twin(f, p, t), `${t}`).toEqual(gets(decision));
        }
      }),
      { numRuns: 60 },
    );
  });
});

const same = (one: Gets, other: Gets) => JSON.stringify(one) === JSON.stringify(other);

describe('the bounds are tight', () => {
  test('at validUntil the answer is another one', () => {
    fc.assert(
      fc.property(facts(), policy(false), instant, (raw, p, at) => {
        const f = metered(raw, p.zone, at);
        const decision = decide(f, p, at);
        if (decision.validUntil !== NEVER) expect(twin(f, p, decision.validUntil)).not.toEqual(gets(decision));
      }),
      { numRuns: 1500 },
    );
  });

  test('also with windows, unless so many edges changed nothing that days were crossed', () => {
    fc.assert(
      fc.property(facts(), policy(), instant, (raw, p, at) => {
        const f = metered(raw, p.zone, at);
        const decision = decide(f, p, at);
        if (decision.validUntil > at + 2 * DAY) return;
        expect(twin(f, p, decision.validUntil)).not.toEqual(gets(decision));
      }),
      { numRuns: 1500 },
    );
  });

  test('under the default policy some usage of exactly validBelow changes the answer', () => {
    fc.assert(
      fc.property(facts(), instant, (f, at) => {
        const decision = decide(f, defaults, at);
        if (decision.validBelow === Infinity) return;
        expect(canChange(f, decision, at)).toBe(true);
      }),
      { numRuns: 1500 },
    );
  });

  test('with one kind of plan, charging up to validBelow walls the line and one byte less does not', () => {
    const oneGrant = grants(fc.constant(plan())).map((all) => all.slice(0, 1));
    fc.assert(
      fc.property(facts(oneGrant), instant, (any, at) => {
        const f = { ...any, owesSince: null, openings: [] };
        const decision = decide(f, defaults, at);
        if (decision.validBelow === Infinity) return;
        const room = decision.validBelow - f.chargedBytes;
        expect(decide(used(f, defaults.zone, at, room - 1), defaults, at).access).toBe('full');
        expect(decide(used(f, defaults.zone, at, room), defaults, at).access).toBe('walled');
      }),
      { numRuns: 500 },
    );
  });

  test('charging up to validBelow reaches a step of a period, and one byte less does not', () => {
    const oneGrant = grants(fc.constant(plan({ allowanceBytes: null }))).map((all) => all.slice(0, 1));
    const step = fc.record({
      zone: fc.constantFrom('Asia/Makassar', 'America/New_York'),
      bytes: fc.integer({ min: 1, max: 2000 }),
      per,
    });
    fc.assert(
      fc.property(facts(oneGrant), instant, step, (raw, at, { zone, bytes, per }) => {
        const rules: Policy['rules'] = [
          { name: 'step', when: { is: 'fair-use', bytes, per }, give: { access: 'denied' } },
        ];
        const f = metered(raw, zone, at);
        const { access, validBelow } = decide(f, { zone, rules }, at);
        const covered = f.grants.some((g) => g.from <= at && at < g.until);
        if (!covered || access === 'denied') return;
        const accessAfter = (more: number) => decide(used(f, zone, at, more), { zone, rules }, at).access;
        expect([accessAfter(validBelow - f.chargedBytes - 1), accessAfter(validBelow - f.chargedBytes)]).toEqual([
          'walled',
          'denied',
        ]);
      }),
      { numRuns: 500 },
    );
  });

  /** Whether spending the rest of some grants, validBelow in sum, changes the answer somewhere in the span. */
  function canChange(f: Facts, decision: Decision, at: Instant): boolean {
    const room = decision.validBelow - f.chargedBytes;
    const left = (g: Grant) => Math.max(0, (g.plan.allowanceBytes ?? Infinity) - g.usedBytes);
    const some = f.grants.filter((g) => left(g) > 0 && left(g) < Infinity);
    for (let chosen = 1; chosen < 2 ** some.length; chosen++) {
      const spent = some.filter((_, i) => chosen & (1 << i));
      if (spent.reduce((sum, g) => sum + left(g), 0) !== room) continue;
      const later = after(f, new Map(spent.map((g) => [g.id, left(g)])), defaults.zone, at);
      if (samples(f, decision, at).some((t) => !same(twin(later, defaults, t), gets(decision)))) return true;
    }
    return false;
  }
});

describe('every question has an answer', () => {
  test('for any facts, policy and instant, as the dumb twin has it', () => {
    fc.assert(
      fc.property(facts(), policy(), instant, (raw, p, at) => {
        const f = metered(raw, p.zone, at);
        const decision = decide(f, p, at);
        expect(gets(decision)).toEqual(twin(f, p, at));
        expect(decision.validUntil).toBeGreaterThan(at);
        expect(decision.validBelow).toBeGreaterThan(f.chargedBytes);
        expect(decision.because.length).toBeGreaterThan(0);
        expect(decision.rate === null).toBe(decision.access === 'denied');
        expect(decision.addressList === null).toBe(decision.access === 'denied');
        expect(printDecision(decision, p.zone)).not.toMatch(/undefined|NaN|Infinity/);
      }),
      { numRuns: 2000 },
    );
  });

  test('the order of the grants does not matter', () => {
    const shuffled = facts().chain((f) =>
      fc.shuffledSubarray([...f.grants], { minLength: f.grants.length }).map((grants) => ({ f, g: { ...f, grants } })),
    );
    fc.assert(
      fc.property(shuffled, policy(), instant, ({ f, g }, p, at) => {
        expect(decide(g, p, at)).toEqual(decide(f, p, at));
      }),
      { numRuns: 500 },
    );
  });

  test('far away in time, with wrong grants and huge counts', () => {
    const grant = { id: 1, plan: plan(), from: BASE, until: BASE, usedBytes: 2 ** 52, metered: null };
    const odd = {
      ...person,
      grants: [grant, { ...grant, id: 2, from: BASE, until: NEVER }],
      chargedBytes: 2 ** 53 - 5000,
    };
    const windows: Policy = {
      zone: 'Europe/Amsterdam',
      rules: [{ name: 'night', when: { is: 'window', from: '22:00', to: '06:00' }, give: { access: 'denied' } }],
    };
    for (const at of [0, -1e15, 8.6e15, 1e300, NEVER]) {
      for (const p of [defaults, windows, { zone: 'Asia/Jakarta', rules: [] }]) {
        const decision = decide(odd, p, at);
        expect(decision.validUntil > at || at === NEVER).toBe(true);
      }
    }
  });

  test('where no rule speaks, the line is walled at 128k in prepaid-no-package', () => {
    const decision = decide(person, { zone: 'Asia/Jakarta', rules: [] }, BASE);
    expect(decision).toMatchObject({ access: 'walled', rate: { downloadBps: 128_000, uploadBps: 128_000 } });
    expect(decision.addressList).toBe('prepaid-no-package');
    expect(decision.because.at(-1)).toEqual({ is: 'fallback' });
  });
});

const person: Facts = {
  subscriberId: 1,
  username: 'budi',
  billing: 'prepaid',
  tags: [],
  suspendedSince: null,
  owesSince: null,
  openings: [],
  grants: [],
  chargedBytes: 0,
  nas: null,
  version: 1,
};

describe('where one stretch of time follows another', () => {
  const first = { id: 1, plan: plan(), from: BASE, until: BASE + 30 * DAY, usedBytes: 0, metered: null };
  const renewal = { ...first, id: 2, from: first.until, until: first.until + 30 * DAY };

  test('a renewal without a gap leaves no seam: nobody is cut off where one grant hands over to the next', () => {
    const decision = decide({ ...person, grants: [first, renewal] }, defaults, BASE + HOUR);
    expect(decision.validUntil).toBe(renewal.until);
    expect(decision.validBelow).toBe(1000);
  });

  test('a gap of one millisecond is a gap', () => {
    const late = { ...renewal, from: renewal.from + 1 };
    expect(decide({ ...person, grants: [first, late] }, defaults, BASE).validUntil).toBe(first.until);
  });

  test('a renewal with another plan of the same terms leaves no seam, one with a faster plan does', () => {
    const renamed = { ...renewal, plan: plan({ revisionId: 9, name: 'renamed', priceRupiah: 1 }) };
    expect(decide({ ...person, grants: [first, renamed] }, defaults, BASE).validUntil).toBe(renewal.until);
    const faster = { ...renewal, plan: plan({ rate: { downloadBps: 50e6, uploadBps: 50e6, burst: null } }) };
    expect(decide({ ...person, grants: [first, faster] }, defaults, BASE).validUntil).toBe(renewal.from);
  });

  test('five years of monthly renewals are one answer', () => {
    const grants = Array.from({ length: 60 }, (_, month) => ({
      ...first,
      id: month + 1,
      from: BASE + month * 30 * DAY,
      until: BASE + (month + 1) * 30 * DAY,
    }));
    expect(decide({ ...person, grants }, defaults, BASE).validUntil).toBe(BASE + 1800 * DAY);
  });

  test('past the cap of boundaries the answer ends early, never late', () => {
    const grants = Array.from({ length: 200 }, (_, day) => ({
      ...first,
      id: day + 1,
      from: BASE + day * DAY,
      until: BASE + (day + 1) * DAY,
    }));
    const decision = decide({ ...person, grants }, defaults, BASE);
    expect(decision.validUntil).toBe(BASE + 65 * DAY);
    expect(gets(decide({ ...person, grants }, defaults, decision.validUntil))).toEqual(gets(decision));
  });

  test('what a future grant has left bounds a merged span too', () => {
    const small = { ...renewal, plan: plan({ allowanceBytes: 10 }) };
    expect(decide({ ...person, grants: [first, small] }, defaults, BASE).validBelow).toBe(10);
  });

  test('a suspension in the future is seen coming', () => {
    const decision = decide({ ...person, suspendedSince: BASE + 5, grants: [first] }, defaults, BASE);
    expect(decision).toMatchObject({ access: 'full', validUntil: BASE + 5 });
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide, termsAt } from '#domain/decide';
import type { Facts } from '#domain/facts';
import { defaultPolicy, type Policy, type Rule } from '#domain/policy';
import { type ImpactNas, type ImpactSession, ImpactTally } from '#domain/policy-impact';
import { reconcile, type Told, toldOf } from '#domain/reconcile';
import { sameTerms } from '#domain/terms';
import { DAY, HOUR, type Instant, MINUTE } from '#domain/time';
import { facts, instant, plan, policy } from '#test/domain/generate';

/** 21 Nov 2026, 12.00 in Jakarta. */
const NOON = Date.parse('2026-11-21T05:00:00Z');
const BEFORE = defaultPolicy('Asia/Jakarta');
const NASES: ReadonlyMap<number, ImpactNas> = new Map([
  [1, { name: 'utara', tags: [], vendor: 'mikrotik', coaPerSecond: 10 }],
  [2, { name: 'selatan', tags: ['gpon'], vendor: 'mikrotik', coaPerSecond: 2 }],
]);

const line = (subscriberId: number, over: Partial<Facts> = {}): Facts => ({
  subscriberId,
  username: `line${subscriberId}`,
  billing: 'prepaid',
  tags: [],
  suspendedSince: null,
  owesSince: null,
  openings: [],
  grants: [grant(20e6)],
  chargedBytes: 0,
  nas: null,
  version: 1,
  ...over,
});

const grant = (bps: number, from = NOON - DAY, until = NOON + 20 * DAY) => ({
  id: 1,
  plan: plan({ rate: { downloadBps: bps, uploadBps: bps, burst: null }, allowanceBytes: null, profile: null }),
  from,
  until,
  usedBytes: 0,
  metered: null,
});

/** The policy with a rule before the one that gives the plan. */
const edited = (rule: Rule): Policy => ({ ...BEFORE, rules: BEFORE.rules.toSpliced(3, 0, rule) });

const twice = (when: Rule['when'], more: Partial<Rule['give']> = {}): Rule => ({
  name: 'boost',
  when,
  give: { ...BEFORE.rules[3]!.give, rate: { is: 'share', share: 2 }, ...more } as Rule['give'],
});

const ACTIVE = toldOf(decide(line(1), BEFORE, NOON));
const session = (nasId: number, over: Partial<ImpactSession> = {}): ImpactSession => ({
  sessionId: 1,
  nasId,
  nasAddress: `10.0.0.${nasId}`,
  told: ACTIVE,
  endingSince: null,
  endAsked: null,
  ...over,
});

type Line = readonly [facts: Facts, sessions?: readonly ImpactSession[], addresses?: ReadonlyMap<number, number>];

function impact(after: Policy, lines: readonly Line[], { at = NOON, perSecond = 50, before = BEFORE } = {}) {
  const tally = new ImpactTally({ current: () => before, edited: after, nases: NASES, at, perSecond });
  for (const [facts, sessions = [], addresses = new Map()] of lines) tally.add(facts, sessions, addresses);
  return tally.result();
}

const COVERED = { is: 'covered' } as const;
const hours = (found: ReturnType<typeof impact>) => found.later.within24h.map(({ changed }) => changed);

describe('an edit', () => {
  test('that changes nothing changes nobody, at no hour', () => {
    const found = impact({ ...BEFORE, rules: [...BEFORE.rules] }, [[line(1), [session(1)]], [line(2)]]);
    expect(found.subscribers).toEqual({ total: 2, changed: 0 });
    expect(found.sessions).toEqual({ total: 1, keep: 1, coa: 0, disconnect: 0 });
    expect(found.groups).toEqual([]);
    expect(found.later.groups).toEqual([]);
    expect(hours(found)).toEqual(new Array(24).fill(0));
    expect(found.expectedSeconds).toBe(0);
  });

  test('of a rate is a CoA for each live session, in one group by what is given before and after', () => {
    const found = impact(edited(twice(COVERED)), [[line(1), [session(1)]], [line(2)], [line(3, { grants: [] })]]);
    expect(found.subscribers).toEqual({ total: 3, changed: 2 });
    expect(found.sessions).toEqual({ total: 1, keep: 0, coa: 1, disconnect: 0 });
    expect(found.groups).toHaveLength(1);
    expect(found.groups[0]).toMatchObject({ count: 2, sessions: 1, coa: 1, act: 'coa', at: NOON });
    expect(found.groups[0]!.before).toMatchObject({ rule: 'active', rate: { downloadBps: 20e6 } });
    expect(found.groups[0]!.after).toMatchObject({ rule: 'boost', rate: { downloadBps: 40e6 } });
    expect(hours(found)).toEqual(new Array(24).fill(2));
  });

  test('of the pool is a Disconnect, of the interim only the next dial', () => {
    const pool = impact(edited(twice(COVERED, { rate: { is: 'plan' }, pool: 'north' })), [[line(1), [session(1)]]]);
    expect(pool.sessions).toMatchObject({ coa: 0, disconnect: 1 });
    expect(pool.groups[0]).toMatchObject({ act: 'disconnect', disconnect: 1 });
    const interim = impact(edited(twice(COVERED, { rate: { is: 'plan' }, interimSeconds: 600 })), [
      [line(1), [session(1)]],
    ]);
    expect(interim.subscribers.changed).toBe(1);
    expect(interim.sessions).toEqual({ total: 1, keep: 1, coa: 0, disconnect: 0 });
    expect(interim.groups[0]).toMatchObject({ act: 'keep', sessions: 1 });
  });

  test('is not to blame for what is due without it', () => {
    const other: Told = { live: '1000/1000 list=x', fixed: 'default' };
    const unchanged = impact(edited(twice({ is: 'tag', tag: 'vip' })), [[line(1), [session(1, { told: other })]]]);
    expect(unchanged.sessions).toMatchObject({ keep: 1, coa: 0 });
    const boost = edited(twice(COVERED));
    const has = toldOf(decide(line(1), boost, NOON));
    const already = impact(boost, [[line(1), [session(1, { told: has })]]]);
    expect(already.sessions).toMatchObject({ keep: 1, coa: 0 });
    const ending = impact(boost, [[line(1), [session(1, { endingSince: NOON - 1000 })]]]);
    expect(ending.sessions).toMatchObject({ keep: 1 });
    const unknown = impact(edited(twice(COVERED, { rate: { is: 'plan' }, interimSeconds: 600 })), [
      [line(1), [session(1, { told: null })]],
    ]);
    expect(unknown.sessions).toMatchObject({ keep: 1, coa: 0 });
    const asked = { at: NOON - 1000, reason: 'modem' };
    expect(impact(boost, [[line(1), [session(1, { endAsked: asked })]]]).sessions).toMatchObject({ keep: 1 });
  });

  test('that tells routers apart counts each session where it is', () => {
    const boost = edited(twice({ is: 'all', of: [COVERED, { is: 'nas-tag', tag: 'gpon' }] }));
    const found = impact(boost, [
      [line(1), [session(1), session(2, { sessionId: 2 })]],
      [line(2), [session(1)]],
    ]);
    expect(found.subscribers.changed).toBe(1);
    expect(found.sessions).toEqual({ total: 3, keep: 2, coa: 1, disconnect: 0 });
    expect(found.perNas).toEqual([{ nasId: 2, name: 'selatan', coa: 1, disconnect: 0, seconds: 1 }]);
  });

  test('counts a subscriber at two routers once, with both sessions', () => {
    const found = impact(edited(twice(COVERED)), [[line(1), [session(1), session(2, { sessionId: 2 })]]]);
    expect(found.groups).toHaveLength(1);
    expect(found.groups[0]).toMatchObject({ count: 1, sessions: 2, coa: 2 });
    expect(found.groups[0]!.samples).toHaveLength(1);
  });

  test('takes as long as the slowest router, of a block the busiest of its routers, or the pace of the rollout', () => {
    const at = (nasId: number, nasAddress: string, count: number): Line[] =>
      Array.from({ length: count }, (_, i) => [line(nasId * 1000 + i), [session(nasId, { nasAddress })]]);
    const lines = [...at(1, '10.0.0.1', 25), ...at(2, '10.0.0.2', 9), ...at(2, '10.0.0.3', 4)];
    const found = impact(edited(twice(COVERED)), lines);
    expect(found.perNas.map(({ name, seconds }) => [name, seconds])).toEqual([
      ['selatan', 5],
      ['utara', 3],
    ]);
    expect(found.expectedSeconds).toBe(5);
    expect(impact(edited(twice(COVERED)), lines, { perSecond: 2 }).expectedSeconds).toBe(19);
  });

  test('of a night boost changes nobody at noon, and everybody covered from midnight to six', () => {
    const night = edited(twice({ is: 'all', of: [COVERED, { is: 'window', from: '00:00', to: '06:00' }] }));
    const found = impact(night, [[line(1), [session(1)]], [line(2, { grants: [] })], [line(3)]]);
    expect(found.subscribers.changed).toBe(0);
    expect(found.later.changed).toBe(2);
    expect(hours(found)).toEqual([...new Array(12).fill(0), ...new Array(6).fill(2), ...new Array(6).fill(0)]);
    expect(found.later.groups).toHaveLength(1);
    expect(found.later.groups[0]).toMatchObject({ count: 2, sessions: 1, coa: 1, act: 'coa', at: NOON + 12 * HOUR });
    expect(found.sessions).toMatchObject({ keep: 1, coa: 0 });
  });

  test('of a night boost is said to begin when it begins for the first', () => {
    const night = edited(twice({ is: 'all', of: [COVERED, { is: 'window', from: '00:00', to: '06:00' }] }));
    const tomorrow = line(1, { grants: [grant(20e6, NOON + 15 * HOUR)] });
    const found = impact(night, [[tomorrow], [line(2)]]);
    expect(found.later.groups.map(({ count, at }) => [count, at])).toEqual([[2, NOON + 12 * HOUR]]);
    expect(hours(found).slice(11, 16)).toEqual([0, 1, 1, 1, 2]);
  });

  test('is not felt after a package has ended', () => {
    const night = edited(twice({ is: 'all', of: [COVERED, { is: 'window', from: '00:00', to: '06:00' }] }));
    const ending = line(1, { grants: [grant(20e6, NOON - DAY, NOON + 14 * HOUR + 30 * MINUTE)] });
    expect(hours(impact(night, [[ending]])).slice(11, 16)).toEqual([0, 1, 1, 1, 0]);
  });

  test('moves static addresses to another list, those of a denied line to the walled one', () => {
    const addresses = new Map([[1, 3]]);
    const listed = edited(twice({ is: 'tag', tag: 'vip' }, { addressList: 'vip' }));
    const found = impact(listed, [
      [line(1, { tags: ['vip'] }), [], addresses],
      [line(2), [], addresses],
    ]);
    expect(found.addresses).toEqual({ total: 6, moved: 3 });
    const denied = edited({ name: 'no', when: { is: 'all', of: [] }, give: { access: 'denied' } });
    expect(impact(denied, [[line(1, { grants: [] }), [], addresses]]).addresses.moved).toBe(0);
    expect(impact(denied, [[line(1), [], addresses]]).addresses.moved).toBe(3);
  });

  test('with attributes of each line makes one group of them, with five samples', () => {
    const named = edited(
      twice(COVERED, { attributes: [{ name: 'Filter-Id', value: '{username}-at-{nas}', vendor: null }] }),
    );
    const found = impact(
      named,
      Array.from({ length: 9 }, (_, i): Line => [line(i + 1), [session(1)]]),
    );
    expect(found.groups).toHaveLength(1);
    expect(found.groups[0]!.after.attributes).toEqual([['Filter-Id', '{username}-at-{nas}']]);
    expect(found.groups[0]!.samples.map(({ facts }) => facts.subscriberId)).toEqual([1, 2, 3, 4, 5]);
    expect(found.groups[0]!.samples[1]!.after.attributes).toEqual([['Filter-Id', 'line2-at-utara']]);
  });
});

describe('of any policies and facts', () => {
  const given = fc.record({ facts: facts(), at: instant, before: policy(), after: policy() });

  test('an hour counts a subscriber exactly where both policies differ at some time of it', () => {
    fc.assert(
      fc.property(given, fc.array(fc.nat(24 * 3600 - 1), { minLength: 5, maxLength: 20 }), (one, moments) => {
        const there = { ...one.facts, nas: null };
        const found = impact(one.after, [[there]], one);
        const differs = (at: Instant) => !sameTerms(decide(there, one.before, at), decide(there, { ...one.after }, at));
        expect(found.subscribers.changed).toBe(differs(one.at) ? 1 : 0);
        for (const second of moments)
          if (differs(one.at + second * 1000)) expect(hours(found)[Math.floor(second / 3600)]).toBe(1);
        hours(found).forEach((changed, hour) => {
          if (changed === 1) expect(edgesIn(there, one, hour).some(differs)).toBe(true);
        });
        expect(found.later.changed).toBe(!differs(one.at) && hours(found).includes(1) ? 1 : 0);
      }),
      { numRuns: 2_000 },
    );
  });

  test('what it counts for a live session is what reconcile would do, and after that there is nothing to do', () => {
    fc.assert(
      fc.property(given, (one) => {
        const nas = NASES.get(1)!;
        const [was, is] = [one.before, one.after].map((by) => decide({ ...one.facts, nas }, by, one.at));
        const told = toldOf(was!);
        const found = impact(one.after, [[{ ...one.facts, nas: null }, [session(1, { told })]]], one);
        const act = reconcile(is!, [{ ...session(1), told }], one.at)[0]!.do;
        const denied = was!.access === 'denied' && is!.access === 'denied';
        expect(found.sessions[denied ? 'keep' : act]).toBe(1);
        const after = impact(one.after, [[{ ...one.facts, nas: null }, [session(1, { told: toldOf(is!) })]]], one);
        if (is!.access !== 'denied') expect(after.sessions.keep).toBe(1);
      }),
      { numRuns: 2_000 },
    );
  });

  test('termsAt says what decide says, and is certain until its bound', () => {
    fc.assert(
      fc.property(given, fc.nat(99), ({ facts, at, before }, hundredths) => {
        const { terms, until } = termsAt(facts, before, at);
        expect(sameTerms(terms, decide(facts, before, at))).toBe(true);
        expect(until).toBeGreaterThan(at);
        const end = Math.min(until, at + 100 * DAY);
        const then = at + Math.floor(((end - at) * hundredths) / 100);
        expect(sameTerms(decide(facts, before, then), terms)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

/** The instants of an hour at which either answer begins to hold, and the hour's beginning. */
function edgesIn(there: Facts, { at, before, after }: { at: Instant; before: Policy; after: Policy }, hour: number) {
  const [from, until] = [at + hour * HOUR, at + (hour + 1) * HOUR];
  const edges = [from];
  for (const by of [before, after])
    for (let next = termsAt(there, by, from).until; next < until; next = termsAt(there, by, next).until)
      edges.push(next);
  return edges;
}

/** Facts, policies and instants at random, small enough that grants, windows and thresholds meet often. */
import fc from 'fast-check';
import type { Facts, Grant } from '#domain/facts';
import type { Plan } from '#domain/plan';
import {
  type Condition,
  defaultPolicy,
  FALLBACK,
  type Outcome,
  type Policy,
  USAGE_ANCHORS,
  USAGE_SPANS,
} from '#domain/policy';
import { DAY, HOUR, type Instant, MINUTE, NEVER, WEEKDAYS } from '#domain/time';
import { meter } from '#domain/usage-period';

/** Two changes of daylight saving are near this instant in the zones below, and a month's and a year's end are not far. */
export const BASE = Date.UTC(2026, 9, 23);

const zone = fc.constantFrom(
  'Asia/Jakarta',
  'Asia/Makassar',
  'Asia/Jayapura',
  'Europe/Amsterdam',
  'America/New_York',
  'Australia/Lord_Howe',
);

export const plan = (over: Partial<Plan> = {}): Plan => ({
  revisionId: 1,
  name: '20GB - 20Mbps',
  rate: { downloadBps: 20e6, uploadBps: 20e6, burst: null },
  allowanceBytes: 1000,
  period: { months: 1 },
  priceRupiah: 75_000,
  profile: 'prepaid-20mbps',
  ...over,
});

const burst = {
  downloadBps: 40e6,
  uploadBps: 30e6,
  thresholdDownloadBps: 15e6,
  thresholdUploadBps: 15e6,
  seconds: 8,
};
const plans: readonly Plan[] = [
  plan(),
  plan({
    revisionId: 2,
    name: 'unlimited',
    allowanceBytes: null,
    rate: { downloadBps: 10e6, uploadBps: 5e6, burst: null },
  }),
  plan({ revisionId: 3, name: 'small', allowanceBytes: 300, profile: null }),
  plan({ revisionId: 4, name: 'the same line, other name', allowanceBytes: 500 }),
  plan({ revisionId: 5, name: 'burst', rate: { downloadBps: 20e6, uploadBps: 20e6, burst }, profile: 'burst' }),
  plan({
    revisionId: 6,
    name: 'fast',
    allowanceBytes: 200,
    rate: { downloadBps: 100e6, uploadBps: 50e6, burst: null },
  }),
];

/** Instants on whole minutes within some weeks of BASE, often on whole quarters of a day so that grants touch. */
export const instant: fc.Arbitrary<Instant> = fc.oneof(
  fc.integer({ min: 0, max: 80 }).map((quarter) => BASE + quarter * 6 * HOUR),
  fc.integer({ min: 0, max: 20 * 24 * 60 }).map((minute) => BASE + minute * MINUTE),
);

/** A grant that remembers when it was used: `unmetered` before there was metering, then the rest in the order of charging. */
export type UsedGrant = Grant & { readonly unmetered: number; readonly history: readonly Used[] };
export type Used = { readonly at: Instant; readonly bytes: number };

const grant = (which: fc.Arbitrary<Plan>): fc.Arbitrary<Omit<UsedGrant, 'id'>> =>
  fc
    .record({
      plan: which,
      from: instant,
      quarters: fc.integer({ min: 1, max: 30 }),
      endless: fc.integer({ min: 0, max: 7 }).map((one) => one === 0),
      usedBytes: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 1200 })),
      history: fc.array(fc.record({ hours: fc.nat(120), bytes: fc.integer({ min: 1, max: 400 }) }), { maxLength: 4 }),
    })
    .map(({ plan, from, quarters, endless, usedBytes, history }) => {
      const until = endless ? NEVER : from + quarters * 6 * HOUR;
      return {
        plan,
        from,
        until,
        usedBytes,
        unmetered: usedBytes,
        metered: null,
        history: history
          .map(({ hours, bytes }) => ({ at: from + hours * HOUR, bytes }))
          .filter((used) => used.at < until),
      };
    });

/** A grant as it is after more usage. */
export const useOf = (grant: UsedGrant, zone: string, { at, bytes }: Used): UsedGrant => ({
  ...grant,
  metered: meter(grant, zone, at, bytes),
  usedBytes: grant.usedBytes + bytes,
  history: [...grant.history, { at, bytes }],
});

/** Facts with what their grants remember of usage until an instant charged to them. Nobody is asked before usage that is known. */
export function metered<F extends Facts>(before: F, zone: string, at: Instant): F {
  const grants = (before.grants as readonly UsedGrant[]).map((one) =>
    one.history
      .filter((used) => used.at <= at)
      .reduce<UsedGrant>((grant, used) => useOf(grant, zone, used), { ...one, history: [] }),
  );
  const more = grants.reduce((sum, { usedBytes, unmetered }) => sum + usedBytes - unmetered, 0);
  return { ...before, grants, chargedBytes: before.chargedBytes + more };
}

/** The same life so much later. */
export function shifted(before: Facts, ms: number): Facts {
  const later = (at: Instant | null) => (at === null ? null : at + ms);
  const grants = (before.grants as readonly UsedGrant[]).map((one) => ({
    ...one,
    from: one.from + ms,
    until: one.until + ms,
    history: one.history.map(({ at, bytes }) => ({ at: at + ms, bytes })),
  }));
  const openings = before.openings.map((at) => at + ms);
  return {
    ...before,
    grants,
    openings,
    suspendedSince: later(before.suspendedSince),
    owesSince: later(before.owesSince),
  };
}

export const grants = (which = fc.constantFrom(...plans)): fc.Arbitrary<UsedGrant[]> =>
  fc.array(grant(which), { maxLength: 5 }).map((all) => all.map((one, index) => ({ ...one, id: index + 1 })));

export const facts = (which: fc.Arbitrary<UsedGrant[]> = grants()): fc.Arbitrary<Facts> =>
  fc
    .record({
      billing: fc.constantFrom('prepaid', 'postpaid'),
      tags: fc.subarray(['vip', 'staff']),
      suspendedSince: fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: instant }),
      owesSince: fc.option(instant),
      openings: fc.array(instant, { maxLength: 5 }).map((all) => all.sort((one, other) => one - other)),
      grants: which,
      before: fc.integer({ min: 0, max: 1000 }),
      nas: fc.constantFrom<Facts['nas'][]>(
        null,
        { name: 'pop-1', tags: ['city'], vendor: 'mikrotik' },
        { name: 'pop-2', tags: [], vendor: 'accel-ppp' },
      ),
    })
    .map(({ before, ...rest }) => ({
      ...rest,
      subscriberId: 7,
      username: 'siti',
      chargedBytes: before + rest.grants.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
      version: 1,
    }));

const time = fc.integer({ min: 0, max: 95 }).map((quarter) => clock(quarter * 15));
const clock = (minutes: number) =>
  `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;

const window = fc
  .record({
    from: time,
    to: fc.oneof(time, fc.constant('24:00')),
    days: fc.option(fc.subarray([...WEEKDAYS], { minLength: 1 })),
  })
  .filter(({ from, to }) => from !== to && to !== '00:00')
  .map(({ from, to, days }): Condition => ({ is: 'window', from, to, ...(days === null ? {} : { days }) }));

export const per = fc.oneof(
  { weight: 1, arbitrary: fc.constant(null) },
  {
    weight: 2,
    arbitrary: fc.record({ every: fc.constantFrom(...USAGE_SPANS), from: fc.constantFrom(...USAGE_ANCHORS) }),
  },
);

const leaf = (withWindows: boolean): fc.Arbitrary<Condition> =>
  fc.oneof(
    fc.constantFrom<Condition[]>(
      { is: 'covered' },
      { is: 'suspended' },
      { is: 'allowance-left' },
      { is: 'grace', days: 1 },
      { is: 'grace', days: 3 },
      { is: 'overdue', days: 0 },
      { is: 'overdue', days: 2 },
      { is: 'paying', minutes: 60, timesADay: 1 },
      { is: 'paying', minutes: 45, timesADay: 2 },
      { is: 'billing', billing: 'postpaid' },
      { is: 'tag', tag: 'vip' },
      { is: 'nas', name: 'pop-1' },
      { is: 'nas-tag', tag: 'city' },
      { is: 'nas-vendor', vendor: 'accel-ppp' },
      { is: 'nas-vendor', vendor: 'mikrotik' },
      { is: 'had-cover' },
      { is: 'plan', name: 'unlimited' },
      { is: 'plan', name: '20GB - 20Mbps' },
      { is: 'plan', name: 'the same line, other name' },
    ),
    fc.record({ bytes: fc.integer({ min: 1, max: 2000 }), per }).map((of): Condition => ({ is: 'fair-use', ...of })),
    fc
      .record({ share: fc.constantFrom(0.1, 0.5, 0.8, 1), per })
      .map((of): Condition => ({ is: 'fair-use-share', ...of })),
    ...(withWindows ? [window] : []),
  );

export const condition = (withWindows: boolean): fc.Arbitrary<Condition> =>
  fc.letrec<{ node: Condition }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      leaf(withWindows),
      fc.array(tie('node'), { maxLength: 3 }).map((of): Condition => ({ is: 'all', of })),
      fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((of): Condition => ({ is: 'any', of })),
      tie('node').map((of): Condition => ({ is: 'not', of })),
    ),
  })).node;

const accepted: Outcome = { ...FALLBACK, access: 'full', rate: { is: 'plan' }, addressList: 'prepaid-active' };
const outcome = fc.constantFrom<Outcome[]>(
  { access: 'denied' },
  FALLBACK,
  accepted,
  { ...accepted, profile: { is: 'plan' } },
  { ...accepted, access: 'reduced', rate: { is: 'share', share: 0.25 }, profile: { is: 'named', name: 'slow' } },
  {
    ...FALLBACK,
    profile: { is: 'plan' },
    pool: 'walled',
    idleSeconds: 600,
    attributes: [{ name: 'Reply-Message', value: 'hai', vendor: null }],
  },
  { ...accepted, interimSeconds: 600 },
  { ...accepted, attributes: [{ name: 'Reply-Message', value: '{{{username}: {plan}', vendor: null }] },
  { ...FALLBACK, attributes: [{ name: 'Reply-Message', value: '{plan}', vendor: null }] },
  {
    ...FALLBACK,
    attributes: [
      { name: 'Filter-Id', value: '{list} {nas}', vendor: null },
      { name: 'Filter-Id', value: '{download-kbps}/{upload-kbps}', vendor: 'accel-ppp' },
      { name: 'Reply-Message', value: '{profile}', vendor: 'mikrotik' },
    ],
  },
);

export const policy = (withWindows = true): fc.Arbitrary<Policy> =>
  fc
    .record({
      zone,
      rules: fc.array(fc.record({ when: condition(withWindows), give: outcome }), { maxLength: 4 }),
      withDefaults: fc.boolean(),
    })
    .map(({ zone, rules, withDefaults }) => ({
      zone,
      rules: [
        ...rules.map((rule, index) => ({ ...rule, name: `rule ${index + 1}` })),
        ...(withDefaults ? defaultPolicy().rules : []),
      ],
    }));

/** A policy that asks one question and tells nothing of the plan, so that its answer rests on that condition alone. */
export const policyOfOne: fc.Arbitrary<Policy> = fc.record({ zone, when: leaf(true) }).map(({ zone, when }) => ({
  zone,
  rules: [{ name: 'the one', when, give: { access: 'denied' } }],
}));

/** A usage to be: so many hundredths of what is still allowed, at some hundredths of the span (negative = a late record). */
export const usages = fc.array(
  fc.record({ hundredths: fc.integer({ min: 0, max: 100 }), when: fc.integer({ min: -30, max: 99 }) }),
  { maxLength: 4 },
);

/** The instant at so many hundredths of a span; of an endless one at so many days. */
export function within(at: Instant, until: Instant, hundredths: number): Instant {
  const end = until === NEVER ? at + 100 * DAY : until;
  return hundredths < 0 ? at + hundredths * HOUR : at + Math.floor(((end - at) * hundredths) / 100);
}

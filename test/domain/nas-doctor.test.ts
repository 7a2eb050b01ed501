import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { diagnose, worst } from '#domain/nas-doctor';
import {
  type Counted,
  FINDING_CODES,
  type Finding,
  type FindingCode,
  type Probe,
  type RouterEvidence,
} from '#domain/nas-evidence';
import { GAP_BUCKETS, gapBucket, NAS_COUNTS, type NasCounts, noCounts } from '#domain/nas-signs';
import { DAY, HOUR, MINUTE, SECOND } from '#domain/time';

/** The judgement alone: where each level begins, and that nothing is accused without proof. */

const NOON = Date.UTC(2026, 10, 20, 5);

const counted = (counts: Partial<NasCounts> = {}, gaps: Readonly<Record<number, number>> = {}): Counted => ({
  counts: { ...noCounts(), ...counts },
  gaps: Array.from({ length: GAP_BUCKETS }, (_, bucket) =>
    Object.entries(gaps).reduce(
      (sum, [seconds, count]) => sum + (gapBucket(Number(seconds)) === bucket ? count : 0),
      0,
    ),
  ),
});

const NOTHING: RouterEvidence = {
  at: NOON,
  when: () => 'then',
  nas: {
    name: 'tower',
    vendor: 'mikrotik',
    coaPort: 3799,
    messageAuthenticator: 'auto',
    messageAuthenticatorSeen: false,
    swapOctets: false,
  },
  known: null,
  lastHour: counted(),
  lastDay: counted(),
  askedSeconds: [300],
  sessions: { live: 0, silent: 0, reported: 0, withoutAddress: 0, downloading: 0, uploading: 0 },
  disconnects: { acknowledged: 0, survived: 0, redialled: 0 },
  probe: null,
};
const KNOWN = {
  authAt: NOON,
  acctAt: NOON,
  rightAt: NOON,
  wrongAt: null,
  signedAt: NOON,
  unsignedAt: null,
  skew: null,
};

type Change = Partial<Omit<RouterEvidence, 'known' | 'sessions' | 'nas'>> & {
  readonly known?: Partial<NonNullable<RouterEvidence['known']>>;
  readonly sessions?: Partial<RouterEvidence['sessions']>;
  readonly nas?: Partial<RouterEvidence['nas']>;
  /** Counts of the last hour, and so of the last day. */
  readonly counts?: Partial<NasCounts>;
  readonly gaps?: Readonly<Record<number, number>>;
};
function evidence({ known, sessions, nas, counts, gaps, ...rest }: Change): RouterEvidence {
  const lastHour = counted(counts, gaps);
  return {
    ...NOTHING,
    lastHour,
    lastDay: lastHour,
    known: { ...KNOWN, ...known },
    sessions: { ...NOTHING.sessions, ...sessions },
    nas: { ...NOTHING.nas, ...nas },
    ...rest,
  };
}
const finding = (code: FindingCode, change: Change): Finding =>
  diagnose(evidence(change)).find((one) => one.code === code)!;
const probe = (is: Probe['is'], otherPort: number | null = null): Change => ({ probe: { is, said: 'x', otherPort } });

describe('each finding', () => {
  test.each<[FindingCode, string, Change]>([
    ['heard', 'ok', { known: { authAt: NOON - 14 * MINUTE, acctAt: null }, sessions: { live: 3 } }],
    ['heard', 'bad', { known: { authAt: NOON - 17 * MINUTE, acctAt: null }, sessions: { live: 3 } }],
    ['heard', 'ok', { known: { authAt: NOON - 17 * MINUTE, acctAt: null } }],
    ['heard', 'ok', { known: { authAt: NOON - HOUR, acctAt: null }, sessions: { live: 3 }, askedSeconds: [300, 3600] }],
    ['heard', 'warn', { known: { authAt: NOON - 2 * DAY, acctAt: null } }],
    ['heard', 'unknown', { known: { authAt: null, acctAt: null } }],
    ['heard', 'unknown', { known: { authAt: null, acctAt: null }, sessions: { live: 5, silent: 5 } }],

    ['secret', 'ok', {}],
    ['secret', 'unknown', { known: { rightAt: null } }],
    ['secret', 'bad', { known: { rightAt: null, wrongAt: NOON }, counts: { papGarbled: 3 } }],
    ['secret', 'bad', { known: { rightAt: NOON - DAY, wrongAt: NOON }, counts: { authForged: 3 } }],
    ['secret', 'bad', { known: { wrongAt: NOON - 1 }, counts: { signed: 9, acctForged: 9 } }],
    ['secret', 'warn', { known: { wrongAt: NOON - MINUTE }, counts: { signed: 9, accounted: 9, acctForged: 1 } }],
    ['secret', 'ok', { known: { wrongAt: NOON - 11 * MINUTE }, counts: { signed: 9, authForged: 9 } }],

    ['signed', 'ok', { counts: { signed: 9 } }],
    ['signed', 'unknown', { known: { signedAt: null } }],
    ['signed', 'warn', { known: { signedAt: null, unsignedAt: NOON }, counts: { unsigned: 9 } }],
    ['signed', 'warn', { known: { unsignedAt: NOON - 1 }, counts: { signed: 9, unsigned: 1 } }],
    [
      'signed',
      'ok',
      { known: { unsignedAt: NOON - 3 * HOUR }, counts: { signed: 9 }, lastDay: counted({ unsigned: 9 }) },
    ],
    ['signed', 'bad', { known: { unsignedAt: NOON }, counts: { unsigned: 2, unsignedDropped: 2 } }],

    ['accounting', 'ok', { counts: { accepted: 9, accounted: 9 } }],
    ['accounting', 'unknown', { counts: { accepted: 2 } }],
    ['accounting', 'unknown', { counts: { accepted: 9, acctForged: 9 } }],
    ['accounting', 'bad', { counts: { accepted: 3 } }],
    ['accounting', 'bad', { counts: { accepted: 3 }, lastDay: counted({ accepted: 50, accounted: 50 }) }],
    ['accounting', 'ok', { counts: { accepted: 1 }, lastDay: counted({ accepted: 50, accounted: 50 }) }],

    ['interim', 'unknown', { gaps: { 300: 19 } }],
    ['interim', 'ok', { gaps: { 300: 20 } }],
    ['interim', 'ok', { gaps: { 60: 100 }, askedSeconds: [60, 300] }],
    ['interim', 'warn', { gaps: { 240: 100 } }],
    ['interim', 'bad', { sessions: { live: 9, silent: 4 }, counts: { accounted: 1 } }],
    ['interim', 'unknown', { sessions: { live: 9, silent: 9 } }],

    ['gaps', 'unknown', { gaps: { 300: 19 } }],
    ['gaps', 'unknown', { gaps: { 430: 90 } }],
    ['gaps', 'ok', { gaps: { 300: 100, 600: 2 } }],
    ['gaps', 'warn', { gaps: { 300: 100, 600: 5 } }],
    ['gaps', 'bad', { gaps: { 300: 100, 900: 10 } }],
    ['gaps', 'ok', { gaps: { 60: 50, 300: 50 }, askedSeconds: [60, 300] }],

    ['resends', 'unknown', { counts: { accounted: 19, againSoon: 19 } }],
    ['resends', 'ok', { counts: { accounted: 100, againSoon: 1 } }],
    ['resends', 'warn', { counts: { accounted: 100, againSoon: 5 } }],
    ['resends', 'bad', { counts: { accounted: 100, againLate: 15 } }],
    ['resends', 'ok', { counts: { accounted: 101, repeated: 1 } }],

    ['coa', 'unknown', {}],
    ['coa', 'ok', probe('answered')],
    ['coa', 'bad', probe('silent')],
    ['coa', 'bad', probe('forged')],
    ['coa', 'unknown', probe('not-sent')],
    ['coa', 'ok', { counts: { coaRefused: 1 } }],
    ['coa', 'bad', { counts: { coaSilent: 1 } }],
    ['coa', 'warn', { counts: { coaSilent: 2, coaAcknowledged: 8 } }],
    ['coa', 'ok', { counts: { coaSilent: 1, coaAcknowledged: 19 } }],

    ['coa-effect', 'unknown', { counts: { coaExceeded: 1 } }],
    ['coa-effect', 'ok', { counts: { coaExceeded: 1, coaKept: 1 } }],
    ['coa-effect', 'bad', { counts: { coaExceeded: 2, coaKept: 8 } }],
    ['coa-effect', 'ok', { counts: { coaExceeded: 2, coaKept: 9 } }],

    ['rate', 'unknown', {}],
    ['rate', 'ok', { counts: { rateKept: 1 } }],
    ['rate', 'bad', { counts: { rateExceeded: 3, rateKept: 3 } }],

    ['redial', 'unknown', {}],
    ['redial', 'ok', { disconnects: { acknowledged: 9, survived: 1, redialled: 5 } }],
    ['redial', 'bad', { disconnects: { acknowledged: 9, survived: 2, redialled: 5 } }],
    ['redial', 'warn', { disconnects: { acknowledged: 9, survived: 0, redialled: 4 } }],
    ['redial', 'ok', { disconnects: { acknowledged: 2, survived: 0, redialled: 0 } }],

    ['clock', 'unknown', {}],
    ['clock', 'ok', { known: { skew: { ms: -MINUTE, at: NOON } } }],
    ['clock', 'warn', { known: { skew: { ms: MINUTE + SECOND, at: NOON } } }],
    ['clock', 'bad', { known: { skew: { ms: -11 * MINUTE, at: NOON } } }],

    ['direction', 'unknown', { sessions: { uploading: 9 } }],
    ['direction', 'ok', { sessions: { uploading: 5, downloading: 5 } }],
    ['direction', 'warn', { sessions: { uploading: 6, downloading: 4 } }],
    ['direction', 'bad', { sessions: { uploading: 8, downloading: 2 } }],

    ['address', 'unknown', {}],
    ['address', 'ok', { sessions: { reported: 9 } }],
    ['address', 'warn', { sessions: { reported: 9, withoutAddress: 1 } }],
    ['address', 'bad', { sessions: { reported: 9, withoutAddress: 5 } }],
  ])('%s is %s', (code, level, change) => {
    expect(finding(code, change)).toMatchObject({ level });
  });
});

describe('why requests are asked again', () => {
  const MANY = { accounted: 100 };
  test.each<[string, string | null, Partial<NasCounts>]>([
    ['this server was slow', null, { againQueued: 20 }],
    ['this server was slow', null, { againUnwritten: 20, againSoon: 5 }],
    ['it does not wait for a refusal', '/radius set [find comment="gerbang"] timeout=3s', { againHeld: 20 }],
    [
      'it waits for less than 0.7 s',
      '/radius set [find comment="gerbang"] timeout=3s',
      { againSoon: 20, againHeld: 3 },
    ],
    [
      'it waits for less than 0.7 s',
      '/radius set [find comment="gerbang"] timeout=3s',
      { againSoon: 3, repeated: 30, againQueued: 9 },
    ],
    ['they get lost on the way to it', '/radius monitor 0', { againLate: 20 }],
    ['they get lost on the way to it', '/radius monitor 0', { repeated: 30 }],
  ])('%s', (says, fix, counts) => {
    const found = finding('resends', { counts: { ...MANY, ...counts } });
    expect(found.says).toContain(says);
    expect(found.fix).toBe(fix);
  });

  test('a router that is let in, asks on and reports nothing has not taken the answer', () => {
    const deaf = finding('accounting', { counts: { accepted: 4, againSoon: 2 } });
    expect([deaf.fix, deaf.says]).toEqual(['/radius monitor 0', expect.stringContaining('our answers do not arrive')]);
    expect(finding('accounting', { counts: { accepted: 4, againSoon: 1 } }).fix).toBe('/ppp aaa set accounting=yes');
  });
});

describe('the lines for the router', () => {
  test('name its port and interval as they should be', () => {
    expect(finding('coa', { ...probe('silent', 1700), nas: { coaPort: 3800 } })).toEqual({
      code: 'coa',
      level: 'bad',
      says: 'no answer just now on port 3800, but on 1700',
      fix: '/radius incoming set accept=yes port=3800',
    });
    expect(finding('interim', { gaps: { 300: 100 }, askedSeconds: [90] }).fix).toBe(
      '/ppp aaa set accounting=yes interim-update=90s',
    );
    expect(finding('direction', { sessions: { uploading: 99 }, nas: { swapOctets: true } }).says).toContain(
      'gerbang nas edit tower --swap-octets false',
    );
  });

  test('after a CoA that does nothing the queues are looked at, unless no rate holds anyway', () => {
    expect(finding('coa-effect', { counts: { coaExceeded: 9, rateKept: 9 } }).fix).toBe('/queue simple print');
    expect(finding('coa-effect', { counts: { coaExceeded: 9, rateExceeded: 9 } }).fix).toContain('fasttrack');
  });

  test('are for RouterOS: another make gets none', () => {
    const findings = diagnose(evidence({ ...probe('silent'), nas: { vendor: 'accel-ppp' } }));
    expect(findings.map(({ fix }) => fix)).toEqual(findings.map(() => null));
    expect(worst(findings)).toBe('bad');
  });
});

test('a fault of the last day counts only where the last hour says too little', () => {
  const lastDay = counted({ accounted: 900, againLate: 500 });
  expect(finding('resends', { counts: { accounted: 30 }, lastDay }).level).toBe('ok');
  expect(finding('resends', { counts: { accounted: 3 }, lastDay }).level).toBe('bad');
});

test('of whatever evidence, every finding comes once and in order, and where there is none nothing is claimed', () => {
  const count = fc.nat({ max: 1000 });
  const counts = fc.record(
    Object.fromEntries(NAS_COUNTS.map((name) => [name, count])) as Record<keyof NasCounts, typeof count>,
  );
  const gaps = fc.array(count, { minLength: GAP_BUCKETS, maxLength: GAP_BUCKETS });
  const instant = fc.option(fc.integer({ min: NOON - 9 * DAY, max: NOON }), { nil: null });
  fc.assert(
    fc.property(counts, gaps, fc.array(instant, { minLength: 6, maxLength: 6 }), (hour, found, [a, b, c, d, e, f]) => {
      const known = { authAt: a!, acctAt: b!, rightAt: c!, wrongAt: d!, signedAt: e!, unsignedAt: f! };
      const findings = diagnose(
        evidence({ known, lastHour: { counts: hour, gaps: found }, lastDay: { counts: hour, gaps: found } }),
      );
      expect(findings.map(({ code }) => code)).toEqual(FINDING_CODES);
      for (const { says, level, fix } of findings) {
        expect(says).not.toMatch(/undefined|NaN|null/);
        if (level === 'ok') expect(fix).toBeNull();
        if (fix !== null) expect(fix).toMatch(/^\/[a-z]+ /);
      }
    }),
  );
  const nothing = diagnose(NOTHING);
  expect(nothing.every(({ level }) => level === 'unknown')).toBe(true);
  expect(worst(nothing)).toBe('unknown');
  expect(worst([])).toBe('unknown');
});

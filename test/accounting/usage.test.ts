import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SessionRecord, SessionState } from '#domain/usage';
import { assumeEnded, foldSession } from '#domain/usage';

const NOON = Date.parse('2026-11-20T05:00:00Z');
const GIGA = 2 ** 32;

type Said = Partial<Pick<SessionRecord, 'status' | 'sessionSeconds' | 'gigawords' | 'octets'>>;

function said(seconds: number | null, up: number, down = 0, more: Said = {}): SessionRecord {
  return {
    status: 'interim',
    nasId: 1,
    nasAddress: '10.0.0.1',
    acctSessionId: '81000001',
    username: 'budi',
    token: 'aa',
    told: null,
    mac: null,
    framedIp: null,
    nasPortId: null,
    sessionSeconds: seconds,
    octets: { up, down },
    gigawords: false,
    at: NOON + (seconds ?? 0) * 1000,
    receivedAt: NOON + (seconds ?? 0) * 1000,
    cause: more.status === 'stop' ? 'User-Request' : null,
    ...more,
  };
}

/** The state after the records and the bytes all of them added. */
function folded(...records: readonly SessionRecord[]): { state: SessionState; up: number; effects: string[] } {
  let state: SessionState | null = null;
  let up = 0;
  const effects: string[] = [];
  for (const record of records) {
    const fold = foldSession(state, record);
    state = fold.state;
    up += fold.upBytes;
    effects.push(fold.effect);
  }
  if (state === null) throw new Error('no records');
  return { state, up, effects };
}

describe('the usage of a session', () => {
  test('is what its counters show, taken as differences', () => {
    expect(folded(said(0, 0), said(300, 70), said(600, 100))).toMatchObject({
      up: 100,
      state: { upBytes: 100, seconds: 600 },
    });
  });

  test('does not shrink and does not count twice when an older Interim arrives late', () => {
    const { up, effects } = folded(said(600, 100), said(300, 70), said(900, 130));
    expect([up, effects]).toEqual([130, ['new', 'stale', 'advanced']]);
  });

  test('does not change with a duplicate, and counts more bytes at the same second', () => {
    expect(folded(said(300, 70), said(300, 70), said(300, 80), said(300, 75)).effects).toEqual([
      'new',
      'duplicate',
      'advanced',
      'stale',
    ]);
  });

  test('C07: goes past 4 GiB with Gigawords', () => {
    const gigawords = { gigawords: true };
    expect(folded(said(300, GIGA - 1, 0, gigawords), said(600, GIGA, 0, gigawords)).up).toBe(GIGA);
  });

  test('goes past 4 GiB without Gigawords when the counter wraps', () => {
    const { up, state } = folded(said(300, GIGA - 10), said(600, 20));
    expect([up, state.flags]).toEqual([GIGA + 20, ['wrapped']]);
  });

  test('takes a counter that fell from below 2 GiB, or one with Gigawords, as begun anew, and says so', () => {
    expect(folded(said(300, 1000), said(600, 20))).toMatchObject({ up: 1020, state: { flags: ['reset'] } });
    const gigawords = { gigawords: true };
    expect(folded(said(300, GIGA - 10, 0, gigawords), said(600, 20, 0, gigawords)).up).toBe(GIGA + 10);
    expect(folded(said(300, GIGA - 10, 0, gigawords), said(600, 20)).up).toBe(GIGA + 10);
  });

  test('is counted and flagged when no line could have carried it', () => {
    expect(folded(said(0, 0), said(10, 1e14)).state).toMatchObject({ upBytes: 1e14, flags: ['implausible'] });
  });

  test('is unknown, not zero, where a record has no counters: only the time goes on', () => {
    expect(folded(said(300, 70), said(600, 0, 0, { octets: null }), said(900, 90)).up).toBe(90);
  });

  test('goes by the time of arrival where Acct-Session-Time is missing', () => {
    expect(folded(said(0, 0), { ...said(null, 50), at: NOON + 90_000 }).state).toMatchObject({
      seconds: 90,
      upBytes: 50,
    });
  });
});

describe('the life of a session', () => {
  const stop = (seconds: number, up: number) => said(seconds, up, 0, { status: 'stop' });

  test('ends with a Stop and stays ended: a later Interim is taken for its bytes and flagged', () => {
    const { state, up } = folded(said(0, 0), stop(300, 70), said(290, 60), said(310, 75));
    expect([up, state.endedAt, state.flags]).toEqual([75, NOON + 300_000, ['late']]);
  });

  test('ends with a Stop that is behind the last Interim, whatever its counters say', () => {
    expect(folded(said(300, 70), stop(299, 69))).toMatchObject({ up: 70, effects: ['new', 'ended'] });
  });

  test('ends once: the Stop again changes nothing', () => {
    expect(folded(stop(300, 70), stop(300, 70)).effects).toEqual(['new', 'duplicate']);
  });

  test('goes on after an end we only assumed, unless the Stop comes', () => {
    const assumed = assumeEnded(folded(said(300, 70)).state, 'Lost-Service');
    expect(assumed).toMatchObject({ endedAt: NOON + 300_000, cause: 'Lost-Service' });
    expect(foldSession(assumed, said(300, 70)).state).toBe(assumed);
    expect(foldSession(assumed, said(600, 90))).toMatchObject({
      effect: 'reopened',
      upBytes: 20,
      state: { endedAt: null, cause: null, flags: ['reopened'] },
    });
    expect(foldSession(assumed, stop(600, 90))).toMatchObject({
      effect: 'ended',
      upBytes: 20,
      state: { endedAt: NOON + 600_000, cause: 'User-Request', flags: [] },
    });
  });
});

/** A true session: how much goes through between records, and what its NAS can count. */
const history = fc.record({
  steps: fc.array(fc.record({ seconds: fc.integer({ min: 1, max: 900 }), up: bytes(), down: bytes() }), {
    minLength: 1,
    maxLength: 40,
  }),
  /** How the network treats it: which records are sent on, in which order, how often. */
  delivery: fc.array(fc.nat(), { minLength: 1, maxLength: 80 }),
  gigawords: fc.boolean(),
});

function bytes(): fc.Arbitrary<number> {
  return fc.oneof(
    fc.integer({ min: 0, max: 5000 }),
    fc.integer({ min: 0, max: 2 ** 31 - 1 }),
    fc.constant(2 ** 31 - 1),
  );
}

type Step = { seconds: number; up: number; down: number };

/** What the NAS would send after each step: counters that only grow, up to 2^32 or beyond it with Gigawords. */
function sent(steps: readonly Step[], gigawords: boolean): { record: SessionRecord; up: number; down: number }[] {
  const total = { seconds: 0, up: 0, down: 0 };
  return steps.map((step) => {
    total.seconds += step.seconds;
    total.up += step.up;
    total.down += step.down;
    const shown = gigawords ? total : { up: total.up % GIGA, down: total.down % GIGA };
    return { record: said(total.seconds, shown.up, shown.down, { gigawords }), up: total.up, down: total.down };
  });
}

describe('random histories, 100,000 records and more', () => {
  test('with Gigawords: lost, repeated and out of order, usage is that of the newest record delivered', () => {
    fc.assert(
      fc.property(history, ({ steps, delivery }) => {
        const all = sent(steps, true);
        const delivered = delivery.map((n) => n % all.length);
        const { state, up } = folded(...delivered.map((n) => all[n]!.record));
        const newest = all[Math.max(...delivered)]!;
        expect([state.upBytes, state.downBytes, up]).toEqual([newest.up, newest.down, newest.up]);
        expect(state.endedAt).toBeNull();
      }),
      { numRuns: 3000 },
    );
  });

  test('without Gigawords: repeated and late but none lost, usage is exact across every wrap', () => {
    fc.assert(
      fc.property(history, ({ steps, delivery }) => {
        const all = sent(steps, false);
        let late = 0;
        const delivered = all.flatMap(({ record }, index) => {
          late += delivery[index % delivery.length]!;
          return [record, all[late % (index + 1)]!.record];
        });
        const { state } = folded(...delivered);
        expect([state.upBytes, state.downBytes]).toEqual([all.at(-1)!.up, all.at(-1)!.down]);
      }),
      { numRuns: 2000 },
    );
  });

  test('with resets in it: each life of the counter adds what it showed last', () => {
    fc.assert(
      fc.property(fc.array(history, { minLength: 2, maxLength: 4 }), (lives) => {
        let state: SessionState | null = null;
        let seconds = 0;
        let expected = 0;
        let before = 0;
        for (const { steps } of lives) {
          const life = sent(steps, true);
          // A counter that begins anew above where it was cannot be told from one that went on.
          if (life[0]!.up > before && state !== null) return;
          for (const { record } of life) {
            const at = {
              ...record,
              sessionSeconds: seconds + record.sessionSeconds!,
              octets: { up: record.octets!.up, down: 0 },
            };
            state = foldSession(state, at).state;
          }
          if (life[0]!.up === before && expected > 0) expected -= before;
          seconds += life.at(-1)!.record.sessionSeconds!;
          before = life.at(-1)!.up;
          expected += before;
        }
        expect(state!.upBytes).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });

  test('whatever comes in whatever order, usage never shrinks and is what the folds added', () => {
    const anything = fc.array(
      fc.record({
        seconds: fc.option(fc.integer({ min: 0, max: 50 }), { nil: null }),
        up: bytes(),
        down: bytes(),
        status: fc.constantFrom('start' as const, 'interim' as const, 'stop' as const),
        gigawords: fc.boolean(),
        silent: fc.boolean(),
      }),
      { minLength: 1, maxLength: 50 },
    );
    fc.assert(
      fc.property(anything, (records) => {
        let state: SessionState | null = null;
        let total = 0;
        for (const { seconds, up, down, silent, ...more } of records) {
          const fold = foldSession(state, said(seconds, up, down, more));
          expect(Math.min(fold.upBytes, fold.downBytes)).toBeGreaterThanOrEqual(0);
          expect(fold.state.upBytes).toBeGreaterThanOrEqual(state?.upBytes ?? 0);
          total += fold.upBytes + fold.downBytes;
          expect(fold.state.upBytes + fold.state.downBytes).toBe(total);
          // The same again at once is a duplicate, and a second Stop closes nothing.
          const again = foldSession(fold.state, said(seconds, up, down, more));
          if (seconds !== null) expect([again.upBytes, again.downBytes]).toEqual([0, 0]);
          state = silent ? assumeEnded(fold.state, 'Lost-Service') : fold.state;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

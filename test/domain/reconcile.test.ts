import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide } from '#domain/decide';
import type { Decision } from '#domain/decision';
import type { NasVendor } from '#domain/policy';
import { defaultPolicy } from '#domain/policy';
import { LONGEST_TOLD_LINE, type ObservedSession, reconcile, shortTold, type Told, toldOf } from '#domain/reconcile';
import { DAY, MINUTE } from '#domain/time';
import { BASE, facts, instant, plan, policy } from '#test/domain/generate';

const budi = {
  subscriberId: 1,
  username: 'budi',
  billing: 'prepaid' as const,
  tags: [],
  suspendedSince: null,
  owesSince: null,
  openings: [],
  grants: [{ id: 1, plan: plan({ profile: null }), from: BASE, until: BASE + DAY, usedBytes: 0, metered: null }],
  chargedBytes: 0,
  nas: null,
  version: 1,
};
const active = decide(budi, defaultPolicy(), BASE);
const walled = decide(budi, defaultPolicy(), BASE + DAY);
const denied = decide({ ...budi, suspendedSince: BASE }, defaultPolicy(), BASE);
const session = (told: Told | null, endingSince: number | null = null) => ({
  sessionId: 5,
  nasId: 2,
  told,
  endingSince,
  endAsked: null,
});

function actionFor(decision: Decision, observed: ObservedSession) {
  const [action] = reconcile(decision, [observed], BASE);
  return `${action?.do}: ${action?.reason}`;
}

describe('a live session', () => {
  test('that was told what is decided is kept', () => {
    expect(actionFor(active, session(toldOf(active)))).toBe('keep: is as decided');
  });

  test('with another rate or list gets a CoA', () => {
    expect(actionFor(walled, session(toldOf(active)))).toBe(
      'coa: change 20000000/20000000 list=prepaid-active to 128000/128000 list=prepaid-no-package',
    );
  });

  test('that was walled gets a CoA when the subscriber has paid', () => {
    expect(actionFor(active, session(toldOf(walled)))).toBe(
      'coa: change 128000/128000 list=prepaid-no-package to 20000000/20000000 list=prepaid-active',
    );
  });

  test('that was told more than fits into Class is kept, whether it was told by Class or by an acknowledged CoA', () => {
    const long: Decision = { ...active, attributes: [['Filter-Id', 'x'.repeat(200)]] };
    expect(actionFor(long, session(toldOf(long)))).toMatch(/^keep/);
    expect(actionFor(long, session(shortTold(toldOf(long))))).toMatch(/^keep/);
  });

  test('with another profile, pool or attribute must dial anew', () => {
    expect(actionFor({ ...active, profile: 'prepaid-20mbps' }, session(toldOf(active)))).toBe(
      'disconnect: only a new dial can change default to profile=prepaid-20mbps',
    );
    expect(actionFor({ ...active, pool: 'p' }, session(toldOf(active)))).toMatch(/^disconnect/);
    expect(actionFor({ ...active, attributes: [['Filter-Id', 'x']] }, session(toldOf(active)))).toMatch(/^disconnect/);
  });

  test('an attribute from which a NAS of its make reads the rate is changed by a CoA', () => {
    const shaped = (value: string): Decision => ({ ...active, attributes: [['Filter-Id', value]] });
    const one = { ...session(toldOf(shaped('20000/20000'), 'accel-ppp')) };
    const act = (vendor: NasVendor) => reconcile(shaped('5000/5000'), [one], BASE, vendor)[0]!.do;
    expect([act('accel-ppp'), act('mikrotik')]).toEqual(['coa', 'disconnect']);
    expect(reconcile(shaped('20000/20000'), [one], BASE, 'accel-ppp')[0]!.do).toBe('keep');
    expect(toldOf(shaped('5 5'), 'accel-ppp').live).toMatch(/ Filter-Id=5%205$/);
  });

  test('of a denied subscriber is disconnected, whatever it was told', () => {
    expect(actionFor(denied, session(toldOf(active)))).toBe('disconnect: the subscriber is denied');
    expect(actionFor(denied, session(null))).toBe('disconnect: the subscriber is denied');
  });

  test('of which we do not know what it was told is told', () => {
    expect(actionFor(active, session(null))).toMatch(/^coa: what it was told is not known/);
  });

  test('that is ending is left to end', () => {
    expect(actionFor(denied, session(null, BASE - 12_000))).toBe(
      'keep: is ending: the disconnect was acknowledged 12 s ago',
    );
  });

  test('is ended when staff asked for it, though it is as decided, and left alone once its NAS said yes', () => {
    const endAsked = { at: BASE - MINUTE, reason: 'the modem hangs' };
    const asked = { ...session(toldOf(active)), endAsked };
    expect(actionFor(active, asked)).toBe('disconnect: asked for by staff: the modem hangs');
    expect(actionFor(active, { ...asked, endingSince: BASE })).toMatch(/^keep/);
  });

  test('is not ended any more minutes after staff asked for it: a router that was away must not cut the line then', () => {
    const asked = (ago: number) => ({ ...session(toldOf(active)), endAsked: { at: BASE - ago, reason: 'x' } });
    expect(actionFor(active, asked(5 * MINUTE - 1))).toMatch(/^disconnect/);
    expect(actionFor(active, asked(5 * MINUTE))).toMatch(/^keep/);
  });

  test('is not disturbed for a timeout, which waits for the next dial', () => {
    expect(actionFor({ ...active, idleSeconds: 60, interimSeconds: 900 }, session(toldOf(active)))).toMatch(/^keep/);
  });
});

describe('reconciling after the actions are applied', () => {
  const told = fc.oneof(
    fc.constant(null),
    fc.constantFrom(active, walled).map(toldOf),
    fc.record({ live: fc.string(), fixed: fc.string({ maxLength: 200 }) }),
  );
  const sessions = fc.array(
    fc.record({
      sessionId: fc.nat(),
      nasId: fc.nat(3),
      told,
      endingSince: fc.constantFrom(null, null, BASE),
      endAsked: fc.constantFrom(null, null, { at: BASE, reason: 'x' }),
    }),
    { maxLength: 4 },
  );

  test('finds nothing more to do', () => {
    fc.assert(
      fc.property(facts(), policy(), instant, sessions, (f, p, at, observed) => {
        const decision = decide(f, p, at);
        const actions = reconcile(decision, observed, at);
        expect(actions.map((action) => action.sessionId)).toEqual(observed.map((one) => one.sessionId));
        const applied = observed.flatMap((one, index): ObservedSession[] => {
          const act = actions[index]!.do;
          if (act === 'keep') return [one];
          if (act === 'coa')
            return [
              { ...one, told: { live: toldOf(decision).live, fixed: one.told?.fixed ?? toldOf(decision).fixed } },
            ];
          // Disconnected: it dials again and is told all of it in Class, or is refused.
          return decision.access === 'denied' ? [] : [{ ...one, told: shortTold(toldOf(decision)), endAsked: null }];
        });
        for (const action of reconcile(decision, applied, at)) expect(action.do).toBe('keep');
      }),
      { numRuns: 1000 },
    );
  });
});

describe('what a NAS was told', () => {
  const text = fc.oneof(
    fc.constantFrom('-', ' ', '%', 'a b', 'a=b', 'é', '|', '#x', 'pool=-'),
    fc.string({ maxLength: 12 }),
  );
  const bps = fc.constantFrom(1000, 128_000, 20_000_000);
  const burst = fc.record({
    downloadBps: bps,
    uploadBps: bps,
    thresholdDownloadBps: bps,
    thresholdUploadBps: bps,
    seconds: fc.nat(9),
  });
  const decision = fc
    .record({
      rate: fc.record({ downloadBps: bps, uploadBps: bps, burst: fc.option(burst) }),
      addressList: text,
      profile: fc.option(text),
      pool: fc.option(text),
      attributes: fc.array(fc.tuple(text, text), { maxLength: 2 }),
    })
    .map((terms): Decision => ({ ...active, ...terms }));

  const part = fc.constantFrom('rate', 'addressList', 'profile', 'pool', 'attributes');

  test('is equal exactly when the NAS would be told the same', () => {
    const telling = ({ rate, addressList, profile, pool, attributes }: Decision) =>
      JSON.stringify([
        Object.entries(rate!.burst ?? {}),
        rate!.downloadBps,
        rate!.uploadBps,
        addressList,
        profile,
        pool,
        attributes,
      ]);
    fc.assert(
      fc.property(decision, decision, part, (one, another, changed) => {
        const other = { ...one, [changed]: another[changed] };
        expect(toldOf(structuredClone(one))).toEqual(toldOf(one));
        const equal = JSON.stringify(toldOf(one)) === JSON.stringify(toldOf(other));
        expect(equal).toBe(telling(one) === telling(other));
      }),
      { numRuns: 2000 },
    );
  });

  test('differs for every part that differs', () => {
    fc.assert(
      fc.property(decision, text, text, (one, a, b) => {
        fc.pre(a !== b);
        for (const part of ['addressList', 'profile', 'pool'] as const)
          expect(toldOf({ ...one, [part]: a })).not.toEqual(toldOf({ ...one, [part]: b }));
        expect(toldOf({ ...one, attributes: [[a, b]] })).not.toEqual(toldOf({ ...one, attributes: [[b, a]] }));
      }),
    );
  });

  test('reads well', () => {
    const rate = { downloadBps: 20e6, uploadBps: 10e6, burst: plan().rate.burst };
    const fast = { downloadBps: 4e7, uploadBps: 3e7, thresholdDownloadBps: 15e6, thresholdUploadBps: 14e6, seconds: 8 };
    expect(toldOf({ ...active, rate })).toEqual({
      live: '20000000/10000000 list=prepaid-active',
      fixed: 'default',
    });
    expect(
      toldOf({ ...active, rate: { ...rate, burst: fast }, pool: 'a b', attributes: [['Filter-Id', 'x y']] }),
    ).toEqual({
      live: '20000000/10000000 list=prepaid-active burst=40000000/30000000 over=15000000/14000000 for=8',
      fixed: 'pool=a%20b Filter-Id=x%20y',
    });
    expect(toldOf({ ...active, profile: '-' }).fixed).toBe('profile=%2D');
    expect(toldOf(denied)).toEqual({ live: 'denied', fixed: 'denied' });
  });

  test('fits into Class: a long line becomes its hash, once, and another line another hash', () => {
    const long = (name: string) => toldOf({ ...active, attributes: [['Filter-Id', name.repeat(99)]] });
    const short = shortTold(long('ab'));
    expect(short.fixed).toMatch(/^#[0-9a-f]{16}$/);
    expect(short.live).toBe(toldOf(active).live);
    expect(shortTold(short)).toEqual(short);
    expect(shortTold(long('ba')).fixed).not.toBe(short.fixed);
    fc.assert(
      fc.property(decision, (one) => {
        const { live, fixed } = shortTold(toldOf(one));
        for (const line of [live, fixed]) {
          expect(line).toMatch(/^[!-~ ]*$/);
          expect(line).not.toContain('|');
          expect(line.length).toBeLessThanOrEqual(LONGEST_TOLD_LINE);
        }
      }),
    );
  });

  test('hashes of many long lines do not meet', () => {
    const hashes = new Set<string>();
    for (let n = 0; n < 20_000; n++) hashes.add(shortTold({ live: `${'x'.repeat(120)}${n}`, fixed: '' }).live);
    expect(hashes.size).toBe(20_000);
  });
});

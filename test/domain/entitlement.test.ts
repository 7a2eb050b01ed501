import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { charge, entitlement } from '#domain/entitlement';
import { DAY, HOUR, NEVER } from '#domain/time';
import { BASE, grants, instant, plan } from '#test/domain/generate';

const grant = (id: number, days: number, usedBytes: number, over = {}) => ({
  id,
  plan: plan(over),
  from: BASE,
  until: BASE + days * DAY,
  usedBytes,
  metered: null,
});
const charged = (all: Parameters<typeof charge>[0], bytes: number) =>
  Object.fromEntries(charge(all, BASE + HOUR, bytes));

describe('usage is charged to', () => {
  test('the grant that ends first, then the next', () => {
    const all = [grant(1, 30, 0), grant(2, 7, 900)];
    expect(charged(all, 100)).toEqual({ 2: 100 });
    expect(charged(all, 101)).toEqual({ 2: 100, 1: 1 });
  });

  test('the grant that ends last once every allowance is spent, beyond its allowance', () => {
    expect(charged([grant(1, 30, 1000), grant(2, 7, 900)], 150)).toEqual({ 2: 100, 1: 50 });
    expect(charged([grant(1, 30, 990), grant(2, 7, 1000)], 150)).toEqual({ 1: 150 });
  });

  test('an unlimited grant before a limited one of the same speed: a day pass does not drain the month', () => {
    const unlimited = { allowanceBytes: null };
    expect(charged([grant(1, 30, 0, unlimited), grant(2, 7, 990)], 25)).toEqual({ 1: 25 });
    expect(charged([grant(1, 30, 0, unlimited), grant(2, 60, 0, unlimited)], 25)).toEqual({ 1: 25 });
  });

  test('the fastest with something left, which is the one that serves', () => {
    const fast = { rate: { downloadBps: 50_000_000, uploadBps: 50_000_000, burst: null } };
    const upload = { rate: { downloadBps: 50_000_000, uploadBps: 60_000_000, burst: null } };
    const slowUnlimited = { allowanceBytes: null };
    expect(charged([grant(1, 7, 0, slowUnlimited), grant(2, 30, 990, fast)], 25)).toEqual({ 2: 10, 1: 15 });
    expect(charged([grant(1, 7, 0, fast), grant(2, 30, 990, upload)], 25)).toEqual({ 2: 10, 1: 15 });
  });

  test('the lower id of two that end together, the higher once both are spent', () => {
    const both = [grant(2, 7, 990), grant(1, 7, 990)];
    expect(charged(both, 5)).toEqual({ 1: 5 });
    expect(charged(both, 30)).toEqual({ 1: 10, 2: 20 });
  });

  test('nobody when no grant is in force, and nobody for nothing', () => {
    expect(charge([grant(1, 30, 0)], BASE - 1, 100)).toEqual(new Map());
    expect(charge([grant(1, 30, 0)], BASE + 30 * DAY, 100)).toEqual(new Map());
    expect(charge([grant(1, 30, 0)], BASE, 0)).toEqual(new Map());
  });

  test('of equal ends the lower id, to the last byte, whatever the order', () => {
    fc.assert(
      fc.property(
        grants().chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        instant,
        fc.integer({ min: 0, max: 4000 }),
        ([all, shuffled], at, bytes) => {
          const result = charge(all, at, bytes);
          const inForce = entitlement({ grants: all }, at).inForce.map(({ id }) => id);
          const sum = [...result.values()].reduce((a, b) => a + b, 0);
          expect(sum).toBe(inForce.length > 0 ? bytes : 0);
          for (const [id, share] of result) {
            expect(share).toBeGreaterThan(0);
            expect(inForce).toContain(id);
          }
          expect([...charge(shuffled, at, bytes)]).toEqual([...result]);
        },
      ),
    );
  });

  test('the same grants whether the bytes come at once or in parts', () => {
    fc.assert(
      fc.property(grants(), instant, fc.array(fc.nat(800), { maxLength: 4 }), (all, at, parts) => {
        let running = all;
        for (const part of parts) {
          const result = charge(running, at, part);
          running = running.map((g) => ({ ...g, usedBytes: g.usedBytes + (result.get(g.id) ?? 0) }));
        }
        const once = charge(
          all,
          at,
          parts.reduce((a, b) => a + b, 0),
        );
        expect(
          running
            .map((g, i) => [g.id, g.usedBytes - all[i]!.usedBytes])
            .filter(([, bytes]) => bytes! > 0)
            .sort(),
        ).toEqual([...once].sort());
      }),
    );
  });
});

describe('the entitlement', () => {
  const at = BASE + HOUR;

  test('pools the allowances in force; what one grant used too much takes nothing from the next', () => {
    const all = [grant(1, 7, 1300), grant(2, 30, 400)];
    expect(entitlement({ grants: all }, at)).toMatchObject({ allowanceBytes: 2000, usedBytes: 1700, leftBytes: 600 });
  });

  test('is unlimited while one grant in force is', () => {
    const all = [grant(1, 7, 1000), grant(2, 30, 5, { allowanceBytes: null })];
    expect(entitlement({ grants: all }, at)).toMatchObject({ allowanceBytes: null, leftBytes: null });
  });

  test('of nobody is nothing', () => {
    const nothing = { inForce: [], plan: null, until: null, allowanceBytes: 0, usedBytes: 0, leftBytes: 0 };
    expect(entitlement({ grants: [grant(1, 7, 3)] }, BASE + 7 * DAY)).toEqual(nothing);
  });

  test('serves the faster plan at once when one is bought, and the slower again when that one is spent', () => {
    const slow = grant(1, 30, 0, { name: 'slow' });
    const fast = grant(2, 5, 0, { name: 'fast', rate: { downloadBps: 50e6, uploadBps: 50e6, burst: null } });
    expect(entitlement({ grants: [slow, fast] }, at).plan?.name).toBe('fast');
    expect(entitlement({ grants: [slow, { ...fast, usedBytes: 1000 }] }, at).plan?.name).toBe('slow');
    expect(
      entitlement(
        {
          grants: [
            { ...slow, usedBytes: 1000 },
            { ...fast, usedBytes: 1000 },
          ],
        },
        at,
      ).plan?.name,
    ).toBe('fast');
  });

  test('says until when cover goes on, across renewals without a gap', () => {
    const next = { ...grant(2, 0, 0), from: BASE + 7 * DAY, until: NEVER };
    expect(entitlement({ grants: [next, grant(1, 7, 0)] }, at).until).toBe(NEVER);
    expect(entitlement({ grants: [{ ...next, from: next.from + 1 }, grant(1, 7, 0)] }, at).until).toBe(BASE + 7 * DAY);
  });

  test('does not depend on the order of the grants', () => {
    const both = grants().chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
    );
    fc.assert(
      fc.property(both, instant, ([all, shuffled], when) => {
        expect(entitlement({ grants: shuffled }, when)).toEqual(entitlement({ grants: all }, when));
      }),
    );
  });
});

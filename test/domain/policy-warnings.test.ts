import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holds, lookAt } from '#domain/condition';
import { decide } from '#domain/decide';
import { type Condition, defaultPolicy } from '#domain/policy';
import { cannotHold, policyWarnings } from '#domain/policy-warnings';
import { condition, facts, instant, metered, policy } from '#test/domain/generate';
import { check, rule, underlined } from '#test/domain/policy-documents';

/** The rule that decided, by its name. */
const deciding = (because: ReturnType<typeof decide>['because']) => because.find(({ is }) => is === 'rule');
const NEVER_SAID = /^this (is never reached|never holds)/;

describe('a warning', () => {
  test('that a rule is never reached is true of every subscriber at every instant', () => {
    let warned = 0;
    fc.assert(
      fc.property(policy(), facts(), instant, (policy, before, at) => {
        const unreached = policyWarnings(policy).filter(({ what }) => NEVER_SAID.test(what));
        warned += unreached.length;
        const by = deciding(decide(metered(before, policy.zone, at), policy, at).because);
        expect(unreached.map(({ rule }) => policy.rules[rule!])).not.toContainEqual(
          expect.objectContaining({ name: by?.is === 'rule' ? by.name : 'the fallback' }),
        );
      }),
      { numRuns: 2000 },
    );
    expect(warned).toBeGreaterThan(500);
  });

  test('is never given of conditions that somebody fulfils at once', () => {
    const some = fc.array(condition(true), { minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(some, facts(), instant, policy(), (conditions, before, at, { zone }) => {
        const now = metered(before, zone, at);
        const fulfilled = conditions.map(
          (one): Condition => (holds(one, lookAt(now, zone, at)) ? one : { is: 'not', of: one }),
        );
        expect(cannotHold(fulfilled)).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  test('is given for every pair of conditions of which one repeats the other', () => {
    // A rule of more parts may be too much to search through: then nothing is said.
    const parts = (one: Condition) => JSON.stringify(one).match(/"is"/g)!.length;
    const short = condition(true).filter((one) => parts(one) <= 6);
    fc.assert(
      fc.property(short, short, (one, other) => {
        expect(cannotHold([one, { is: 'not', of: one }])).toBe(true);
        expect(
          cannotHold([
            { is: 'all', of: [one, other] },
            { is: 'not', of: one },
          ]),
        ).toBe(true);
        expect(cannotHold([one, { is: 'not', of: { is: 'any', of: [other, one] } }])).toBe(true);
      }),
    );
  });

  const covered: Condition = { is: 'covered' };
  const not = (of: Condition): Condition => ({ is: 'not', of });
  const window = (from: string, to: string): Condition => ({ is: 'window', from, to });
  const used = (bytes: number, per: (Condition & { is: 'fair-use' })['per'] = null): Condition => ({
    is: 'fair-use',
    bytes,
    per,
  });
  const pay = (minutes: number, timesADay: number): Condition => ({ is: 'paying', minutes, timesADay });
  const day = { every: 'day', from: 'calendar' } as const;

  test.each<[string, Condition[], boolean]>([
    ['cover and its end', [covered, { is: 'had-cover' }], true],
    ['cover and grace', [covered, { is: 'grace', days: 3 }], true],
    ['an allowance without cover', [{ is: 'allowance-left' }, not(covered)], true],
    ['use without cover', [used(1), not(covered)], true],
    [
      'a long grace and a short one',
      [
        { is: 'grace', days: 3 },
        { is: 'grace', days: 7 },
      ],
      false,
    ],
    ['a short grace but not the long one', [{ is: 'grace', days: 3 }, not({ is: 'grace', days: 7 })], true],
    ['the second step but not the first', [used(20), not(used(10))], true],
    ['the first step but not the second', [used(10), not(used(20))], false],
    ['a day of much and a month of little', [used(10, day), not(used(10))], true],
    ['much in a month and little today', [used(10), not(used(10, day))], false],
    ['long overdue but not short', [{ is: 'overdue', days: 7 }, not({ is: 'overdue', days: 3 })], true],
    [
      'two routers',
      [
        { is: 'nas', name: 'a' },
        { is: 'nas', name: 'b' },
      ],
      true,
    ],
    [
      'two tags',
      [
        { is: 'tag', tag: 'a' },
        { is: 'tag', tag: 'b' },
      ],
      false,
    ],
    [
      'two makes',
      [
        { is: 'nas-vendor', vendor: 'mikrotik' },
        { is: 'nas-vendor', vendor: 'generic' },
      ],
      true,
    ],
    [
      'two packages',
      [
        { is: 'plan', name: 'a' },
        { is: 'plan', name: 'b' },
      ],
      true,
    ],
    [
      'neither way of billing',
      [not({ is: 'billing', billing: 'prepaid' }), not({ is: 'billing', billing: 'postpaid' })],
      true,
    ],
    ['a short payment window but not the long one', [pay(15, 3), not(pay(30, 3))], true],
    ['a long payment window but not the short one', [pay(30, 3), not(pay(15, 3))], false],
    ['two payment windows a day but not one', [pay(15, 2), not(pay(15, 1))], false],
    ['morning and evening', [window('06:00', '12:00'), window('12:00', '18:00')], true],
    ['windows that meet', [window('06:00', '12:01'), window('12:00', '18:00')], false],
    ['no time of the day', [not(window('22:00', '08:00')), not(window('08:00', '22:00'))], true],
    ['night within night', [window('23:00', '05:00'), not(window('22:00', '06:00'))], true],
    [
      'Saturday night and Sunday noon',
      [
        { is: 'window', from: '22:00', to: '06:00', days: ['sat'] },
        { is: 'window', from: '12:00', to: '13:00', days: ['sun'] },
      ],
      true,
    ],
    [
      'Saturday night and Sunday morning',
      [
        { is: 'window', from: '22:00', to: '06:00', days: ['sat'] },
        { is: 'window', from: '05:00', to: '13:00', days: ['sun'] },
      ],
      false,
    ],
  ])('knows of %s whether they can be at once', (_what, conditions, never) => {
    expect(cannotHold(conditions)).toBe(never);
    expect(cannotHold(conditions.toReversed())).toBe(never);
  });

  test('stands at the rule, and names the one that shadows it', () => {
    const text = `rules:
  - {name: unpaid, when: {all: [{billing: postpaid}, {overdue: 3 days}]}, give: denied}
  - {name: long unpaid, when: {all: [{overdue: 7 days}, {billing: postpaid}]}, give: denied}
  - {name: both, when: {all: [covered, had cover]}, give: denied}
  - {name: pays, when: {paying: {minutes: 15, times a day: 3}}, give: denied}
  - {name: covered, when: covered, give: {access: full, rate: plan, list: l, interim: 1m}}
  - {name: not covered, when: {not: covered}, give: denied}
  - {name: rest, when: {tag: vip}, give: {access: full, rate: plan, list: l, attributes: {Filter-Id: "{{username}}"}}}
`;
    expect(underlined(text, check(text).warnings)).toEqual([
      'long unpaid: this is never reached: whenever it holds, rule "unpaid" decides first → put it above rule "unpaid", or remove it',
      'both: this never holds: its conditions contradict each other',
      'covered: interim accounting every 60 s is a heavy load on routers → write 5 minutes or more, unless an allowance must end to the minute',
      'rest: this is never reached: the rules above decide first, whatever the case → put it further up, or remove it',
      '"{{username}}": {{ is a brace, so this is sent as {username}} → write {username}',
    ]);
  });

  test('is given where nobody asks who owes and who pays, and not for the default policy', () => {
    const text = rule('always');
    expect(underlined(text, check(text).warnings)).toEqual([
      'rules: no rule asks what is overdue: who does not pay an invoice keeps the line → add a rule with {overdue: 3 days}',
      "rules: no rule asks for an open payment window: who is walled cannot reach a bank's app → add a rule with {paying: {minutes: 15, times a day: 3}}",
    ]);
    expect(policyWarnings(defaultPolicy())).toEqual([]);
  });
});

import { describe, expect, test } from 'vitest';
import { isPublishable } from '#domain/policy-document';
import { check, underlined } from '#test/domain/policy-documents';

const POLICY = `rules:
  - {name: suspended, when: suspended, give: denied}
  - {name: owes, when: {all: [{billing: postpaid}, {overdue: 3 days}]}, give: {access: walled, rate: 128k, list: owing}}
  - {name: paying, when: {paying: {minutes: 15, times a day: 3}}, give: {access: reduced, rate: 1M, list: paying}}
  - name: night boost
    when: {all: [covered, allowance left, {window: {from: "00:00", to: "06:00", days: [sat, sun]}}]}
    give: {access: full, rate: plan x 2, list: active, profile: plan}
  - name: too much today
    when: {used: 5GB, per: day}
    give: {access: reduced, rate: 25% of plan, list: active}
  - name: fair use
    when: {used: 100GB, per: month from renewal}
    give: {access: reduced, rate: 50% of plan, list: active, pool: slow, idle: 10m, interim: 10m, attributes: {Filter-Id: "{username}"}}
  - {name: tower, when: {all: [{nas: tower-north}, {nas tag: hotspot}, {nas vendor: accel-ppp}, {tag: vip}]}, give: {access: full, rate: 1G, list: vip}}
  - {name: home, when: {plan: Home}, give: {access: full, rate: plan, list: active}}
  - {name: active, when: {all: [covered, allowance left]}, give: {access: full, rate: plan, list: active}}
`;

const withCase = (rest: string) => `${POLICY}cases:\n  - name: c\n    ${rest.trim().replaceAll('\n', '\n    ')}\n`;
const run = (rest: string) => {
  const checked = check(withCase(rest));
  expect(checked.faults).toEqual([]);
  return checked.cases[0]!;
};
const SATURDAY_NIGHT = 'at: 2026-11-21 01:00';
const MONDAY = 'at: 2026-11-23 12:00';
const NOON = 'at: 2026-11-21 12:00';

describe('a case passes', () => {
  test.each<[string, string]>([
    [
      'with all that is expected',
      `given: {plan: 20M/10M, allowance: 200GB, used: 10GB, since: 2026-11-01 08:00, until: 2026-12-01 08:00}
${SATURDAY_NIGHT}
expect: {access: full, rate: 40M/20M, list: active, profile: none, pool: none, because: rule "night boost", rule: night boost, until: 2026-11-21 06:00}`,
    ],
    [
      'with the profile of a plan',
      `given: {plan: {rate: 20M, profile: home-20}}\n${SATURDAY_NIGHT}\nexpect: {profile: home-20}`,
    ],
    [
      'for who has nothing',
      `given: {}\n${NOON}\nexpect: {access: walled, rate: 128k, rule: none, because: has no package}`,
    ],
    [
      'for who was covered once',
      `given: {plan: {rate: 20M, name: Home}, until: 2026-11-20}\n${NOON}\nexpect: {rate: 20M, rule: home, because: [expired, 'rule "home"']}`,
    ],
    [
      'for who spent all',
      `given: {plan: 20M, allowance: 10GB, used: 10GB}\n${NOON}\nexpect: {rule: none, because: allowance of 10 GB is spent}`,
    ],
    [
      'for who is suspended',
      `given: {plan: 20M, suspended: 2026-11-01}\n${NOON}\nexpect: {access: denied, list: none}`,
    ],
    [
      'for who owes',
      `given: {plan: 20M, billing: postpaid, owes since: 2026-11-18 12:00}\n${NOON}\nexpect: {list: owing}`,
    ],
    [
      'for who owes not long enough',
      `given: {plan: 20M, billing: postpaid, owes since: 2026-11-18 12:01}\n${NOON}\nexpect: {list: active, until: 2026-11-21 12:01}`,
    ],
    [
      'in a payment window',
      `given: {opened: [2026-11-21 11:50]}\n${NOON}\nexpect: {list: paying, until: 2026-11-21 12:05}`,
    ],
    ['after a payment window', `given: {opened: [2026-11-21 11:45]}\n${NOON}\nexpect: {rule: none, until: never}`],
    [
      'with fair use, whose package lies in the month',
      `given: {username: siti, plan: 20M/10M, used: 100GB, since: 2026-10-25 09:00}
${MONDAY}
expect: {rate: 10M/5M, pool: slow, idle: 600, interim: 10 minutes, attributes: {Filter-Id: siti}, until: 2026-11-25 09:00}`,
    ],
    [
      'with use of an earlier month',
      `given: {plan: 20M, used: 150GB, since: 2026-10-01, used per: {month from renewal: 99GB}}\n${NOON}\nexpect: {rate: 20M}`,
    ],
    [
      'with use of today',
      `given: {plan: 20M, used: 150GB, since: 2026-10-01, used per: {day: 5GB}}\n${NOON}\nexpect: {rate: 5M, until: 2026-11-22 00:00}`,
    ],
    [
      'with what a shorter period says of a longer one',
      `given: {plan: 20M, used: 300GB, since: 2026-01-01 08:00, used per: {week from renewal: 120GB}}\n${NOON}\nexpect: {rule: fair use}`,
    ],
    [
      'with several packages',
      `given: {plan: 20M, allowance: 1GB, used: 1GB, packages: [{plan: 50M, until: 2026-11-22}]}\n${NOON}\nexpect: {rate: 50M, because: covered by "plan"}`,
    ],
    [
      'at a router with its tags and make',
      `given: {plan: 20M, tags: [vip], nas: {name: tower-north, tags: [hotspot], vendor: accel-ppp}}\n${NOON}\nexpect: {rate: 1G}`,
    ],
    ['at a router by name', `given: {plan: 20M, tags: [vip], nas: tower-north}\n${NOON}\nexpect: {rate: 20M}`],
    ['at an instant with its offset', `given: {plan: 20M}\nat: 2026-11-20T18:00Z\nexpect: {rule: night boost}`],
  ])('%s', (_what, rest) => {
    expect(run(rest)).toEqual({ name: 'c', line: 18, passed: true, differences: [] });
  });
});

test('a case that does not pass says how it differs, and its document cannot be published', () => {
  const rest = `given: {plan: 20M/10M, used: 110GB, since: 2026-11-01}
${NOON}
expect: {access: full, rate: 20M/10M, list: l, profile: p, pool: none, idle: 5m, interim: 5m, attributes: {Filter-Id: x, Class: y}, rule: active, because: allowance, until: never}`;
  expect(run(rest)).toEqual({
    name: 'c',
    line: 18,
    passed: false,
    differences: [
      'access: expected full, got reduced',
      'rate: expected 20M/10M, got 10M/5M',
      'list: expected l, got active',
      'profile: expected p, got none',
      'pool: expected none, got slow',
      'idle: expected 5 minutes, got 10 minutes',
      'interim: expected 5 minutes, got 10 minutes',
      'Filter-Id: expected x, got subscriber',
      'Class: expected y, got none',
      'rule: expected active, got fair use',
      'until: expected never, got 2026-11-22 00:00',
      expect.stringMatching(/^because: expected allowance, got used 110 GB .*; rule "fair use"$/),
    ],
  });
  const checked = check(withCase(rest));
  expect(checked.policy).not.toBeNull();
  expect(isPublishable(checked)).toBe(false);
  expect(isPublishable(check(POLICY))).toBe(true);
});

test('a case whose answer hangs on what it does not say is warned of', () => {
  const warned = (given: string) => {
    const text = withCase(`given: ${given}\n${NOON}\nexpect: {access: full}`);
    return underlined(text, check(text).warnings);
  };
  expect(warned('{plan: 20M, used: 6GB, since: 2026-11-20}')).toEqual([
    '6GB: how much of this is of the day from calendar is not said: it counts as none → write used per: {day from calendar: ...}',
  ]);
  expect(warned('{plan: 20M, used: 200GB, since: 2026-10-01, used per: {month from renewal: 2GB}}')).toHaveLength(1);
  // All of it today, said or not, would change nothing.
  expect(warned('{plan: 20M, used: 4GB, since: 2026-10-01}')).toEqual([]);
  expect(warned('{plan: 20M, used: 6GB, since: 2026-10-01, used per: {day: 1GB}}')).toEqual([]);
  expect(warned('{plan: 20M, used: 6GB, since: 2026-11-21 08:00}')).toEqual([]);
  expect(warned('{plan: 20M, used: 6GB, since: 2026-10-01, until: 2026-11-01}')).toEqual([]);
});

describe('a fault of a case', () => {
  test.each<[string, string[]]>([
    [
      'given: {}',
      [
        'name: "at" is missing → write for example 2026-11-21 01:00',
        'name: "expect" is missing → write for example {access: full, rate: 40M/20M}',
      ],
    ],
    [
      `given: {used: 10GB}\n${NOON}\nexpect: {access: walled}`,
      ['10GB: "used" is of a package, and there is none → write for example plan: 20M/10M'],
    ],
    [`given: {}\n${NOON}\nexpect: {}`, ['{}: nothing is expected → write for example {access: full}']],
    [
      `given: {plan: fast}\n${NOON}\nexpect: {access: open}`,
      [
        'fast: "fast" is no rate → write download/upload such as 20M/10M, with a burst 20M/10M burst 40M/20M below 15M/8M for 8s',
        'open: "open" is none of: full, reduced, walled, denied',
      ],
    ],
    [
      'given: {}\nat: 2026-02-30 10:00\nexpect: {access: full}',
      ['2026-02-30 10:00: "2026-02-30 10:00" is no date with a time → write for example 2026-11-21 01:00'],
    ],
    [
      `given: {}\n${NOON}\nexpect: {rule: night bost}`,
      ['night bost: there is no rule "night bost" → did you mean "night boost"?'],
    ],
    [`given: {}\n${NOON}\nexpect: {because: rule "nothing"}`, ['rule "nothing": there is no rule "nothing"']],
    [
      `given: {plan: 20M, since: 2026-12-01, until: 2026-11-01}\n${NOON}\nexpect: {access: full}`,
      ['2026-11-01: the package ends before it begins → write a later until'],
    ],
    [
      `given: {plan: 20M, used: 1GB, used per: {day: 2GB}}\n${NOON}\nexpect: {access: full}`,
      ['{day: 2GB}: more is used in a period than in all → write a larger used'],
    ],
    [
      `given: {plan: 20M, used per: {dya: 2GB, week: x}}\n${NOON}\nexpect: {access: full}`,
      ['2GB: "dya" is no period → did you mean day?', 'x: "x" is no amount of data → write for example 100GB or 1.5GB'],
    ],
    [
      `given: {paln: 20M}\n${NOON}\nexpect: {acces: full}`,
      ['paln: "paln" is no key here → did you mean plan?', 'acces: "acces" is no key here → did you mean access?'],
    ],
    [
      `given: {nas: {vendor: generic}}\n${NOON}\nexpect: {access: full}`,
      ['vendor: "name" is missing → write for example tower-north'],
    ],
  ])('%j', (rest, faults) => {
    expect(underlined(withCase(rest))).toEqual(faults);
  });

  test('too many of them for the rules there are', () => {
    const tags = Array.from({ length: 100 }, (_, at) => `{tag: t${at}}`).join(', ');
    const rules = Array.from(
      { length: 3 },
      (_, at) => `  - {name: r${at}, when: {all: [${tags}]}, give: denied}\n`,
    ).join('');
    const cases = Array.from(
      { length: 70 },
      (_, at) => `  - {name: c${at}, given: {}, at: 2026-11-21, expect: {access: full}}\n`,
    ).join('');
    expect(underlined(`rules:\n${rules}cases:\n${cases}`)).toEqual([
      'cases: 70 cases are too many for 303 conditions → keep 66',
    ]);
  });
});

test('the zone of the company is the one that cases and windows are meant in', () => {
  const text = withCase(`given: {plan: 20M}\n${SATURDAY_NIGHT}\nexpect: {rule: night boost, until: 2026-11-21 06:00}`);
  for (const zone of ['Asia/Jakarta', 'Asia/Jayapura', 'America/New_York'])
    expect(isPublishable(check(text, zone))).toBe(true);
});

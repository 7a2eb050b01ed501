import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultPolicy, parsePolicy } from '#domain/policy';
import { documentJsonSchema, isPublishable, printPolicy } from '#domain/policy-document';
import { check, line, rule, storable, underlined, ZONE } from '#test/domain/policy-documents';

describe('a policy document', () => {
  test('is the policy that it was printed from, whatever is in it', () => {
    fc.assert(
      fc.property(
        storable,
        fc.option(fc.integer({ min: 1, max: 2 ** 31 - 1 }), { nil: undefined }),
        (policy, revision) => {
          const text = printPolicy(policy, revision);
          const checked = check(text);
          expect(checked.faults.map(line), text).toEqual([]);
          expect(checked.policy, text).toEqual(policy);
          expect(checked.revision).toBe(revision ?? null);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('of the default policy reads as an engineer would write it', () => {
    const text = printPolicy(defaultPolicy(), 3);
    expect(text).toContain('revision: 3\n');
    expect(text).toContain('when: {all: [covered, allowance left]}\n');
    expect(text).toContain('give: {access: full, rate: plan, list: prepaid-active, profile: plan}\n');
    const checked = check(text);
    expect(checked).toMatchObject({ policy: defaultPolicy(ZONE), revision: 3, faults: [], warnings: [], cases: [] });
    expect(isPublishable(checked)).toBe(true);
  });

  test('keeps its meaning with the words that YAML itself would take for something else', () => {
    const { policy } = check(rule('{all: [{tag: no}, {tag: 1e3}, {nas: 007}, {plan: null}]}'));
    expect(policy?.rules[0]?.when).toEqual({
      is: 'all',
      of: [
        { is: 'tag', tag: 'no' },
        { is: 'tag', tag: '1e3' },
        { is: 'nas', name: '007' },
        { is: 'plan', name: 'null' },
      ],
    });
  });

  test('may use an outcome again by its anchor', () => {
    const text = `rules:
  - {name: a, when: {overdue: 3 days}, give: &walled {access: walled, rate: 128k, list: wall}}
  - {name: b, when: always, give: *walled}
`;
    const [a, b] = check(text).policy!.rules;
    expect(b!.give).toEqual(a!.give);
  });

  test('says rates, shares, spans and amounts in each way that people write them', () => {
    const give = (rest: string) => check(rule('always', `{access: full, list: l, ${rest}}`)).policy!.rules[0]!.give;
    expect(give('rate: 50%')).toMatchObject({ rate: { is: 'share', share: 0.5 } });
    expect(give('rate: plan x 1.5')).toMatchObject({ rate: { is: 'share', share: 1.5 } });
    const burst = { downloadBps: 4e7, uploadBps: 2e7, thresholdDownloadBps: 15e6, thresholdUploadBps: 8e6, seconds: 8 };
    expect(give('rate: 20M/10M burst 40M/20M below 15M/8M for 8s')).toMatchObject({
      rate: { is: 'fixed', downloadBps: 2e7, uploadBps: 1e7, burst },
    });
    expect(give('rate: plan, idle: 600, interim: 10m')).toMatchObject({ idleSeconds: 600, interimSeconds: 600 });
    const used = (when: string) => check(rule(when)).policy!.rules[0]!.when;
    expect(used('{used: 1.5GB}')).toEqual({ is: 'fair-use', bytes: 1536 * 2 ** 20, per: null });
    expect(used('{used: 80% of allowance, per: week}')).toEqual({
      is: 'fair-use-share',
      share: 0.8,
      per: { every: 'week', from: 'calendar' },
    });
    expect(used('{overdue: 0}')).toEqual({ is: 'overdue', days: 0 });
  });

  test('gives an attribute several times, and to one make of router alone', () => {
    const give =
      '{access: full, rate: plan, list: l, attributes: {Framed-Route: [a, b]}, for: {accel-ppp: {Filter-Id: "{list}"}}}';
    const attributes = [
      { name: 'Framed-Route', value: 'a', vendor: null },
      { name: 'Framed-Route', value: 'b', vendor: null },
      { name: 'Filter-Id', value: '{list}', vendor: 'accel-ppp' },
    ];
    expect(check(rule('always', give)).policy!.rules[0]!.give).toMatchObject({ attributes });
  });

  test('that is taken is always one that can be stored and read again', () => {
    fc.assert(
      fc.property(storable, (policy) => {
        const read = check(printPolicy(policy)).policy!;
        expect(parsePolicy(JSON.parse(JSON.stringify(read)), ZONE)).toEqual(read);
      }),
    );
  });
});

const accepted = (more: string) => rule('always', `{access: full, rate: plan, list: l, ${more}}`);

describe('a fault of a policy document says where it is and what to write', () => {
  test.each([
    // How it is written
    ['', [': nothing is given here → write for example {rules: [{name: suspended, when: suspended, give: denied}]}']],
    [
      'rules',
      [
        'rules: keys with values are needed here → write for example {rules: [{name: suspended, when: suspended, give: denied}]}',
      ],
    ],
    ['rules: []', ['[]: the list is empty → write for example [{name: suspended, when: suspended, give: denied}]']],
    ['cases: []', ['cases: "rules" is missing → write for example [{name: suspended, when: suspended, give: denied}]']],
    [
      `zone: Asia/Jakarta\n${rule('always')}`,
      ['zone: "zone" is no key here → the keys here are: revision, rules, cases'],
    ],
    [`rulse: []\n${rule('always')}`, ['rulse: "rulse" is no key here → did you mean rules?']],
    [`${rule('always')}rules: []`, ['rules: "rules" is here twice → remove one of them']],
    [`${rule('always')}\tcases: []`, ['	: a tab indents this line → indent with spaces']],
    ['rules: *all', ['*all: there is no "&all" above → a text that begins with * needs quotes']],
    ['rules: &all [*all]', ['*all: "*all" stands in what it stands for → write it out']],
    [`<<: {}\n${rule('always')}`, ['<<: "<<" is no key here → write out what it stands for']],
    [`__proto__: {}\n${rule('always')}`, ['__proto__: "__proto__" is no key here → write out what it stands for']],
    [`%YAML 1.1\n---\n${rule('always')}`, ['%YAML: a directive has no place here → remove the line with %']],
    [`${rule('always')}---\n${rule('always')}`, ['---: a second document begins here → remove the line with ---']],
    [
      `revision: !!int 7\n${rule('always')}`,
      ['!!int: a tag (!) has no place here → put a text that begins with ! in quotes'],
    ],
    [`revision: 7.5\n${rule('always')}`, ['7.5: "7.5" is no whole number from 1 to 2147483647 → write for example 7']],
    [rule('@x'), ['@: a text cannot begin like this → put the text in quotes']],
    [
      rule('"covered'),
      [
        ': a quote is not closed, or a : or - is missing → close the quote, write "key: value" and begin each item of a list with "- "',
      ],
    ],
    [
      rule('tag: vip'),
      [
        't: a second ": " on this line, or a line that is indented too far → put a text that holds ": " in quotes, and begin the keys of one map in the same column',
      ],
    ],
    ['a\u0000b', ['\u0000: a control character → remove it']],
    ['a\ud800b', ['\ud800: a control character → remove it']],
    // Rules
    [
      'rules:\n  - name: r',
      ['name: "when" is missing → write for example covered', 'name: "give" is missing → write for example denied'],
    ],
    [
      'rules:\n  - {name: , when: always, give: denied}',
      ['name: nothing is given here → write for example night boost'],
    ],
    [
      'rules:\n  - {name: a, when: covered, give: denied}\n  - {name: a, when: always, give: denied}',
      ['a: "a" is the name of another one above → give each a name of its own'],
    ],
    // Conditions
    [rule('coverd'), ['coverd: "coverd" is no condition → did you mean covered?']],
    [rule('not covered'), ['not covered: "not covered" is no condition → write {not: covered}']],
    [rule('tag'), ['tag: "tag" needs a value → write {tag: ...}']],
    [
      rule('[covered]'),
      ['[covered]: a list is no condition → write {all: [...]} if each must hold, {any: [...]} if one is enough'],
    ],
    [rule('{coverd: true}'), ['coverd: "coverd" is no condition → did you mean covered?']],
    [rule('{covered: true}'), ['covered: "covered" is a condition by itself → write covered alone']],
    [rule('{tag: a, nas: b}'), ['nas: "tag" and "nas" are two conditions → write {all: [{tag: ...}, {nas: ...}]}']],
    [
      rule('{all: [covered, {any: [{not: {grace: 91}}]}]}'),
      ['91: "91" is no whole number from 1 to 90 → write for example 3 days'],
    ],
    [rule('{used: 100GB, pre: day}'), ['pre: "pre" is no key here → did you mean per?']],
    [rule('{used: lots}'), ['lots: "lots" is no amount of data → write for example 100GB, or 80% of the allowance']],
    [rule('{used: 120%}'), ['120%: "120%" is no amount of data → write for example 100GB, or 80% of the allowance']],
    [
      rule('{used: 1GB, per: month from renewel}'),
      ['month from renewel: "month from renewel" is no period → did you mean month from renewal?'],
    ],
    [rule('{window: {from: 6:00, to: "09:00"}}'), ['6:00: "6:00" is no time of day → write 06:00']],
    [
      rule('{window: {from: "06:00", to: "06:00"}}'),
      ['"06:00": the window ends when it begins → write 00:00 to 24:00 for a whole day'],
    ],
    [
      rule('{window: {from: "06:00", to: "00:00"}}'),
      ['"00:00": a window cannot end at 00:00 → write 24:00 for midnight'],
    ],
    [
      rule('{window: {from: "00:00", to: "24:00"}}'),
      ['{from: "00:00", to: "24:00"}: all hours of all days are no window → write always, or leave the condition out'],
    ],
    [
      rule('{window: {from: "00:00", to: "24:00", days: [saturday]}}'),
      ['saturday: "saturday" is none of: sun, mon, tue, wed, thu, fri, sat → did you mean sat?'],
    ],
    [
      rule('{nas vendor: mikrotic}'),
      ['mikrotic: "mikrotic" is none of: mikrotik, generic, accel-ppp → did you mean mikrotik?'],
    ],
    [rule('{paying: {minutes: 15}}'), ['minutes: "times a day" is missing → write for example 3']],
    // Outcomes
    [
      rule('always', 'full'),
      ['full: "full" is no outcome → write {access: full, rate: plan, list: prepaid-active, profile: plan}, or denied'],
    ],
    [rule('always', 'deny'), ['deny: "deny" is no outcome → did you mean denied?']],
    [rule('always', '{access: denied}'), ['denied: who is denied gets nothing else → write give: denied']],
    [rule('always', '{access: full, rate: plan}'), ['access: "list" is missing → write for example prepaid-active']],
    [
      rule('always', '{access: full, list: l, rate: 20 megabit}'),
      [
        '20 megabit: "20 megabit" is no rate → write download/upload such as 20M/10M, with a burst 20M/10M burst 40M/20M below 15M/8M for 8s',
      ],
    ],
    [
      accepted('profile: two words'),
      ['two words: "two words" is no name for a router → use 1 to 63 letters, digits and signs, without spaces'],
    ],
    [accepted('interim: 10'), ['10: "10" is no span from 1 minute to 24 hours → write for example 5 minutes']],
    [
      accepted('attributes: {Filter-Id: {username}}'),
      ['{username}: braces without quotes are a map → write "{username}" in quotes'],
    ],
    [
      accepted('attributes: {Filter-Id: "x {usrname}"}'),
      ['{usrname}: there is no field {usrname} → did you mean {username}?'],
    ],
    [
      accepted('attributes: {Filter-Id: "{password}"}'),
      [
        '{password}: there is no field {password} → the fields are: {username} {plan} {profile} {nas} {list} {download-bps} {upload-bps} {download-kbps} {upload-kbps}',
      ],
    ],
    [
      accepted('attributes: {Filter-Id: "{username"}'),
      ['{username: a field is opened and not closed → close it with }, or write {{ for a brace'],
    ],
    [
      accepted('attributes: {Mikrotik-Rate-Limit: 1M}'),
      ['Mikrotik-Rate-Limit: Mikrotik-Rate-Limit is computed by the server → write rate: beside attributes'],
    ],
    [accepted('attributes: {class: x}'), ['class: class is computed by the server → leave it out']],
    [
      accepted('attributes: {Fliter-Id: x}'),
      ['Fliter-Id: the dictionary has no attribute Fliter-Id → did you mean Filter-Id?'],
    ],
    [accepted('attributes: {Framed-MTU: big}'), ['big: Framed-MTU cannot carry this value']],
    [
      accepted('for: {accel-ppp: {Framed-MTU: ["1400", "{username}"]}}'),
      ['"{username}": Framed-MTU cannot carry this value → a field may come to "x" here'],
    ],
    [
      accepted('for: {cisco: {Filter-Id: x}}'),
      ['cisco: "cisco" is no key here → the keys here are: mikrotik, generic, accel-ppp'],
    ],
    [
      accepted('attributes: Filter-Id'),
      ['Filter-Id: attributes are names with values → write for example {Reply-Message: "Welcome, {username}"}'],
    ],
  ])('%j', (text, faults) => {
    expect(underlined(text)).toEqual(faults);
    expect(isPublishable(check(text))).toBe(false);
  });

  test('all at once, in the order of the text', () => {
    const text = `revision: x\n${rule('{all: [coverd, {tga: x}]}', '{access: ful, rate: x, lst: y}')}`;
    expect(check(text).faults.map((fault) => line(fault).split(' ')[0])).toEqual([
      '1:11-12',
      '4:18-24',
      '4:27-30',
      '5:12-18',
      '5:20-23',
      '5:31-32',
      '5:34-37',
    ]);
  });
});

test('the JSON Schema of a document knows every condition and every key', () => {
  const schema = JSON.stringify(documentJsonSchema());
  for (const word of ['allowance left', 'nas vendor', 'times a day', 'prepaid-active', 'used per', 'because'])
    expect(schema).toContain(`"${word}"`);
  expect(schema).toContain('"$ref":"#/$defs/condition"');
  expect(schema).toContain('"examples":["month from renewal"]');
  expect(schema).toContain('{"const":"had cover","description":"No package is in force now, but one was."}');
});

import { expect, test } from 'vitest';
import { printReport } from '#test/bench/report';

test('a report shows each value with its ratio and whether its goal is reached', () => {
  const text = printReport([
    { name: 'PAP', value: 90_000, unit: '/s', goal: 75_000, ratioTo: 'FreeRADIUS' },
    { name: 'FreeRADIUS', value: 60_000, unit: '/s' },
    { name: 'p99', value: 7.25, unit: 'ms', goal: 5, higherIsBetter: false, ratioTo: 'nothing' },
  ]);
  expect(text.split('\n').map((line) => line.replace(/ {2,}/g, ' | '))).toEqual([
    'measured | value | ratio | goal',
    expect.stringMatching(/^-+ \| -+ \| -+ \| -+$/),
    'PAP | 90,000 /s | 1.50 × FreeRADIUS | ≥ 75,000 /s reached',
    'FreeRADIUS | 60,000 /s',
    'p99 | 7.25 ms | no row "nothing" | ≤ 5 ms MISSED',
  ]);
});

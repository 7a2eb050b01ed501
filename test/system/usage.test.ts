import { describe, expect, test } from 'vitest';
import { nasAdd } from '#policy-server/cli/nas';
import { planAdd } from '#policy-server/cli/plan';
import { subscriberAdd, suspendCommand } from '#policy-server/cli/subscriber';
import { card, table } from '#policy-server/cli/table';
import { findCommand, helpOf, readArguments, unknownCommand } from '#policy-server/cli/usage';

const COMMANDS = [nasAdd, planAdd, subscriberAdd, suspendCommand];
const faultsOf = (command: (typeof COMMANDS)[number], line: string) =>
  readArguments(command, line === '' ? [] : line.split(' ')).faults;

describe('reading a command line', () => {
  test('options and words in any order, with = or without', () => {
    const { given, faults } = readArguments(nasAdd, [
      '--name=tower',
      '--swap-octets',
      '--address',
      '10.0.0.1',
      '--json',
    ]);
    expect(faults).toEqual([]);
    expect(given.options).toEqual({ name: 'tower', 'swap-octets': true, address: '10.0.0.1', json: true });
  });

  test('a value may begin with a dash when it is joined by =', () => {
    expect(readArguments(subscriberAdd, ['--password=-']).given.options).toEqual({ password: '-' });
  });

  test('a command is two words before it is one', () => {
    expect(findCommand(COMMANDS, ['--json', 'nas', 'add', '--name', 'x'])).toEqual({
      command: nasAdd,
      rest: ['--json', '--name', 'x'],
    });
    expect(findCommand(COMMANDS, ['suspend', 'budi'])).toEqual({ command: suspendCommand, rest: ['budi'] });
    expect(findCommand(COMMANDS, ['nas', 'delete'])).toBeNull();
    expect(unknownCommand(COMMANDS, ['nas', 'delete'])).toBe('there is no command "nas delete"; there are: nas add');
  });

  test.each([
    [
      '--nmae x',
      [
        'unknown option --nmae; nas add takes --name, --address, --secret, --coa-port, --message-authenticator, --swap-octets, --vendor, --proxy, --coa-via, --tags, --json, --help',
        '"x" is one word too many for nas add',
      ],
    ],
    ['--name a --name b', ['--name is given twice; give it once']],
    ['--swap-octets=yes', ['--swap-octets takes no value']],
    ['--name', ['--name needs a value: what you call it, for example tower-north']],
    ['--name --json', ['--name needs a value: what you call it, for example tower-north']],
    ['extra', ['"extra" is one word too many for nas add']],
  ])('nas add %s', (line, faults) => {
    expect(faultsOf(nasAdd, line)).toEqual(faults);
  });

  test('a missing word is named', () => {
    expect(faultsOf(suspendCommand, '')).toEqual(['USERNAME is missing: the PPPoE user name']);
  });

  test('faults of values are seen without a database', () => {
    const { given } = readArguments(nasAdd, ['--name', 'tower', '--address', 'tower.example', '--secret', '-']);
    expect(nasAdd.check!(given, 'Asia/Jakarta')).toEqual([
      'address "tower.example" is not usable; give the IP address the router sends from, or a CIDR, for example 10.20.0.1 or 10.20.0.0/24',
    ]);
  });
});

describe('the help', () => {
  test('names every option with what it takes', () => {
    const help = helpOf(planAdd);
    for (const option of Object.keys(planAdd.options!)) expect(help).toContain(`--${option}`);
    expect(help.split('\n')[0]).toBe('Add a plan, or the next revision of the one of that name.');
  });
});

describe('tables', () => {
  test('columns are as wide as their widest cell, also with letters of several code units', () => {
    const rows = [
      { name: 'Budi', bytes: 5 },
      { name: 'Sari 👩‍👩‍👧', bytes: 12_345 },
    ];
    const columns = [
      { title: 'NAME', cell: (row: (typeof rows)[number]) => row.name },
      { title: 'BYTES', cell: (row: (typeof rows)[number]) => String(row.bytes), align: 'right' as const },
    ];
    expect(table(rows, columns, 'none')).toBe('NAME    BYTES\nBudi        5\nSari 👩‍👩‍👧  12345');
    expect(table([], columns, 'none')).toBe('none');
    expect(
      card([
        ['a', '1'],
        ['long', '2'],
      ]),
    ).toBe('a     1\nlong  2');
  });
});

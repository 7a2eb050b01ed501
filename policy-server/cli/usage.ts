import { parseArgs } from 'node:util';
import type { CommandForm, Given, Positional } from '#policy-server/cli/command';

/** Options that every command takes. */
const EVERYWHERE = { json: 'print JSON', help: 'say what the command does and takes' } as const;

/** The command that the words name (two words before one), and what is left of the arguments; null when none does. */
export function findCommand<Command extends CommandForm>(
  commands: readonly Command[],
  argv: readonly string[],
): { command: Command; rest: readonly string[] } | null {
  const words = argv.filter((word) => !word.startsWith('-'));
  for (const count of [2, 1]) {
    const name = words.slice(0, count).join(' ');
    const command = commands.find((one) => one.name === name);
    if (command !== undefined) return { command, rest: without(argv, words.slice(0, count)) };
  }
  return null;
}

function without(argv: readonly string[], words: readonly string[]): string[] {
  const rest = [...argv];
  for (const word of words) rest.splice(rest.indexOf(word), 1);
  return rest;
}

/** Reads a command's arguments; every wrong one is a line in `faults`. */
export function readArguments(command: CommandForm, rest: readonly string[]): { given: Given; faults: string[] } {
  const known = command.options ?? {};
  const options = Object.fromEntries(
    [...Object.keys(EVERYWHERE), ...Object.keys(known)].map((name) => [
      name,
      { type: known[name] === undefined || known[name].value === 'flag' ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  const { tokens } = parseArgs({ args: [...rest], options, strict: false, allowPositionals: true, tokens: true });
  const faults: string[] = [];
  const values: Record<string, string | true | string[]> = {};
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const option = options[token.name];
    if (option === undefined) faults.push(unknownOption(command, token.rawName));
    else if (Object.hasOwn(values, token.name) && !known[token.name]?.many)
      faults.push(`${token.rawName} is given twice; give it once`);
    else if (option.type === 'boolean' && token.value !== undefined) faults.push(`${token.rawName} takes no value`);
    else if (option.type === 'string' && lacksValue(token)) {
      faults.push(`${token.rawName} needs a value: ${known[token.name]!.help}`);
    } else if (known[token.name]?.many) values[token.name] = [...textsIn(values[token.name]), token.value!];
    else values[token.name] = token.value ?? true;
  }
  faults.push(...wrongWords(command, words));
  for (const [name, option] of Object.entries(known)) {
    const inTokens = tokens.some((token) => token.kind === 'option' && token.name === name);
    if (option.required && !inTokens) faults.push(`--${name} is missing: ${option.help}`);
  }
  return { given: { options: values, words }, faults };
}

const textsIn = (value: string | true | string[] | undefined): string[] => (Array.isArray(value) ? value : []);

/** `--name --json` forgot the name; a value that does begin with a dash is joined by `=`. A lone `-` is a value. */
function lacksValue({ value, inlineValue }: { value: string | undefined; inlineValue: boolean | undefined }): boolean {
  return value === undefined || (!inlineValue && value.length > 1 && value.startsWith('-'));
}

function unknownOption(command: CommandForm, rawName: string): string {
  const names = Object.keys(command.options ?? {}).map((name) => `--${name}`);
  const takes = [...names, '--json', '--help'].join(', ');
  return `unknown option ${rawName}; ${command.name} takes ${takes}`;
}

function wrongWords(command: CommandForm, words: readonly string[]): string[] {
  const wanted = command.positionals ?? [];
  const needed = wanted.filter((one) => !one.many && !one.optional);
  const missing = needed.slice(words.length).map((one) => `${one.name} is missing: ${one.help}`);
  if (wanted.some((one) => one.many)) return missing;
  const extra = words.slice(wanted.length).map((word) => `"${word}" is one word too many for ${command.name}`);
  return [...missing, ...extra];
}

/** The help of one command. */
export function helpOf(command: CommandForm): string {
  const options = Object.entries(command.options ?? {});
  const usage = [
    'gerbang',
    command.name,
    ...(command.positionals ?? []).map(positionalOf),
    ...options.map(([name, option]) => {
      const shown = option.value === 'flag' ? `--${name}` : `--${name} ${option.value}`;
      return option.required ? shown : `[${shown}]`;
    }),
  ].join(' ');
  const rows: [string, string][] = [
    ...(command.positionals ?? []).map((one): [string, string] => [one.name, one.help]),
    ...options.map(([name, option]): [string, string] => [
      option.value === 'flag' ? `--${name}` : `--${name} ${option.value}`,
      option.help,
    ]),
    ...Object.entries(EVERYWHERE).map(([name, help]): [string, string] => [`--${name}`, help]),
  ];
  const width = Math.max(...rows.map(([left]) => left.length));
  return [
    `${command.summary}.`,
    '',
    `  ${usage}`,
    '',
    ...rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`),
    ...(command.notes === undefined ? [] : ['', ...command.notes]),
  ].join('\n');
}

function positionalOf({ name, many, optional }: Positional): string {
  return many ? `[${name}…]` : optional ? `[${name}]` : name;
}

/** The list of all commands. */
export function helpOfAll(commands: readonly CommandForm[]): string {
  const usages = commands.map((command) => ({
    left: [command.name, ...(command.positionals ?? []).map((one) => (one.many ? `${one.name}…` : one.name))].join(' '),
    right: command.summary,
  }));
  const width = Math.max(...usages.map(({ left }) => left.length));
  return [
    'gerbang: who may dial, at what rate, and why. Commands:',
    '',
    ...usages.map(({ left, right }) => `  ${left.padEnd(width)}  ${right}`),
    '',
    'gerbang COMMAND --help says more; --json prints JSON. It works beside a running server and without one.',
  ].join('\n');
}

/** For a mistyped command: those that begin with the same word, else all. */
export function unknownCommand(commands: readonly CommandForm[], argv: readonly string[]): string {
  const words = argv.filter((word) => !word.startsWith('-')).slice(0, 2);
  const near = commands.filter((one) => one.name.split(' ')[0] === words[0]);
  const offered = (near.length > 0 ? near : commands).map((one) => one.name);
  return `there is no command "${words.join(' ')}"; there are: ${offered.join(', ')}`;
}

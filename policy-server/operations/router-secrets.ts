import { isIP } from 'node:net';
import { z } from 'zod';
import { parseRate } from '#domain/parse';
import type { Rate } from '#domain/plan';
import { say } from '#domain/say';
import { mac, personName, pppPassword, subscriberAddress, username } from '#operations/fields';
import type { LineFault } from '#operations/import-file';
import { faultsOf } from '#operations/input';
import { type RscCommand, type RscValue, readRsc } from '#operations/rsc';

/** One line of `/ppp secret` that PPPoE may use. */
export type RouterSecret = {
  readonly line: number;
  readonly username: string;
  /** Null where the export hides it, or it is empty. */
  readonly password: string | null;
  /** The comment: what operators write there is mostly whose line it is. */
  readonly name: string;
  readonly mac: string | null;
  readonly staticIp: string | null;
  readonly profile: string;
  readonly disabled: boolean;
};

/** One line of `/ppp profile`. */
export type RouterProfile = {
  readonly name: string;
  /** Null = no limit on the router, or none that can be read. */
  readonly rate: Rate | null;
};

export type RouterExport = {
  readonly version: string | null;
  readonly secrets: readonly RouterSecret[];
  readonly profiles: ReadonlyMap<string, RouterProfile>;
  /** Secrets that only serve something else than PPPoE. */
  readonly otherServices: readonly { readonly line: number; readonly username: string; readonly service: string }[];
  /** What keeps a line from being taken. */
  readonly problems: readonly LineFault[];
  /** What is worth knowing about a line that is taken. */
  readonly notes: readonly LineFault[];
};

/** Reads the PPPoE secrets and the profiles out of an export, of `/ppp secret`, of `/ppp`, or of a whole router. Never throws. */
export function readRouterExport(text: string): RouterExport {
  const { version, commands, brokenAt } = readRsc(text);
  const result = {
    version,
    secrets: [] as RouterSecret[],
    profiles: new Map<string, RouterProfile>(),
    otherServices: [] as RouterExport['otherServices'][number][],
    problems: [] as LineFault[],
    notes: [] as LineFault[],
  };
  for (const command of commands) {
    if (command.verb === 'script') readScript(command, result.problems);
    else if (command.path === 'ppp secret') readSecret(command, result);
    else if (command.path === 'ppp profile') readProfile(command, result);
  }
  if (brokenAt !== null) result.problems.push(brokenAt);
  result.problems.push(...repeatedNames(result.secrets));
  return result;
}

type Result = {
  readonly secrets: RouterSecret[];
  readonly profiles: Map<string, RouterProfile>;
  readonly otherServices: RouterExport['otherServices'][number][];
  readonly problems: LineFault[];
  readonly notes: LineFault[];
};

/** Whole exports hold harmless ones (`:delay 25s`); one that touches secrets would do what nobody here can foresee. */
function readScript({ line, target }: RscCommand, problems: LineFault[]): void {
  if (!/ppp[\s/]+(secret|profile)/i.test(target)) return;
  problems.push({ line, reason: say`a script, which only a router can run; write the secrets out as lines of add` });
}

const EMPTY: RscValue = { is: 'text', text: '' };
/** Settings that say something about a secret and have no place here; a zero or nothing says nothing. */
const NOT_TAKEN = ['routes', 'ipv6-routes', 'remote-ipv6-prefix', 'limit-bytes-in', 'limit-bytes-out', 'local-address'];

const secretSchema = z.object({
  username,
  name: personName,
  mac: mac.nullable().describe(mac.description!),
  staticIp: subscriberAddress.nullable().describe(subscriberAddress.description!),
});

function readSecret(command: RscCommand, result: Result): void {
  const { line, verb, settings, repeated } = command;
  if (verb === 'print' || verb === 'find') return;
  if (verb !== 'add') {
    const reason = say`"${verb || 'a command'}" on /ppp secret is not understood: only lines of add are read`;
    result.problems.push({ line, reason });
    return;
  }
  const service = textOf(settings, 'service') || 'any';
  const given = textOf(settings, 'name');
  if (service !== 'pppoe' && service !== 'any' && isText(settings, 'service')) {
    result.otherServices.push({ line, username: given, service });
    return;
  }
  const reasons = [
    ...[...settings]
      .filter(([, value]) => value.is === 'expression')
      .map(([key]) => say`${key} is an expression, which only a router can work out`),
    ...['name', 'password']
      .filter((key) => settings.get(key)?.is === 'octets')
      .map((key) => say`${key} is not written in UTF-8; write it anew on the router`),
    ...repeated.map((key) => say`${key} is there twice`),
  ];
  const password = textOf(settings, 'password');
  const comment = textOf(settings, 'comment')
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim();
  const address = textOf(settings, 'remote-address');
  const callerId = textOf(settings, 'caller-id');
  const fields = {
    username: given,
    name: [...comment].slice(0, LONGEST_NAME).join(''),
    mac: callerId === '' ? null : callerId,
    staticIp: isIP(address) === 0 ? null : address,
  };
  const parsed = secretSchema.safeParse(fields);
  if (!parsed.success) reasons.push(...faultsOf(secretSchema, fields).map(inRouterWords));
  if (password !== '' && !pppPassword.safeParse(password).success) {
    reasons.push(say`password (not shown) is not usable; give ${pppPassword.description}`);
  }
  result.problems.push(...reasons.map((reason) => ({ line, reason })));
  if (reasons.length > 0 || !parsed.success) return;
  result.notes.push(...notesOf(settings, comment, address).map((reason) => ({ line, reason })));
  result.secrets.push({
    ...parsed.data,
    line,
    password: password === '' ? null : password,
    profile: textOf(settings, 'profile') || 'default',
    disabled: textOf(settings, 'disabled') === 'yes',
  });
}

const LONGEST_NAME = 200;

/** Whoever reads a fault has the export before them, where these fields are called otherwise. */
function inRouterWords(fault: string): string {
  const words: Readonly<Record<string, string>> = {
    username: 'name',
    name: 'comment',
    mac: 'caller-id',
    staticIp: 'remote-address',
  };
  return fault.replace(/^\w+/, (field) => words[field] ?? field);
}

function notesOf(settings: RscCommand['settings'], comment: string, address: string): string[] {
  const left = NOT_TAKEN.filter((key) => !['', '0', '0.0.0.0'].includes(textOf(settings, key)));
  return [
    ...(left.length === 0 ? [] : [say`${left.join(', ')} stays on the router: a line has no such thing here`]),
    ...(address !== '' && isIP(address) === 0
      ? [
          say`remote-address is the pool ${address}: the line gets no fixed address; pools belong to the profile of the PPPoE server`,
        ]
      : []),
    ...([...comment].length > LONGEST_NAME ? [say`the comment is cut to ${LONGEST_NAME} characters`] : []),
    ...(settings.get('comment')?.is === 'octets'
      ? [say`the comment is not written in UTF-8 and was read as Latin-1`]
      : []),
  ];
}

/** The internal numbers of the two profiles every router has. */
const BUILT_IN: ReadonlyMap<string, string> = new Map([
  ['*0', 'default'],
  ['*FFFFFFFE', 'default-encryption'],
]);

function readProfile({ line, verb, target, settings }: RscCommand, { profiles, notes }: Result): void {
  if (verb !== 'add' && verb !== 'set') return;
  const limit = settings.get('rate-limit');
  const name = textOf(settings, 'name') || (verb === 'set' ? (BUILT_IN.get(target) ?? target) : '');
  if (limit?.is === 'expression' || /[[\]]/.test(name)) {
    if (limit !== undefined) notes.push({ line, reason: say`the rate-limit of this profile is not understood` });
    return;
  }
  const text = textOf(settings, 'rate-limit');
  const rate = readRateLimit(text);
  if (rate === null && !/^(0(\/0)?)?$/.test(text)) {
    notes.push({ line, reason: say`rate-limit "${text}" of the profile "${name}" is not understood` });
  }
  profiles.set(name, { name, rate });
}

/**
 * `rx[/tx] [burst-rx[/tx] [threshold-rx[/tx] [seconds-rx[/tx] …]]]`. The router's view: rx is the subscriber's upload.
 * Null for no limit, and for what cannot be read.
 */
export function readRateLimit(text: string): Rate | null {
  const [rate, burst, threshold, times] = text.trim().split(/\s+/).map(pairOf);
  const [uploadBps, downloadBps] = [parseRate(rate![0]), parseRate(rate![1])];
  if (uploadBps === null || downloadBps === null) return null;
  const [burstUp, burstDown] = [parseRate(burst?.[0] ?? '0'), parseRate(burst?.[1] ?? '0')];
  if (burstUp === null || burstDown === null) return { uploadBps, downloadBps, burst: null };
  const seconds = Number.parseInt(times?.[1] ?? '1', 10);
  return {
    uploadBps,
    downloadBps,
    burst: {
      uploadBps: burstUp,
      downloadBps: burstDown,
      thresholdUploadBps: parseRate(threshold?.[0] ?? '') ?? uploadBps,
      thresholdDownloadBps: parseRate(threshold?.[1] ?? '') ?? downloadBps,
      seconds: seconds > 0 ? seconds : 1,
    },
  };
}

/** A missing tx copies rx. */
function pairOf(text: string): [rx: string, tx: string] {
  const [rx = '', tx = rx] = text.split('/');
  return [rx, tx];
}

function textOf(settings: RscCommand['settings'], key: string): string {
  const value = settings.get(key) ?? EMPTY;
  return value.is === 'expression' ? '' : value.text;
}

const isText = (settings: RscCommand['settings'], key: string): boolean => (settings.get(key) ?? EMPTY).is === 'text';

function repeatedNames(secrets: readonly RouterSecret[]): LineFault[] {
  const first = new Map<string, number>();
  const addresses = new Map<string, number>();
  return secrets.flatMap(({ line, username: name, staticIp }) => [
    ...again(first, name, line, `name "${name}"`),
    ...(staticIp === null ? [] : again(addresses, staticIp, line, `remote-address ${staticIp}`)),
  ]);
}

function again(seen: Map<string, number>, value: string, line: number, what: string): LineFault[] {
  const before = seen.get(value);
  if (before !== undefined) return [{ line, reason: say`${what} is on line ${before} already` }];
  seen.set(value, line);
  return [];
}

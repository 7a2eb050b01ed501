import { setTimeout as pause } from 'node:timers/promises';
import { InvalidInput } from '#domain/errors';
import { printInstant, printInstantExactly } from '#domain/print';
import { hasEnded, type RolloutStatus } from '#domain/rollout';
import { SECOND } from '#domain/time';
import { rollBack, rolloutStatus, savePolicy, startRollout } from '#operations/publish-policy';
import { type Command, type Given, type Office, type Outcome, textOf } from '#policy-server/cli/command';
import { DOCUMENT, documentNamed, faultLines } from '#policy-server/cli/policy-document';
import { bar, perSecondFaults, perSecondOf } from '#policy-server/cli/policy-plan';
import { card } from '#policy-server/cli/table';
import { policyDictionary } from '#radius/policy-dictionary';
import { runningServer } from '#storage/lock';
import { policyInForce } from '#storage/policy';

const FOLLOW = { value: 'flag', help: 'stay until it has come to its end, and tell how it goes' } as const;

export const policyPublish: Command = {
  name: 'policy publish',
  summary: 'Put a policy document in the place of the one in force, in steps',
  positionals: [DOCUMENT],
  options: {
    canary: {
      value: 'SHARE',
      help: 'first for so many subscribers, such as 1%, and watch them; nobody first if not given',
    },
    'per-second': { value: 'NUMBER', help: 'live sessions told a second, over all routers (50)' },
    watch: { value: 'SECONDS', help: 'how long a canary is watched once all of it is told (60)' },
    note: { value: 'TEXT', help: 'what it is for: history shows it' },
    follow: FOLLOW,
  },
  notes: [
    'A canary that goes wrong goes back by itself: more than 5 % refused, 10 % without an answer, 2 % lost.',
    'With --follow exit code 1 says that it was stopped or taken back.',
  ],
  check: (given) => [
    ...perSecondFaults(given),
    ...(canaryOf(given) === undefined ? ['--canary is no share; give one above 0, at most 100%, for example 1%'] : []),
    ...(watchOf(given) === null ? ['--watch is no number of seconds; give one from 0 to 86400, for example 60'] : []),
  ],
  run: async (office, given) => {
    const revision = await savedRevision(office, given);
    const order = { canary: canaryOf(given)!, perSecond: perSecondOf(given)!, watchSeconds: watchOf(given)! };
    const status = await startRollout(office, { revision, ...order }).catch((error: unknown) => {
      if (!(error instanceof InvalidInput) || isNumber(given.words[0]!)) throw error;
      throw new InvalidInput([
        ...error.faults,
        `it is kept as revision ${revision}: gerbang policy publish ${revision}`,
      ]);
    });
    const first = `Saved as revision ${revision}. Before you edit the file further, write in it: revision: ${revision}`;
    return followed(office, given, status, isNumber(given.words[0]!) ? [] : [first]);
  },
};

const isNumber = (text: string): boolean => /^\d{1,9}$/.test(text);

/** The share (above 0, at most 1) that has it first, null when none is given, undefined for what is no share. */
function canaryOf(given: Given): number | null | undefined {
  const text = textOf(given, 'canary');
  if (text === undefined) return null;
  const [, digits, percent] = /^(\d{1,3}(?:[.,]\d{1,6})?)\s?(%?)$/.exec(text.trim()) ?? [];
  if (digits === undefined) return undefined;
  const share = Number(digits.replace(',', '.')) / (percent === '%' ? 100 : 1);
  return share > 0 && share <= 1 ? share : undefined;
}

function watchOf(given: Given): number | null {
  const text = textOf(given, 'watch') ?? '60';
  return /^\d{1,5}$/.test(text) && Number(text) <= 86_400 ? Number(text) : null;
}

async function savedRevision(office: Office, given: Given): Promise<number> {
  const named = given.words[0]!;
  const document = await documentNamed(office, named);
  if (document.revision !== null) return document.revision;
  const draft = { text: document.text, note: textOf(given, 'note') ?? '', base: null };
  const saved = await savePolicy(office, draft, policyDictionary);
  if (saved.is === 'saved') return saved.revision;
  if (saved.is === 'refused') throw new InvalidInput(faultLines(named, saved.check));
  throw new InvalidInput([
    `${named} was not edited from the newest revision: revision ${saved.inForce} was saved by ${saved.by}, ${printInstant(saved.at, office.zone)}`,
    `what it has that yours has not: gerbang policy diff ${named} ${saved.inForce}; take it in and write: revision: ${saved.inForce}`,
  ]);
}

export const policyStatus: Command = {
  name: 'policy status',
  summary: 'Say how far the rollout of a policy is, or how the last one ended',
  options: { follow: FOLLOW },
  run: async (office, given) => {
    const status = await rolloutStatus(office.db);
    if (status !== null) return followed(office, given, status, []);
    const inForce = (await policyInForce(office.db))?.id ?? null;
    return {
      text: `Revision ${inForce} is in force, and nothing was rolled out yet.`,
      json: { inForce, rollout: null },
    };
  },
};

export const policyRollback: Command = {
  name: 'policy rollback',
  summary: 'Take back the rollout under way or, without one, the policy in force',
  options: { reason: { value: 'TEXT', help: 'why: it is kept in the audit' }, follow: FOLLOW },
  notes: ['The policy before decides for every dial at once; live sessions are told at the pace of the rollout.'],
  run: async (office, given) =>
    followed(office, given, await rollBack(office, { reason: textOf(given, 'reason') ?? '' }), []),
};

const LOOK_MS = SECOND;
/** So long nothing moves before somebody who follows is told what that may mean. */
const STILL_MS = 15 * SECOND;

/** The status, or with `--follow` the last one: what happens on the way is told as it happens. */
async function followed(
  office: Office,
  given: Given,
  begun: RolloutStatus,
  first: readonly string[],
): Promise<Outcome> {
  let status = begun;
  if (hasEnded(status.stage)) return outcome(office, status, first);
  if (nobodyRuns(office)) return outcome(office, status, [...first, NOBODY]);
  if (given.options.follow !== true) return outcome(office, status, first);
  for (const line of first) console.error(line);
  const wanted = begun.stage === 'rolling-back' ? 'rolled-back' : 'done';
  let told = '';
  let movedAt = office.clock();
  for (;;) {
    const line = progressLine(status);
    if (line !== told) console.error(`${printInstantExactly(office.clock(), office.zone)}  ${line}`);
    if (line !== told) movedAt = office.clock();
    told = line;
    if (hasEnded(status.stage)) return { ...outcome(office, status, []), refused: status.stage !== wanted };
    if (office.clock() - movedAt > STILL_MS) {
      console.error('Nothing moves: a canary is being watched, or no server is running.');
      movedAt = office.clock();
    }
    await pause(LOOK_MS);
    status = (await rolloutStatus(office.db)) ?? status;
  }
}

const NOBODY = 'No server is running in DATA_DIR: it goes on as soon as one is.';

/** With a database of its own the only server there could be is the one of this folder. */
const nobodyRuns = ({ config }: Office): boolean =>
  config.databaseUrl === null && runningServer(config.dataDir) === null;

function outcome(office: Office, status: RolloutStatus, first: readonly string[]): Outcome {
  const text = [...first, ...(first.length > 0 ? [''] : []), statusReport(status, office.zone)].join('\n');
  return { text, json: status };
}

const STAGES: Readonly<Record<RolloutStatus['stage'], string>> = {
  canary: 'canary: a few have it and are watched',
  spreading: 'spreading',
  done: 'done: everybody has it',
  stopped: 'STOPPED by itself: everybody has the policy before it again',
  'rolling-back': 'rolling back: the policy before it decides again, live sessions are being told',
  'rolled-back': 'rolled back: everybody has the policy before it again',
};

/** How a rollout is, for people at a terminal. */
export function statusReport(status: RolloutStatus, zone: string): string {
  const { live, limits } = status;
  const canary =
    status.canary === null ? 'no canary' : `canary ${percent(status.canary)}, watched ${status.watchSeconds} s`;
  const limit = (count: number, most: number) =>
    `${count} (${percent(live.wanted === 0 ? 0 : count / live.wanted)}, limit ${percent(most)})`;
  const lines: [string, string][] = [
    ['Rollout', `revision ${status.to} in place of ${status.from}`],
    ['Is', STAGES[status.stage]],
    ['Subscribers', `${bar(status.share, 1)} ${percent(status.share)}`],
    ['Live sessions', `${live.told} told of ${live.wanted} reached`],
    ['  refused', limit(live.naks, limits.naks)],
    ['  no answer', limit(live.timeouts, limits.timeouts)],
    ['  lost', limit(live.lost, limits.lost)],
    [
      'Began',
      `${printInstantExactly(status.startedAt, zone)} by ${status.startedBy}, ${canary}, ${status.perSecond} a second`,
    ],
  ];
  if (status.endedAt !== null) lines.push(['Ended', printInstantExactly(status.endedAt, zone)]);
  else if (status.expectedEnd !== null) lines.push(['Done at about', printInstantExactly(status.expectedEnd, zone)]);
  if (status.reason !== null && status.reason !== '') lines.push(['Why', status.reason]);
  return card(lines);
}

function progressLine({ stage, share, live }: RolloutStatus): string {
  const trouble = [
    ...(live.naks > 0 ? [`${live.naks} refused`] : []),
    ...(live.timeouts > 0 ? [`${live.timeouts} without an answer`] : []),
    ...(live.lost > 0 ? [`${live.lost} lost`] : []),
  ];
  const told = [`${live.told} of ${live.wanted} live sessions told`, ...trouble].join(', ');
  return `${stage.padEnd(12)}  ${bar(share, 1)} ${percent(share).padStart(6)}  ${told}`;
}

/** `1 %`, `0,5 %`, `43 %`. */
function percent(share: number): string {
  const value = share * 100;
  return `${(value >= 10 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1)).replace('.', ',')} %`;
}

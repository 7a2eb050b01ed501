import { type Logger, pino } from 'pino';
import { systemClock } from '#domain/clock';
import type { LogLevel } from '#policy-server/config';

export type Log = Logger;

/** Names of fields whose value never belongs in a log, wherever in an object they stand. */
const NEVER_LOGGED = ['password', 'secret', 'sealed', 'key', 'hash', 'token', 'databaseUrl', 'packet'];

/**
 * The program's log: one line for one event, first the time, the level and the sentence, then what belongs to it as
 * `name=value`, so that a person reads it as it is and a machine can still cut it up.
 */
export function openLog(level: LogLevel, write: (line: string) => void = (line) => process.stdout.write(line)): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date(systemClock()).toISOString()}"`,
      redact: { paths: NEVER_LOGGED.flatMap((name) => [name, `*.${name}`]), censor: '[not shown]' },
      serializers: { err: describeError },
    },
    { write: (json: string) => write(readableLine(JSON.parse(json))) },
  );
}

/** An error in a log is its words and its code: never the statement, the values or the row it came with. */
function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : '';
  const cause = error.cause instanceof Error ? `; because ${describeError(error.cause)}` : '';
  const where = error.name === 'AssertionError' || error instanceof TypeError ? ` ${firstFrame(error)}` : '';
  return `${error.message.split('\n', 1)[0]}${code}${where}${cause}`;
}

function firstFrame(error: Error): string {
  return (
    error.stack
      ?.split('\n')
      .find((line) => line.trimStart().startsWith('at '))
      ?.trim() ?? ''
  );
}

function readableLine(event: Record<string, unknown>): string {
  const { time, level, msg, ...rest } = event;
  const fields = Object.entries(rest).map(([name, value]) => ` ${name}=${printField(value)}`);
  return `${time} ${(LEVEL_NAMES.get(Number(level)) ?? '').padEnd(5)} ${msg ?? ''}${fields.join('')}\n`;
}

function printField(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}

const LEVEL_NAMES = new Map(Object.entries(pino.levels.labels).map(([number, name]) => [Number(number), name]));

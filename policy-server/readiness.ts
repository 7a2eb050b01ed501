import { Unavailable } from '#domain/errors';
import { printBytes } from '#domain/print';
import { say } from '#domain/say';
import type { Check, Readiness } from '#http/server';
import type { NodeParts } from '#policy-server/node-parts';
import { ping } from '#storage/counts';

const PROBE_TIMEOUT_MS = 1_500;
const WORKER_SILENT_MS = 5_000;
/** Later than this a change is not "at once" any more, and somebody should look. */
const LOOP_BEHIND_MS = 10_000;
/** A day of a mid-sized provider: the intake is not merely busy. */
const INTAKE_BEHIND_BYTES = 512 * 2 ** 20;

/** Looks at each part of this node that has to work for it to be of use. */
export async function readiness(parts: NodeParts): Promise<Readiness> {
  const [database, radius] = await Promise.all([databaseCheck(parts), radiusCheck(parts)]);
  return {
    database,
    radius,
    directory: directoryCheck(parts),
    journal: journalCheck(parts),
    intake: intakeCheck(parts),
    enforcement: enforcementCheck(parts),
  };
}

const good = (says: string): Check => ({ ok: true, says });
const bad = (says: string): Check => ({ ok: false, says });

async function databaseCheck({ db }: NodeParts): Promise<Check> {
  if (db === null) return bad(say`not reached since the start`);
  try {
    await ping(db);
    return good('reachable');
  } catch (error) {
    if (error instanceof Unavailable)
      return bad(say`not reachable; known subscribers are answered, accounting is kept`);
    throw error;
  }
}

async function radiusCheck({ radius, probe }: NodeParts): Promise<Check> {
  if (radius === null || probe === null) return bad(say`not started yet`);
  const stopped = radius.states().filter((state) => !state.running || state.silentMs > WORKER_SILENT_MS);
  if (stopped.length > 0) return bad(say`worker ${stopped.map((state) => state.worker).join(', ')} does not run`);
  const [auth, acct] = await Promise.all([
    probe.ask(radius.authPort, PROBE_TIMEOUT_MS),
    probe.ask(radius.acctPort, PROBE_TIMEOUT_MS),
  ]);
  if (!auth) return bad(say`no answer on port ${radius.authPort}`);
  if (!acct) return bad(say`no answer on port ${radius.acctPort}`);
  return good(`answers on ports ${radius.authPort} and ${radius.acctPort}`);
}

function directoryCheck({ directory }: NodeParts): Check {
  switch (directory?.source) {
    case 'database':
      return good('up to date');
    case 'disk':
      return bad(say`from its copy on disk; unknown users get no answer until the database is back`);
    default:
      return bad(say`empty until the database is reached`);
  }
}

function journalCheck({ radius }: NodeParts): Check {
  if (radius === null) return bad(say`not started yet`);
  const sick = radius.states().filter((state) => state.metrics !== null && !state.metrics.journalHealthy);
  if (sick.length > 0) return bad(say`cannot be written (see the log); accounting is not acknowledged`);
  return good('writable');
}

function intakeCheck({ intake }: NodeParts): Check {
  if (intake === null) return bad(say`not started yet`);
  if (!intake.running()) return bad(say`does not run`);
  const behind = intake.metrics()?.behindOctets ?? 0;
  return behind > INTAKE_BEHIND_BYTES ? bad(say`${printBytes(behind)} behind`) : good(`${printBytes(behind)} behind`);
}

function enforcementCheck({ enforcement }: NodeParts): Check {
  if (enforcement === null) return bad(say`not started yet`);
  const behindMs = Math.round(enforcement.loop.behindMs());
  return behindMs > LOOP_BEHIND_MS ? bad(say`${behindMs} ms behind`) : good(`${behindMs} ms behind`);
}

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { wallClock } from '#domain/time';
import {
  environment,
  gerbang,
  gerbangSays,
  launchNode,
  type Node,
  newDataDir,
  type Ports,
  portsOf,
  type Ran,
} from '#test/system/node';
import { type Mikrotik, startMikrotik } from '#test/world/mikrotik';

export const LINES = 2_000;
/** The last of them have no package. */
export const WITHOUT = 50;
const ZONE = 'Asia/Jakarta';
const SECRET = 'rahasia-router';

/** A provider with one router and 2,000 live sessions, as its engineers have it: a server and a command line. */
export type PolicyNetwork = {
  readonly node: Node;
  readonly ports: Ports;
  readonly router: Mikrotik;
  readonly dataDir: string;
  gerbang(...args: readonly string[]): Promise<Ran>;
  stop(): Promise<void>;
};

export const username = (index: number): string => `rumah${String(index).padStart(4, '0')}`;

export async function startPolicyNetwork(): Promise<PolicyNetwork> {
  const dataDir = newDataDir();
  const env = environment(dataDir, { COMPANY_TIMEZONE: ZONE, LOG_LEVEL: 'warn' });
  const node = launchNode(env);
  const ports = await portsOf(node);
  const router = await startMikrotik({
    server: { host: '127.0.0.1', authPort: ports.authPort, acctPort: ports.acctPort },
    secret: SECRET,
    coaPort: 0,
    options: { ports: 16, timeoutMs: 2_000, redialMs: 500 },
  });
  const run = (...args: readonly string[]) => gerbang(env, args);
  const must = (...args: readonly string[]) => gerbangSays(env, ...args);
  await must(
    'nas',
    'add',
    '--name',
    'pop',
    '--address',
    '127.0.0.1',
    '--secret',
    SECRET,
    '--coa-port',
    String(router.coaPort),
  );
  await must('nas', 'edit', 'pop', '--coa-per-second', '1000');
  await must('plan', 'add', '--name', '20M', '--down', '20M', '--up', '20M', '--period', 'month', '--price', '150000');
  const file = join(dataDir, 'lines.csv');
  const rows = Array.from({ length: LINES }, (_, i) => {
    const covered = i < LINES - WITHOUT;
    return `${username(i)},sandi-${i},${covered ? '20M' : ''},${covered ? '2099-12-31' : ''}`;
  });
  writeFileSync(file, ['username,password,plan,covered_until', ...rows].join('\n'));
  await must('subscriber', 'import', file);
  for (let from = 0; from < LINES; from += 100)
    await Promise.all(Array.from({ length: 100 }, (_, i) => router.dial(username(from + i), `sandi-${from + i}`)));
  // Who dials before the directory has heard of the import is rejected, and dials again after some seconds.
  await router.until('every line is online', () => router.sessions().length === LINES, 60_000);
  return {
    node,
    ports,
    router,
    dataDir,
    gerbang: run,
    stop: async () => {
      await router.stop();
      await node.stop();
    },
  };
}

/** A window of the company's wall clock in which it is now, and for hours to come; `at` is an instant in it. */
export function windowOfNow(now = Date.now()): { readonly from: string; readonly to: string; readonly at: string } {
  const { hour } = wallClock(now, ZONE);
  const oclock = (shift: number) => String((hour + shift + 24) % 24).padStart(2, '0');
  const to = oclock(4) === '00' ? '24' : oclock(4);
  return { from: `${oclock(-1)}:00`, to: `${to}:00`, at: `2026-11-21 ${oclock(0)}:30` };
}

import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { binary, end, freePort, freeRadiusMissing, ready } from '#test/support/freeradius';

/**
 * A real FreeRADIUS with Debian's own configuration folder, copied, to which the files of freeradius-config/ were added as
 * docs/FREERADIUS.md says. What is ours in it is as shipped, octet for octet; only the values in gerbang.conf are others.
 */
export type Raddb = {
  readonly host: '127.0.0.1';
  readonly authPort: number;
  readonly acctPort: number;
  readonly coaPort: number;
  readonly pid: number;
  /** Where accounting waits. */
  readonly kept: string;
  log(): string;
  stop(): Promise<void>;
  /** Starts it again in the same folder, on the same ports. */
  startAgain(): Promise<void>;
};

export type RaddbPlan = {
  /** null: without any of our files, for comparison. */
  readonly way: 'rest' | 'proxy' | null;
  /** Values of gerbang.conf, without `gerbang_`. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** Blocks of addresses and their secret. */
  readonly clients: Readonly<Record<string, string>>;
  /** Routers that take CoA through it. */
  readonly coaRouters?: readonly { readonly address: string; readonly port: number; readonly secret: string }[];
  /** Lines of radiusd.conf and of files in it that a test needs otherwise: file → [was, becomes]. */
  readonly changes?: Readonly<Record<string, readonly (readonly [was: RegExp, becomes: string])[]>>;
  /** Files written besides; one in mods-enabled/ or sites-enabled/ is taken in. */
  readonly files?: Readonly<Record<string, string>>;
  readonly threads?: number;
};

const INSTALLED = '/etc/freeradius/3.0';
const SHIPPED = fileURLToPath(new URL('../../freeradius-config/', import.meta.url));

/** Why the shipped files cannot be tried here, or null. */
export function raddbMissing(): string | null {
  const missing = freeRadiusMissing();
  if (missing !== null) return missing;
  try {
    accessSync(join(INSTALLED, 'radiusd.conf'), constants.R_OK);
    accessSync('/usr/lib/freeradius/rlm_rest.so', constants.R_OK);
    return null;
  } catch {
    return 'freeradius-rest is not installed, or its configuration cannot be read by this user';
  }
}

/** Sets the folder up and starts FreeRADIUS in it. Throws with the end of its log when it does not start. */
export async function startRaddb(plan: RaddbPlan): Promise<Raddb> {
  // FreeRADIUS makes no file below /dev, and a test run may live in /dev/shm.
  const folder = await mkdtemp(join(tmpdir().startsWith('/dev/') ? '/tmp' : tmpdir(), 'gerbang-raddb-'));
  const ports = { authPort: await freePort(), acctPort: await freePort(), coaPort: await freePort() };
  await setUp(folder, plan, ports);
  const said: string[] = [];
  let child = await run(folder, said).catch(async (error: unknown) => {
    await rm(folder, { recursive: true, force: true });
    throw error;
  });
  return {
    host: '127.0.0.1',
    ...ports,
    get pid() {
      return child.pid as number;
    },
    kept: join(folder, 'log', 'radacct', 'gerbang'),
    log: () => said.join('\n'),
    stop: () => end(child, folder),
    startAgain: async () => {
      await end(child, join(folder, 'nothing'));
      child = await run(folder, said);
    },
  };
}

async function setUp(
  folder: string,
  { way, settings, clients, coaRouters = [], changes = {}, files = {}, threads = 8 }: RaddbPlan,
  ports: { authPort: number; acctPort: number; coaPort: number },
): Promise<void> {
  const raddb = join(folder, 'raddb');
  await cp(INSTALLED, raddb, { recursive: true, verbatimSymlinks: true });
  for (const path of ['log/radacct', 'run']) await mkdir(join(folder, path), { recursive: true });
  const edit = async (file: string, edits: readonly (readonly [RegExp, string])[]) => {
    let text = await readFile(join(raddb, file), 'utf8');
    for (const [was, becomes] of edits) {
      if (!was.test(text)) throw new Error(`${file} has no ${was}`);
      text = text.replace(was, () => becomes);
    }
    await writeFile(join(raddb, file), text);
  };
  // Where it lives, and as whom: a test's business, as are the ports that every machine has only once.
  await edit('radiusd.conf', [
    [/^logdir = .*$/m, `logdir = ${folder}/log`],
    [/^raddbdir = .*$/m, `raddbdir = ${raddb}`],
    [/^run_dir = .*$/m, `run_dir = ${folder}/run`],
    [/^\tuser = .*$/m, ''],
    [/^\tgroup = .*$/m, ''],
    [/^\tmax_servers = .*$/m, `\tmax_servers = ${threads}`],
    [/^\$INCLUDE clients\.conf$/m, '$INCLUDE clients.conf\n$INCLUDE gerbang.conf'],
  ]);
  await edit('sites-available/inner-tunnel', [[/port = 18120/, `port = ${await freePort()}`]]);
  await rm(join(raddb, 'sites-enabled/default'));
  const shipped = ['gerbang.conf', ...(way === null ? [] : ['mods-available/gerbang', 'policy.d/gerbang'])];
  const sites = [...(way === null ? [] : [`gerbang-${way}`]), ...(coaRouters.length > 0 ? ['gerbang-coa'] : [])];
  shipped.push(...sites.map((site) => `sites-available/${site}`));
  for (const file of shipped) await cp(join(SHIPPED, file), join(raddb, file));
  if (way !== null) await symlink('../mods-available/gerbang', join(raddb, 'mods-enabled/gerbang'));
  for (const site of sites) await symlink(`../sites-available/${site}`, join(raddb, 'sites-enabled', site));
  if (coaRouters.length > 0) await writeFile(join(raddb, 'gerbang-routers.conf'), coaRouters.map(coaRouter).join('\n'));
  for (const [file, text] of Object.entries(files)) await writeFile(join(raddb, file), text);
  const values: Record<string, string | number> = {
    listen: '127.0.0.1',
    listen_auth_port: ports.authPort,
    listen_acct_port: ports.acctPort,
    coa_listen: '127.0.0.1',
    coa_port: ports.coaPort,
    ...settings,
  };
  await edit(
    'gerbang.conf',
    Object.entries(values).map(([name, value]) => [
      new RegExp(`^gerbang_${name} = .*$`, 'm'),
      `gerbang_${name} = ${typeof value === 'string' ? JSON.stringify(value) : value}`,
    ]),
  );
  const blocks = Object.entries(clients).map(
    ([block, secret], i) => `client test${i} {\n\tipaddr = ${block}\n\tsecret = ${JSON.stringify(secret)}\n}\n`,
  );
  await writeFile(join(raddb, 'clients.conf'), blocks.join('\n'));
  for (const [file, edits] of Object.entries(changes)) await edit(file, edits);
}

/** As the example in sites-available/gerbang-coa, with a shorter patience. */
const coaRouter = ({ address, port, secret }: NonNullable<RaddbPlan['coaRouters']>[number]): string =>
  `home_server ${address} {
	type = coa
	ipaddr = ${address}
	port = ${port}
	secret = ${JSON.stringify(secret)}
	response_window = 2
	zombie_period = 2
	revive_interval = 10
}
home_server_pool ${address} {
	type = fail-over
	home_server = ${address}
}
`;

async function run(folder: string, said: string[]): Promise<ChildProcess> {
  const program = binary('freeradius') ?? binary('radiusd');
  if (program === null) throw new Error('freeradius is not installed');
  const child = spawn(program, ['-f', '-l', 'stdout', '-d', join(folder, 'raddb')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  try {
    await ready(child, said);
  } catch (error) {
    await end(child, join(folder, 'nothing'));
    throw error;
  }
  return child;
}

/** A shipped file as text. */
export const shippedFile = (path: string): string => readFileSync(join(SHIPPED, path), 'utf8');

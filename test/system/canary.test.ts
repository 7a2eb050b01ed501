import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openDatabase } from '#storage/database';
import { runningServer } from '#storage/lock';
import { account, papDial } from '#test/system/dial';
import { environment, gerbang, launchNode, type Node, newDataDir, type Ports, portsOf } from '#test/system/node';

/** Every secret a person can give us, each a word that stands nowhere else. */
const CANARIES = {
  nasSecret: 'canary-nas-secret-oGh3aeX0',
  badNasSecret: 'canary-nas-secret-too-long-'.padEnd(300, 'x'),
  password: 'canary-ppp-password-Eik7aiz',
  importedPassword: 'canary-imported-Ohw4eeng',
  longPassword: 'canary-long-password-'.padEnd(200, 'y'),
  wrongPassword: 'canary-wrong-password-ieY9',
} as const;

const dataDir = newDataDir();
const env = environment(dataDir, { LOG_LEVEL: 'trace' });
const printed: string[] = [];
let node: Node;
let ports: Ports;

async function run(args: string[], input = ''): Promise<string> {
  const { stdout, stderr } = await gerbang(env, args, input);
  printed.push(stdout, stderr);
  return stdout;
}

async function withDatabase<Result>(work: (db: ReturnType<typeof openDatabase>) => Promise<Result>): Promise<Result> {
  const db = openDatabase({ url: runningServer(dataDir)!.databaseUrl!, poolSize: 1 });
  try {
    return await work(db);
  } finally {
    await db.close();
  }
}

beforeAll(async () => {
  node = launchNode(env);
  ports = await portsOf(node);
  // Whatever is in the text of a statement, or shown with its errors, is in PostgreSQL's log from here on.
  await withDatabase(async (db) => {
    for (const [name, value] of [
      ['log_statement', 'all'],
      ['log_min_error_statement', 'error'],
      ['log_error_verbosity', 'verbose'],
    ]) {
      await db.query(`alter system set ${name} = '${value}'`);
    }
    await db.query('select pg_reload_conf()');
  });
});
afterAll(async () => {
  await node.stop();
});

/** Uses everything that touches a secret, well and badly. */
async function useEverything(): Promise<void> {
  const { nasSecret, badNasSecret, password, importedPassword, longPassword, wrongPassword } = CANARIES;
  const nas = ['nas', 'add', '--name', 'tower', '--address', '127.0.0.1', '--secret'];
  await run([...nas, '-'], `${nasSecret}\n`);
  await run([...nas, nasSecret]); // the name is taken
  await run(['nas', 'add', '--name', 'b', '--address', 'x', '--secret', badNasSecret]);
  await run(['nas', 'add', '--secret', nasSecret, '--bogus']);
  const subscriber = ['subscriber', 'add', '--username', 'budi', '--password'];
  await run([...subscriber, '-'], `${password}\n`);
  await run([...subscriber, password]);
  await run([...subscriber, longPassword, '--json']);
  await run([...subscriber, password, '--ip', 'x', '--password', longPassword]);
  const good = join(dataDir, 'good.csv');
  const bad = join(dataDir, 'bad.csv');
  writeFileSync(good, `username,password\nsari,${importedPassword}\n`);
  writeFileSync(
    bad,
    `username,password,mac\nbudi,${importedPassword},\nx,${longPassword},\n"y"z,${importedPassword},\nz,${password}\n`,
  );
  await run(['subscriber', 'import', good]);
  await run(['subscriber', 'import', bad]);
  for (const file of [good, bad]) writeFileSync(file, '');
  const accepted = { code: 'Access-Accept' };
  const dial = (name: string, word: string) => papDial(ports.authPort, nasSecret, name, word);
  await vi.waitFor(async () => expect(await dial('budi', password)).toMatchObject(accepted), { timeout: 30_000 });
  await vi.waitFor(async () => expect(await dial('sari', importedPassword)).toMatchObject(accepted), {
    timeout: 30_000,
  });
  await papDial(ports.authPort, nasSecret, 'budi', wrongPassword);
  const start: Parameters<typeof account>[2] = [
    ['Acct-Status-Type', 'Start'],
    ['Acct-Session-Id', '81000001'],
    ['User-Name', 'budi'],
    ['NAS-IP-Address', '127.0.0.1'],
  ];
  await account(ports.acctPort, nasSecret, start);
  await run(['secrets', 'rotate']);
  for (const list of [
    'nas list',
    'plan list',
    'session list',
    'session history budi',
    'explain budi',
    'session list --drift',
  ]) {
    await run(list.split(' '));
    await run([...list.split(' '), '--json']);
  }
  await run(['explain', 'budi', '--at', CANARIES.password]);
}

/** Every row of every table, as text and as what is behind its bytes. */
async function everythingStored(): Promise<string> {
  return withDatabase(async (db) => {
    const tables = await db.query<{ name: string }>(
      `select relname as name from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace`,
    );
    const texts: string[] = [];
    for (const { name } of tables) {
      const rows = await db.query<{ row: string }>(`select t::text as row from "${name}" t`);
      texts.push(...rows.map(({ row }) => row));
    }
    return texts.join('\n');
  });
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.startsWith(join(folder, 'postgres')))
    .map((entry) => join(entry.parentPath, entry.name));
}

test('no secret is anywhere but sealed: not in logs, answers, errors, metrics, tables, statements or files', async () => {
  await useEverything();
  const reset = await run(['admin', 'reset-password']);
  const admin = [
    /one-time password ([A-Za-z2-9]{16})/.exec(node.output())![1]!,
    /shown this once: (\S+)/.exec(reset)![1]!,
  ];
  const web = await Promise.all(
    ['/', '/metrics', '/readyz', '/healthz', `/${CANARIES.password}`].map(async (url) =>
      (await fetch(`http://127.0.0.1:${ports.httpPort}${url}`)).text(),
    ),
  );
  const places: [string, string][] = [
    ['the commands', printed.join('\n')],
    ['the node', node.output()],
    ['the pages', web.join('\n')],
    ['the tables', await everythingStored()],
  ];
  await node.stop();
  places.push(
    ['the node', node.output()],
    ['the log of PostgreSQL', readFileSync(join(dataDir, 'postgres.log'), 'utf8')],
  );
  for (const file of filesUnder(dataDir)) places.push([file, readFileSync(file, 'latin1')]);

  expect(statSync(join(dataDir, 'directory.sealed')).size).toBeGreaterThan(100);
  expect(places.find(([place]) => place === 'the log of PostgreSQL')![1]).toContain('insert into subscriber');
  const found = places.flatMap(([place, text]) =>
    [...Object.values(CANARIES)].flatMap((canary) =>
      [canary, Buffer.from(canary).toString('hex'), Buffer.from(canary).toString('base64').slice(0, -4)]
        .filter((shape) => text.includes(shape))
        .map((shape) => `${place}: ${shape}`),
    ),
  );
  expect(found).toEqual([]);
  // The passwords of the admin are printed once, where they are made.
  const everywhere = places
    .filter(([place]) => !place.startsWith('the commands') && place !== 'the node')
    .map(([, text]) => text)
    .join('\n');
  for (const password of admin) expect(everywhere).not.toContain(password);
  expect(node.output().split(admin[0]!)).toHaveLength(2);
});

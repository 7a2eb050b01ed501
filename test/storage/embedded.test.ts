import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '#storage/database';
import { runningServer } from '#storage/lock';
import { cloneHouse, hold, isRunning, temporaryFolder } from '#test/support/holder';
import { testAsRoot } from '#test/support/tools';

const NOBODY = 65534;
/** What a container's root has by default: nothing that lets it look into other users' processes. */
const CONTAINER = 'chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw,sys_chroot';

async function ask<Row extends object>(url: string, sql: string): Promise<Row[]> {
  const db = openDatabase({ url, poolSize: 1 });
  try {
    return await db.query<Row>(sql);
  } finally {
    await db.close();
  }
}

test('it is a durable PostgreSQL 18, on the loopback only, with a password', async () => {
  const { said, end } = await hold(join(temporaryFolder(), 'data'));
  const settings = await ask<{ name: string; setting: string }>(
    said.url,
    `select name, setting from pg_settings where name in
     ('fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums', 'listen_addresses', 'TimeZone') order by 1`,
  );
  expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
    TimeZone: 'UTC',
    data_checksums: 'on',
    fsync: 'on',
    full_page_writes: 'on',
    listen_addresses: '127.0.0.1',
    synchronous_commit: 'on',
  });
  expect(await ask(said.url, 'select current_setting($$server_version_num$$)::int / 10000 as major')).toEqual([
    { major: 18 },
  ]);
  const wrong = new URL(said.url);
  wrong.password = 'guessed';
  await expect(ask(wrong.href, 'select 1')).rejects.toThrow(/password authentication failed/);
  await end();
  expect(isRunning(said.postgresPid)).toBe(false);
});

test('after kill -9 of the server the next start stops the PostgreSQL left behind, and every committed row is there', async () => {
  const dataDir = join(temporaryFolder(), 'data');
  const first = await hold(dataDir);
  await ask(first.said.url, 'create table kept as select 42 as answer');
  await first.kill();
  expect(isRunning(first.said.postgresPid), 'killed without a chance to stop it').toBe(true);
  const second = await hold(dataDir);
  expect(second.said.postgresPid).not.toBe(first.said.postgresPid);
  expect(isRunning(first.said.postgresPid)).toBe(false);
  expect(await ask(second.said.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
});

test('kill -9 of the server and of PostgreSQL too: the next start recovers', async () => {
  const dataDir = join(temporaryFolder(), 'data');
  const first = await hold(dataDir);
  await ask(first.said.url, 'create table kept as select 42 as answer');
  await first.kill();
  process.kill(first.said.postgresPid, 'SIGKILL');
  const second = await hold(dataDir);
  expect(await ask(second.said.url, 'select answer from kept')).toEqual([{ answer: 42 }]);
});

test('a stale postmaster.pid whose number now belongs to another program is cleared away, and that program is left alone', async () => {
  const dataDir = join(temporaryFolder(), 'data');
  const first = await hold(dataDir);
  const pidFile = readFileSync(join(dataDir, 'postgres/postmaster.pid'), 'utf8');
  const { uid, gid } = statSync(join(dataDir, 'postgres'));
  await first.end();
  // Of the same user: only such a one makes PostgreSQL believe that the folder is in use.
  const bystander = spawn('sleep', ['60'], { uid, gid, cwd: '/' });
  onTestFinished(() => void bystander.kill());
  writeFileSync(join(dataDir, 'postgres/postmaster.pid'), pidFile.replace(/^\d+/, String(bystander.pid)));
  const second = await hold(dataDir);
  expect(second.said.refusal).toBeUndefined();
  expect(isRunning(bystander.pid!)).toBe(true);
});

test('a PostgreSQL that dies by itself is started again on the same port', async () => {
  const { said } = await hold(join(temporaryFolder(), 'data'));
  process.kill(said.postgresPid, 'SIGKILL');
  await expect.poll(() => ask(said.url, 'select 1 as one').catch(() => []), { timeout: 20_000 }).toEqual([{ one: 1 }]);
});

test('an initdb that was interrupted leaves nothing that a next start trips over', async () => {
  const dataDir = join(temporaryFolder(), 'data');
  mkdirSync(join(dataDir, 'postgres.new/base'), { recursive: true });
  writeFileSync(join(dataDir, 'postgres.new/PG_VERSION'), '18');
  const { said } = await hold(dataDir);
  expect(await ask(said.url, 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('a second server on the same folder is refused, with the number of the first', async () => {
  const dataDir = join(temporaryFolder(), 'data');
  expect(runningServer(dataDir)).toBeNull();
  const first = await hold(dataDir);
  const second = await hold(dataDir);
  expect(second.said.refusal).toBe(
    `DataDirInUse: ${dataDir} is in use by another Gerbang (process ${first.child.pid}): stop that one, or choose another DATA_DIR`,
  );
  expect(runningServer(dataDir)).toEqual({ pid: first.child.pid, databaseUrl: first.said.url });
  await first.kill();
  expect(runningServer(dataDir)).toBeNull();
  expect((await hold(dataDir)).said.refusal).toBeUndefined();
});

test('Ctrl-C in the terminal does not reach PostgreSQL before us: it has a session of its own', async () => {
  const { said } = await hold(join(temporaryFolder(), 'data'));
  const [, , , , session] = readFileSync(`/proc/${said.postgresPid}/stat`, 'utf8')
    .replace(/^.*\) /, ') ')
    .split(' ');
  expect(Number(session)).toBe(said.postgresPid);
});

testAsRoot('as root, in a clone below a folder that is closed to others (root only: skipped elsewhere)', async () => {
  const folder = temporaryFolder();
  const house = cloneHouse(folder);
  chmodSync(folder, 0o700);
  const { said } = await hold(join(house, 'data'), { house });
  expect(said.refusal).toBeUndefined();
  await ask(said.url, 'create extension btree_gist');
  expect(statSync(folder).mode & 0o777, 'a folder that is not ours keeps its mode').toBe(0o700);
  expect(statSync(`/proc/${said.postgresPid}`).uid).not.toBe(0);
});

testAsRoot(
  'as root in a container, without the right to look into other processes (root only: skipped elsewhere)',
  async () => {
    const capabilities = CONTAINER.split(',').map((name) => `+${name}`);
    const before = ['setpriv', `--bounding-set=-all,${capabilities.join(',')}`, '--inh-caps=-all', '--'];
    const dataDir = join(temporaryFolder(), 'data');
    const first = await hold(dataDir, { before });
    expect(first.said.refusal).toBeUndefined();
    await first.kill();
    const second = await hold(dataDir, { before });
    expect(second.said.refusal).toBeUndefined();
    expect(isRunning(first.said.postgresPid)).toBe(false);
  },
);

testAsRoot(
  'as an ordinary user (played by root as another one: skipped elsewhere, where every other test does it)',
  async () => {
    const folder = temporaryFolder();
    const house = cloneHouse(folder);
    chmodSync(folder, 0o755);
    const home = join(folder, 'home');
    mkdirSync(home);
    chownSync(home, NOBODY, NOBODY);
    const before = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--'];
    const first = await hold(join(home, 'data'), { house, before });
    expect(first.said.refusal).toBeUndefined();
    expect(statSync(`/proc/${first.said.postgresPid}`).uid).toBe(NOBODY);
    await first.kill();
    const second = await hold(join(home, 'data'), { house, before });
    expect(second.said.refusal).toBeUndefined();
    expect(isRunning(first.said.postgresPid)).toBe(false);
  },
);

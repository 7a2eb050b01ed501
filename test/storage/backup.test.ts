import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { addSubscriber } from '#operations/add-subscriber';
import { backUp, checkBackup, opensSecrets, restore } from '#storage/backup';
import type { Database } from '#storage/database';
import { knownMigrations, migrate } from '#storage/migrate';
import { createMasterKey, loadMasterKey } from '#storage/secrets';
import { seedCompany } from '#test/bench/company';
import { faults, type TestDesk, testDesk } from '#test/operations/desk';
import { testDatabase } from '#test/support/database';
import { dumpSchema } from '#test/support/schema';

const folder = mkdtempSync(join(tmpdir(), 'gerbang-backup-'));
const file = join(folder, 'company.gz');
let desk: TestDesk;
let contents: Record<string, unknown>;
let made: Awaited<ReturnType<typeof backUp>>;

beforeAll(async () => {
  desk = await testDesk();
  await seedCompany(desk.db, 200, Date.now());
  await desk.db.query("delete from figure where at < now() - interval '2 days'");
  await awkward(desk);
  contents = await contentsOf(desk.db);
  made = await backUp(desk.db.url, file);
});

/** Values that a text form could lose: control characters, emptiness beside null, ends of time, octets, arrays, documents. */
async function awkward({ db }: TestDesk): Promise<void> {
  await addSubscriber(desk, { username: 'odd', password: 'rahasia-kampung' });
  await db.query(
    `update subscriber set name = $1, tags = array['a,b', '{"c"}', '', 'NULL', E'\\n\\t\\r'] where username = 'odd'`,
    ['\\N ünïcode ☂ \\. 雨\u0001\n\t;"\''],
  );
  await db.query(
    `insert into grants (subscriber_id, plan_revision_id, starts_at, ends_at) values (1, 1, '2026-11-21 01:02:03.456789+00', 'infinity')`,
  );
  await db.query(
    `insert into policy_revision (document, note, created_by) values ('{"deep": ["\\\\", null, 1e300]}', E'line\\nline', '')`,
  );
  await db.query(`insert into whatsapp_auth (kind, id, value_sealed) values ('k', '1', $1)`, [
    Buffer.from([0, 10, 92, 255, 46]),
  ]);
}

/** Every row of every table but those left out, and what the next number of each sequence will be. */
async function contentsOf(db: Database): Promise<Record<string, unknown>> {
  const tables = await db.query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
        and relname not in ('migration', 'change') order by 1`,
  );
  const contents: Record<string, unknown> = {};
  for (const { name } of tables) {
    const rows = await db.query<{ row: string }>(`select t::text as row from "${name}" t order by 1`);
    const hash = createHash('sha256');
    for (const { row } of rows) hash.update(`${row}\n`);
    contents[name] = `${rows.length} rows ${hash.digest('hex').slice(0, 16)}`;
  }
  contents.sequences = await db.query(
    `select sequencename, last_value from pg_sequences where schemaname = 'public' order by 1`,
  );
  return contents;
}

async function empty(): Promise<Database> {
  const db = await testDatabase();
  await db.query('drop schema public cascade');
  await db.query('create schema public');
  return db;
}

describe('a backup restored into an empty database', () => {
  test('is equal: every row of every table, the next numbers, the schema with its triggers and keys', async () => {
    const db = await empty();
    expect(await restore(db.url, file)).toMatchObject({ tables: made.tables, rows: made.rows });
    expect(await contentsOf(db)).toEqual(contents);
    expect(contents).toMatchObject({ subscriber: expect.stringMatching(/^201 rows/), usage_daily: /^3\d{3}/ });
    expect(await dumpSchema(db)).toBe(await dumpSchema(desk.db));
    expect(made.tables).toBe((await dumpSchema(db)).match(/^create table /gm)!.length - 1); // without the feed
    // It is alive: triggers run, keys bind, numbers go on.
    const alive = { ...desk, db };
    const { id } = await addSubscriber(alive, { username: 'new', password: 'pw' });
    expect(id).toBe(202);
    await expect(db.query('delete from audit')).rejects.toThrow('append-only');
    await expect(db.query('insert into due (subscriber_id, due_at) values (9999, now())')).rejects.toThrow(/due_sub/);
    expect(await opensSecrets(db, desk.sealer)).toBe(true);
    createMasterKey(join(folder, 'other.key'));
    expect(await opensSecrets(db, loadMasterKey(join(folder, 'other.key')))).toBe(false);
  });

  test('of an older schema is brought to this program by the migrations since', async () => {
    const old = await empty();
    const before = (await knownMigrations()).at(-2)!;
    await migrate(old.url, before);
    await old.query(`insert into setting (key, value, changed_by) values ('kept', '{"is": true}', 'test')`);
    const oldFile = join(folder, 'old.gz');
    expect(await backUp(old.url, oldFile)).toMatchObject({ schema: before });
    const db = await empty();
    await restore(db.url, oldFile);
    expect(await db.query(`select value from setting where key = 'kept'`)).toEqual([{ value: { is: true } }]);
    expect(await dumpSchema(db)).toBe(await dumpSchema(desk.db));
  });

  test('may be started again after an interruption, which left the schema alone', async () => {
    const db = await empty();
    await migrate(db.url);
    await restore(db.url, file);
    expect(await contentsOf(db)).toEqual(contents);
  });
});

describe('a backup is refused', () => {
  test('where the database is not empty, and nothing of it is touched', async () => {
    expect(await faults(restore(desk.db.url, file))).toEqual([expect.stringMatching(/^the database is not empty;/)]);
    const other = await empty();
    await other.query('create table somebody_elses (id int)');
    expect(await faults(restore(other.url, file))).toEqual([expect.stringMatching(/^the database is not empty;/)]);
    expect(await contentsOf(desk.db)).toEqual(contents);
  });

  test.each<[string, (whole: Buffer) => Buffer, RegExp]>([
    ['cut short', (whole) => whole.subarray(0, whole.length - 9), /is cut short$/],
    ['cut at half', (whole) => whole.subarray(0, whole.length / 2), /is cut short$/],
    ['without its last frames', (whole) => gzipSync(gunzipSync(whole).subarray(0, -300)), /is cut short$/],
    [
      'altered in its middle',
      (whole) => Buffer.from(whole).fill(0, whole.length >> 1, (whole.length >> 1) + 4),
      /damaged|checksum/,
    ],
    ['altered and packed again', altered, /checksum/],
    ['of a newer program', newer, /was made by a newer Gerbang \(it has 999-from-the-future\): restore it with that/],
    ['of a newer form', (whole) => swapped(whole, '"format":1', '"format":2'), /its form 2 is of a newer Gerbang/],
    ['something else', () => Buffer.from('-- PostgreSQL database dump'), /is no backup of Gerbang/],
    ['something else, packed', () => gzipSync('-- PostgreSQL database dump'), /is no backup of Gerbang/],
    ['empty', () => Buffer.alloc(0), /cut short|no backup/],
  ])('that is %s, before a database is touched', async (name, spoil, told) => {
    const bad = join(folder, name.replaceAll(' ', '-'));
    writeFileSync(bad, spoil(readFileSync(file)));
    expect(await faults(checkBackup(bad))).toEqual([expect.stringMatching(told)]);
    // Nothing listens there: it is not even asked.
    expect(await faults(restore('postgres://nobody@127.0.0.1:1/none', bad))).toEqual([expect.stringMatching(told)]);
  });

  test('where there is no file', async () => {
    expect(await faults(checkBackup(join(folder, 'none')))).toEqual([
      expect.stringMatching(/cannot be read \(ENOENT\)$/),
    ]);
  });
});

function swapped(whole: Buffer, from: string, to: string): Buffer {
  const plain = gunzipSync(whole);
  const at = plain.indexOf(from);
  expect(at).toBeGreaterThan(0);
  plain.write(to, at);
  return gzipSync(plain);
}

const altered = (whole: Buffer): Buffer => swapped(whole, 'Santoso', 'Santosa');

function newer(whole: Buffer): Buffer {
  const plain = gunzipSync(whole);
  const header = JSON.parse(plain.toString('utf8', 5, 5 + plain.readUInt32BE(1)));
  const text = JSON.stringify({ ...header, migrations: [...header.migrations, '999-from-the-future'] });
  const head = Buffer.alloc(5);
  head.writeUInt8(plain[0]!);
  head.writeUInt32BE(Buffer.byteLength(text), 1);
  const rest = plain.subarray(5 + plain.readUInt32BE(1), -37); // but the seal, which is made anew
  const all = Buffer.concat([head, Buffer.from(text), rest]);
  const seal = Buffer.concat([Buffer.from([83, 0, 0, 0, 32]), createHash('sha256').update(all).digest()]);
  return gzipSync(Buffer.concat([all, seal]));
}

describe('a backup is written', () => {
  test('readable by its owner alone, without passwords or secrets in the clear, and never over a file', async () => {
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(gunzipSync(readFileSync(file)).includes('rahasia-kampung')).toBe(false);
    copyFileSync(file, join(folder, 'mine'));
    expect(await faults(backUp(desk.db.url, join(folder, 'mine')))).toEqual([expect.stringMatching(/exists already/)]);
    expect(readFileSync(join(folder, 'mine')).equals(readFileSync(file))).toBe(true);
  });

  test('as of one instant, while others write: what is sold meanwhile is in it whole or not at all', async () => {
    let going = true;
    const selling = (async () => {
      while (going) {
        await desk.db.transaction(async (tx) => {
          // Of the first tables in the file, and of the last.
          await tx.query(`insert into audit (actor, why) values ('test', 'sold')`);
          await tx.query(`insert into whatsapp_auth (kind, id, value_sealed) values ('sold', gen_random_uuid(), '')`);
        });
      }
    })();
    const during = join(folder, 'during.gz');
    await expect
      .poll(() => desk.db.query(`select from audit where why = 'sold'`).then((rows) => rows.length))
      .toBeGreaterThan(9);
    await backUp(desk.db.url, during);
    going = false;
    await selling;
    const db = await empty();
    await restore(db.url, during);
    const [row] = await db.query<{ audited: number; sold: number }>(
      `select (select count(*) from audit where why = 'sold') as audited, (select count(*) from whatsapp_auth where kind = 'sold') as sold`,
    );
    expect(row!.sold).toBe(row!.audited);
    expect(row!.sold).toBeGreaterThan(8);
  });

  test('not at all when the database cannot be reached, and nothing is left behind', async () => {
    const nothing = join(folder, 'nothing.gz');
    await expect(backUp('postgres://nobody@127.0.0.1:1/none', nothing)).rejects.toThrow(/^database: /);
    expect(existsSync(nothing)).toBe(false);
  });
});

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidInput } from '#domain/errors';
import type { Instant } from '#domain/time';
import type { Desk } from '#operations/desk';
import { openDatabase } from '#storage/database';
import { entities } from '#storage/entities';
import { createMasterKey, loadMasterKey } from '#storage/secrets';
import { testDatabase } from '#test/support/database';

/** 21 Nov 2026, 09.00 in Jakarta. */
export const NOW: Instant = Date.parse('2026-11-21T02:00:00Z');

/** A desk on a database of its own, with a clock that stands still until it is set. */
export type TestDesk = Desk & { readonly masterKeyFile: string; setClock(at: Instant): void };

export async function testDesk(): Promise<TestDesk> {
  const db = await testDatabase({ entities });
  const masterKeyFile = join(mkdtempSync(join(tmpdir(), 'gerbang-desk-')), 'master.key');
  createMasterKey(masterKeyFile);
  let now = NOW;
  return {
    db,
    sealer: loadMasterKey(masterKeyFile),
    clock: () => now,
    zone: 'Asia/Jakarta',
    actor: 'test',
    publicUrl: 'https://portal.test',
    masterKeyFile,
    setClock: (at) => {
      now = at;
    },
  };
}

/**
 * A desk as new, on the database of `desk`: emptied in a fraction of what another database costs. The triggers that keep
 * the audit are passed by, which takes a superuser.
 */
export async function emptied(desk: TestDesk): Promise<TestDesk> {
  await desk.db.transaction(async (tx) => {
    const tables = await tx.query<{ name: string }>(
      `select quote_ident(tablename) as name from pg_tables where schemaname = 'public' and tablename not in ('migration', 'installation')`,
    );
    await tx.query(`set local session_replication_role = 'replica'`);
    await tx.query(`truncate ${tables.map(({ name }) => name).join(', ')} restart identity cascade`);
  });
  desk.setClock(NOW);
  return desk;
}

/** The same company from another process: connections and memory of its own, the same clock. The caller closes its `db`. */
export async function secondNode(desk: TestDesk): Promise<TestDesk> {
  return { ...desk, db: openDatabase({ url: desk.db.url, poolSize: 4 }) };
}

/** The fault lines an operation refuses with; an empty list when it does not refuse. */
export async function faults(work: Promise<unknown>): Promise<readonly string[]> {
  try {
    await work;
    return [];
  } catch (error) {
    if (error instanceof InvalidInput) return error.faults;
    throw error;
  }
}

export const PLAN = { name: 'prepaid-20mbps', down: '20M', up: '20M', quota: '20GB', period: '30d', price: '75000' };

import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import type { Database, DatabaseOptions } from '#storage/database';
import { openDatabase } from '#storage/database';

declare module 'vitest' {
  interface ProvidedContext {
    /** The embedded PostgreSQL of this test run: the URL of its migrated template database. */
    templateUrl: string;
  }
}

const opened: { database: Database; name: string }[] = [];
let administrator: Database | null = null;

/**
 * A database of its own with every migration applied, for one test file or one test: a copy of a template, made in
 * about 20 ms. It is dropped after the file, whoever is still connected.
 */
export async function testDatabase(options: Partial<Omit<DatabaseOptions, 'url'>> = {}): Promise<Database> {
  const template = new URL(inject('templateUrl'));
  const name = `test_${randomBytes(8).toString('hex')}`;
  // Files are copied in a quarter of the time in which the same is written to the log page by page.
  await asAdministrator(`create database ${name} template ${template.pathname.slice(1)} strategy file_copy`);
  template.pathname = `/${name}`;
  const database = openDatabase({ poolSize: 4, ...options, url: template.href });
  opened.push({ database, name });
  return database;
}

/** Called by test/setup.ts after each test file. */
export async function dropTestDatabases(): Promise<void> {
  for (const { database, name } of opened.splice(0)) {
    await database.close();
    await asAdministrator(`drop database if exists ${name} with (force)`);
  }
  await administrator?.close();
  administrator = null;
}

async function asAdministrator(sql: string): Promise<void> {
  const url = new URL(inject('templateUrl'));
  url.pathname = '/postgres';
  administrator ??= openDatabase({ url: url.href, poolSize: 1 });
  await administrator.query(sql);
}

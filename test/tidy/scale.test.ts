import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { DEFAULT_INTERIM_SECONDS } from '#domain/policy';
import { root } from '#test/tidy/source';

const page = join(root, 'docs/SCALE.md');
const DAY_SECONDS = 86_400;
const MONTH_SECONDS = 30 * DAY_SECONDS;

/** A journal record: a RouterOS Interim-Update of some 280 octets, and its frame. */
const RECORD_BYTES = 300;
const DIRECTORY_BYTES = 363;
/**
 * With their indexes, by pg_total_relation_size over 60,000 rows each: a day's usage (and its part of the month's sums), a
 * past session.
 */
const USAGE_BYTES = 130;
const HISTORY_BYTES = 400;
const HISTORY_DAYS = 395;
/** Ordered, paid, granted, ended. */
const CHANGES_A_MONTH = 4;
const PEAK = 10;

const columns: readonly (readonly [string, (subscribers: number) => string])[] = [
  ['subscribers', (n) => n.toLocaleString('en')],
  ['interim/s', (n) => rounded(n / DEFAULT_INTERIM_SECONDS)],
  ['dials/s in a storm', (n) => rounded(n / 60)],
  ['accounting/s in a storm', (n) => rounded(n / DEFAULT_INTERIM_SECONDS + (2 * n) / 60)],
  ['changes/s at peak', (n) => rounded((PEAK * CHANGES_A_MONTH * n) / MONTH_SECONDS)],
  ['CoA/s at peak', (n) => rounded((PEAK * 2 * n) / MONTH_SECONDS)],
  ['looks/s of the sweep', (n) => rounded(n / 300)],
  ['memory of a worker', (n) => bytes(n * DIRECTORY_BYTES)],
  ['journal a day', (n) => bytes((n / DEFAULT_INTERIM_SECONDS) * DAY_SECONDS * RECORD_BYTES)],
  ['13 months of history', (n) => bytes(n * HISTORY_DAYS * (USAGE_BYTES + HISTORY_BYTES))],
];

function rounded(value: number): string {
  return value < 10 ? String(Number(value.toPrecision(1))) : Number(value.toPrecision(2)).toLocaleString('en');
}

function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const unit = Math.floor(Math.log10(value) / 3);
  return `${Number((value / 1000 ** unit).toPrecision(2))} ${units[unit]}`;
}

test('docs/SCALE.md has the loads as they are computed (UPDATE=1 writes them)', () => {
  const head = columns.map(([name]) => name);
  const rows = [10_000, 100_000, 1_000_000, 10_000_000].map((n) => columns.map(([, of]) => of(n)));
  const table = [head, head.map(() => '---:'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  const text = readFileSync(page, 'utf8');
  const now = text.replace(/(<!-- loads: begin -->\n)[\s\S]*?(<!-- loads: end -->)/, `$1${table}\n$2`);
  if (process.env.UPDATE === '1') writeFileSync(page, now);
  expect(readFileSync(page, 'utf8')).toBe(now);
  expect(now).toContain('| 1,000,000 | 3,300 |');
});

const deploy = (name: string): string => readFileSync(join(root, 'docs/deploy', name), 'utf8');

test('the container holds all that the program loads', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gerbang-image-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const copied = [...deploy('Containerfile').matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, from]) => from!.split(' '));
  expect(copied).toContain('policy-server');
  for (const path of copied) cpSync(join(root, path), join(folder, path), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const [, program] = /^CMD \["node", "(.*)"\]$/m.exec(deploy('Containerfile'))!;
  // Everything is loaded before the first thing is refused.
  const refused = () =>
    execFileSync(process.execPath, [program!], { cwd: folder, env: { HTTP_PORT: 'none' }, stdio: 'pipe' });
  expect(refused).toThrow(/HTTP_PORT="none" is not usable/);
});

test('the units run what there is, with variables that there are', () => {
  const units = readdirSync(join(root, 'docs/deploy')).filter((name) => /\.(service|timer)$/.test(name));
  expect(units).toHaveLength(3);
  const started = units.flatMap((name) => [...deploy(name).matchAll(/policy-server\/\S+\.ts/g)].map(([path]) => path));
  expect(new Set(started)).toEqual(new Set(['policy-server/main.ts', 'policy-server/cli.ts']));
  const variables = [...deploy('gerbang.env').matchAll(/^([A-Z_]+)=/gm)].map(([, name]) => name!);
  const config = readFileSync(join(root, 'policy-server/config.ts'), 'utf8');
  expect(variables.filter((name) => !config.includes(`  ${name}: `))).toEqual([]);
  expect(variables).toContain('DATABASE_URL');
});

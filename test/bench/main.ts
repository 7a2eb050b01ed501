import { readdirSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { printReport, type Row } from '#test/bench/report';

/**
 * `npm run bench [-- name…]`: runs the benches one after another, each in its own file here (`run(): Promise<Row[]>`),
 * and prints one table. It measures and never fails on a number.
 */

const order = [
  'authentication',
  'mschap',
  'accounting',
  'freeradius',
  'directory',
  'propagation',
  'expiry',
  'grant',
  'sale',
  'webhooks',
  'payment-chaos',
  'static-lists',
  'pages',
  'sweep',
  'policy-plan',
  'invoices',
];

const folder = fileURLToPath(new URL('.', import.meta.url));
const present = readdirSync(folder).map((file) => file.replace(/\.ts$/, ''));
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !order.includes(name));
if (unknown.length > 0) {
  console.error(`no such bench: ${unknown.join(', ')}. There are: ${order.join(', ')}`);
  process.exit(2);
}

const rows: Row[] = [];
const failed: string[] = [];
for (const name of asked.length > 0 ? asked : order) {
  if (!present.includes(name)) {
    failed.push(`${name}: test/bench/${name}.ts is missing`);
    continue;
  }
  console.error(`bench ${name} …`);
  try {
    const bench = (await import(`./${name}.ts`)) as { run(): Promise<Row[]> };
    rows.push(...(await bench.run()));
  } catch (error) {
    failed.push(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
}

const [cpu] = cpus();
console.log(
  `\n${cpus().length} × ${cpu?.model.trim() ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ` +
    `Node ${process.versions.node}, ${process.platform} ${process.arch}\n`,
);
console.log(printReport(rows));
for (const failure of failed) console.error(`\nFAILED ${failure}`);
process.exit(failed.length === 0 ? 0 : 1);

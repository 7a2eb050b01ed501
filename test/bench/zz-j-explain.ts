import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDatabase } from '#storage/database';
const folder = process.argv[2]!;
const real = openDatabase({ url: readFileSync(join(folder, 'url'), 'utf8'), poolSize: 1 });
const text = readFileSync(process.argv[3]!, 'utf8');
const values = JSON.parse(process.argv[4] ?? '[]');
for (const r of await real.query<{ 'QUERY PLAN': string }>('explain (analyze, buffers off, costs off) ' + text, values)) console.log(r['QUERY PLAN']);
await real.close();

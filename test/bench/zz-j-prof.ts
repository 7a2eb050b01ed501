import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startHttp } from '#http/server';
import { readConfig } from '#policy-server/config';
import { openLog } from '#policy-server/log';
import { noParts } from '#policy-server/node-parts';
import { portalPages } from '#policy-server/portal-side';
import { openDatabase } from '#storage/database';
import { entities } from '#storage/entities';
import { createMasterKey, loadMasterKey } from '#storage/secrets';
import { createWebSession } from '#storage/web-sessions';
const folder = process.argv[2]!;
const real = openDatabase({ url: readFileSync(join(folder, 'url'), 'utf8'), poolSize: 10, entities });
const seen = new Map<string, { min: number; n: number }>();
const query = async (text: string, values?: readonly unknown[], name?: string) => {
  const b = performance.now();
  const r = await real.query(text, values, name);
  const t = performance.now() - b;
  const k = text.replace(/\s+/g, ' ').slice(0, Number(process.env.LEN ?? 150));
  const e = seen.get(k) ?? { min: Infinity, n: 0 };
  e.min = Math.min(e.min, t); e.n += 1; seen.set(k, e);
  return r;
};
const db = new Proxy(real, { get: (t, p) => (p === 'query' ? query : Reflect.get(t, p)) });
createMasterKey(join(mkdtempSync(join(folder, 'k-')), 'k'));
const kf = join(mkdtempSync(join(folder, 'k-')), 'k'); createMasterKey(kf);
const sealer = loadMasterKey(kf);
const log = openLog('warn', (l) => process.stderr.write(l));
const server = await startHttp({ host: '127.0.0.1', port: 0, readiness: async () => ({}), metrics: () => [], log,
  pages: portalPages(readConfig({ PUBLIC_URL: 'http://127.0.0.1' }), noParts(), () => ({ db: db as never, sealer }), log) });
const [staff] = await real.query<{ id: number }>(`insert into staff (username, password_hash, role, must_change_password) values ('prof' || random(), '-', 'owner', false) returning id`);
const cookie = `gerbang_staff=${await createWebSession(real, { of: { staffId: staff!.id, step: 'full' }, address: '127.0.0.1', userAgent: 'b', at: Date.now() })}`;
for (const path of process.argv.slice(3)) {
  seen.clear();
  let best = Infinity; let cpu = Infinity;
  for (let i = 0; i < Number(process.env.REPS ?? 7); i++) {
    const b = performance.now(); const c = process.cpuUsage();
    const a = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers: { cookie, host: '127.0.0.1' }, redirect: 'manual' });
    await a.text();
    best = Math.min(best, performance.now() - b);
    const u = process.cpuUsage(c); cpu = Math.min(cpu, (u.user + u.system) / 1000);
    if (a.status !== 200) console.log(path, a.status);
  }
  console.log(`\n## ${path} best ${best.toFixed(1)} ms, node cpu ${cpu.toFixed(1)} ms`);
  for (const [k, { min, n }] of [...seen].sort((a, b) => b[1].min - a[1].min)) if (min > 2) console.log(`  ${min.toFixed(1)} ms ×${n} ${k}`);
}
await server.stop(); await real.close(); process.exit(0);

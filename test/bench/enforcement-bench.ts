import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '#domain/clock';
import type { DrivenSession } from '#enforcement/driver';
import { type Loop, startLoop } from '#enforcement/loop';
import { radiusDriver } from '#enforcement/radius-driver';
import { CoaClient } from '#radius/coa-client';
import { Secret } from '#radius/packet';
import { type Database, openDatabase } from '#storage/database';
import { startEmbedded } from '#storage/embedded';
import { lockDataDir } from '#storage/lock';
import { migrate } from '#storage/migrate';
import { type BenchNases, startNases } from '#test/bench/coa-nas';
import { Network, SECRET } from '#test/enforcement/network';

/** What the enforcement benches share: the loop, a real PostgreSQL, and NASes in a process of their own. */
export type Bench = {
  readonly db: Database;
  readonly network: Network;
  /** Ids of the NASes, in the order of `nases.report()`. */
  readonly nasIds: readonly number[];
  readonly nases: BenchNases;
  readonly loop: Loop;
  stop(): Promise<void>;
};

export async function startBench(nasCount: number, coaPerSecond: number): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'gerbang-bench-'));
  const dataDir = join(folder, 'data');
  const lock = lockDataDir(dataDir);
  const embedded = await startEmbedded(dataDir);
  await migrate(embedded.url);
  const db = openDatabase({ url: embedded.url, poolSize: 8 });
  const nases = await startNases(nasCount, SECRET);
  const network = new Network(db);
  const nasIds: number[] = [];
  for (const port of nases.ports) nasIds.push(await network.nas({ port, coaPerSecond }));
  const client = new CoaClient({ host: '127.0.0.1', now: systemClock });
  const secret = new Secret(SECRET);
  const targetOf = ({ nasId }: DrivenSession) => ({
    address: '127.0.0.1',
    port: network.nases.get(nasId)!.port,
    secret,
  });
  const loop = await startLoop(network.options(radiusDriver(client, targetOf), { clock: systemClock }));
  return {
    db,
    network,
    nasIds,
    nases,
    loop,
    stop: async () => {
      await loop.stop();
      client.close();
      await nases.stop();
      await db.close();
      await embedded.stop();
      lock.release();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Awaits a condition, looking every 20 ms. */
export async function until(condition: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not so within ${timeoutMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The value below which the share `p` of them lies. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#domain/clock';
import { firstPolicy } from '#operations/first-policy';
import { DirectorySide } from '#policy-server/directory-side';
import { Directory } from '#radius/directory';
import { type Change, changeTogether } from '#storage/change';
import { type Database, openDatabase } from '#storage/database';
import { startEmbedded } from '#storage/embedded';
import { entities } from '#storage/entities';
import { lockDataDir } from '#storage/lock';
import { migrate } from '#storage/migrate';
import { loadMasterKey } from '#storage/secrets';
import { setSuspension } from '#storage/subscribers';
import { now } from '#test/bench/coa-nas';
import { percentile } from '#test/bench/enforcement-bench';
import type { Row } from '#test/bench/report';
import { Network, writeKeyFile } from '#test/enforcement/network';

const DIRECTORIES = 3;
const CHANGES = 10_000;
const PER_SECOND = 1_000;
/** As many as a settlement of payments commits together at most (`apply-batches.ts`). */
const TOGETHER = 10;
const CONNECTIONS = 8;
const LONGEST_MS = 30_000;

/**
 * From the call that changes subscribers (ten in a commit, each with its audit row, as payments are settled) to the directory
 * of each of three nodes, every one a process of its own with its own connections: 1,000 changes a second for ten seconds, each
 * of another subscriber. One change a commit is limited by the writer, not by the way: two cores with three nodes beside it
 * make some 400 such commits a second.
 */
export async function run(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'gerbang-bench-'));
  const lock = lockDataDir(join(folder, 'data'));
  const embedded = await startEmbedded(join(folder, 'data'));
  const keyFile = join(folder, 'master.key');
  writeKeyFile(keyFile);
  await migrate(embedded.url);
  const db = openDatabase({ url: embedded.url, poolSize: CONNECTIONS, entities });
  const nodes = [];
  try {
    await firstPolicy({
      db,
      sealer: loadMasterKey(keyFile),
      clock: systemClock,
      zone: 'Asia/Jakarta',
      actor: 'bench',
      publicUrl: 'http://127.0.0.1',
    });
    const network = new Network(db);
    const ids = await network.lines(await network.nas(), CHANGES, null, null);
    await db.query('vacuum analyze');
    for (let i = 0; i < DIRECTORIES; i += 1) nodes.push(await startNode(embedded.url, keyFile, folder));
    const beganAt = new Map<number, number>();
    const began = performance.now();
    let next = 0;
    // As many at once as there are connections: a machine that cannot keep the pace shows it in the first row.
    const changeSome = async () => {
      for (let from = next; from < CHANGES; from = next) {
        next += TOGETHER;
        const waitMs = began + (from * 1000) / PER_SECOND - performance.now();
        if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs));
        const together = ids.slice(from, from + TOGETHER);
        for (const id of together) beganAt.set(id, now());
        await changeTogether(
          db,
          together.map((id) => suspension(id)),
        );
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, changeSome));
    const perSecond = (CHANGES / (performance.now() - began)) * 1000;
    const tookMs: number[] = [];
    for (const node of nodes) {
      const arrivals = await node.arrivals(CHANGES);
      for (const [id, at] of arrivals) tookMs.push(at - beganAt.get(id)!);
    }
    const missing = DIRECTORIES * CHANGES - tookMs.length;
    const to = `change → ${DIRECTORIES} directories`;
    return [
      { name: `${to}: changes a second`, value: perSecond, unit: '/s', goal: PER_SECOND * 0.98 },
      { name: `${to}, p50`, value: percentile(tookMs, 0.5), unit: 'ms', higherIsBetter: false },
      { name: `${to}, p99`, value: percentile(tookMs, 0.99), unit: 'ms', goal: 200, higherIsBetter: false },
      { name: `${to}, longest`, value: percentile(tookMs, 1), unit: 'ms', higherIsBetter: false },
      { name: `${to}: not arrived`, value: missing, unit: '', goal: 0, higherIsBetter: false },
    ];
  } finally {
    for (const node of nodes) await node.stop();
    await db.close();
    await embedded.stop();
    lock.release();
    await rm(folder, { recursive: true, force: true });
  }
}

const suspension = (id: number): Change<void> => ({
  why: { actor: 'bench', why: 'suspend' },
  work: async (tx) => {
    await setSuspension(tx, id, systemClock());
    await tx.mark([id]);
  },
});

type Arrivals = readonly (readonly [subscriberId: number, at: number])[];

async function startNode(url: string, keyFile: string, folder: string) {
  const child = fork(fileURLToPath(import.meta.url), [url, keyFile, folder], { execArgv: [] });
  await once(child, 'message');
  return {
    arrivals: async (wanted: number): Promise<Arrivals> => {
      const answer = once(child, 'message');
      child.send(wanted);
      return ((await answer) as [Arrivals])[0];
    },
    stop: async () => {
      const closed = once(child, 'close');
      child.kill();
      await closed;
    },
  };
}

/** The directory of a node as the product fills it; when each suspension was first in it. */
async function serve(url: string, keyFile: string, dataDir: string): Promise<void> {
  const directory = new Directory();
  const arrivedAt = new Map<number, number>();
  const side = new DirectorySide({
    dataDir,
    zone: 'Asia/Jakarta',
    zoneIsSet: true,
    log: { ...console, debug: () => undefined } as never,
    broadcast: (message) => {
      if (message.kind === 'policy') directory.setPolicies(message.policies);
      if (message.kind !== 'subscribers') return;
      directory.put(message.subscribers);
      const at = now();
      for (const { facts } of message.subscribers) {
        if (facts.suspendedSince !== null && !arrivedAt.has(facts.subscriberId)) arrivedAt.set(facts.subscriberId, at);
      }
    },
    ownNas: () => [],
  });
  const db: Database = openDatabase({ url, poolSize: 4, entities });
  await side.openDatabase(db, loadMasterKey(keyFile), 'Asia/Jakarta');
  process.on('message', (wanted: number) => {
    const giveUp = now() + LONGEST_MS;
    const tell = () => {
      if (arrivedAt.size < wanted && now() < giveUp) setTimeout(tell, 50);
      else process.send!([...arrivedAt]);
    };
    tell();
  });
  process.send!('ready');
}

const [, , url, keyFile, folder] = process.argv;
if (process.send !== undefined && folder !== undefined) await serve(url!, keyFile!, folder);

import { join } from 'node:path';
import { systemClock } from '#domain/clock';
import { addGrant } from '#operations/add-grant';
import { addNas } from '#operations/add-nas';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import type { Desk } from '#operations/desk';
import { openDatabase } from '#storage/database';
import { entities } from '#storage/entities';
import { createMasterKey, loadMasterKey } from '#storage/secrets';
import { environment, launchNode, type Node, newDataDir, type Ports, portsOf } from '#test/system/node';
import { type Mikrotik, type MikrotikOptions, startMikrotik } from '#test/world/mikrotik';

export const SECRET = 'a-secret-of-thirty-two-octets-00';
export const PASSWORD = 'rahasia-77';
export const soon = { timeout: 30_000, interval: 50 };

export type ClusterNode = { readonly node: Node; readonly ports: Ports; readonly env: Record<string, string> };

/** Several nodes on one database, with one master key, and a desk beside them that works on the same. */
export type Cluster = {
  readonly desk: Desk;
  readonly nodes: ClusterNode[];
  /** Another node, or one that has ended once more: with its folder, on the same ports. */
  start(more?: Record<string, string>, again?: ClusterNode): Promise<ClusterNode>;
  /** A router with the nodes as its first and second server, known to them. */
  router(options?: Partial<MikrotikOptions>): Promise<Mikrotik>;
  /** Subscribers with a package that lasts; returns their names. */
  subscribers(prefix: string, count: number): Promise<string[]>;
  stop(): Promise<void>;
};

/** `url` is that of a database that may be empty. */
export async function startCluster(url: string, count: number): Promise<Cluster> {
  const masterKeyFile = join(newDataDir(), 'master.key');
  createMasterKey(masterKeyFile);
  const nodes: ClusterNode[] = [];
  const start = async (more: Record<string, string> = {}, again?: ClusterNode) => {
    const env =
      again === undefined
        ? environment(newDataDir(), {
            DATABASE_URL: url,
            RADIUS_WORKERS: '1',
            MASTER_KEY_FILE: masterKeyFile,
            LOG_LEVEL: 'debug',
            ...more,
          })
        : {
            ...again.env,
            HTTP_PORT: String(again.ports.httpPort),
            RADIUS_AUTH_PORT: String(again.ports.authPort),
            RADIUS_ACCT_PORT: String(again.ports.acctPort),
            ...more,
          };
    const node = launchNode(env);
    const started = { node, ports: await portsOf(node), env };
    if (again === undefined) nodes.push(started);
    else nodes[nodes.indexOf(again)] = started;
    return started;
  };
  await Promise.all(Array.from({ length: count }, () => start()));
  const db = openDatabase({ url, poolSize: 4, entities });
  const desk: Desk = {
    db,
    sealer: loadMasterKey(masterKeyFile),
    clock: systemClock,
    zone: 'Asia/Jakarta',
    actor: 'test',
    publicUrl: 'https://portal.test',
  };
  await addPlan(desk, { name: 'p20', down: '20M', up: '10M', period: '30d', price: '75000' });
  return {
    desk,
    nodes,
    start,
    router: async (options = {}) => {
      const [server, backup] = nodes.map(({ ports }) => ({ host: '127.0.0.1', ...ports }));
      const router = await startMikrotik({
        server: server!,
        ...(backup === undefined ? {} : { backup }),
        secret: SECRET,
        coaPort: 0,
        options: { timeoutMs: 150, tries: 3, retryMs: 300, ...options },
      });
      await addNas(desk, { name: 'tower', address: '127.0.0.1', secret: SECRET, coaPort: String(router.coaPort) });
      return router;
    },
    subscribers: async (prefix, many) => {
      const names = Array.from({ length: many }, (_, i) => `${prefix}${i}`);
      for (const username of names) {
        await addSubscriber(desk, { username, password: PASSWORD });
        await addGrant(desk, { username, plan: 'p20' });
      }
      return names;
    },
    stop: async () => {
      for (const { node } of nodes) node.child.kill('SIGCONT');
      await Promise.all(nodes.map(({ node }) => node.stop()));
      await db.close();
    },
  };
}

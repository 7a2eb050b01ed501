import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMikrotik } from '#test/world/mikrotik';
import { startSystem } from '#test/world/system';

/**
 * The real server with one subscriber, Budi, whose line is up at a simulated MikroTik beside it: without a package. What
 * that router is told by RADIUS and CoA to hold in its address-lists is told on.
 */
export async function startPortal(
  customer: string,
  onLists: (lists: Readonly<Record<string, readonly string[]>>) => void,
): Promise<{ httpPort: number; gerbang(...args: string[]): Promise<string>; stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'gerbang-redirect-'));
  const system = await startSystem(join(folder, 'data'), { HTTP_HOST: '0.0.0.0' });
  const router = await startMikrotik({
    server: { host: '127.0.0.1', authPort: system.authPort, acctPort: system.acctPort },
    secret: SECRET,
    coaPort: 0,
    options: { redialMs: 50 },
  });
  const stop = async () => {
    await router.stop();
    await system.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const nas = ['--name', 'router', '--address', '127.0.0.1', '--secret', SECRET, '--coa-port', `${router.coaPort}`];
    await system.gerbang('nas', 'add', ...nas);
    const plan = ['--name', '20GB', '--down', '20M', '--up', '20M', '--quota', '20GB', '--period', 'month'];
    await system.gerbang('plan', 'add', ...plan, '--price', '75000');
    const budi = ['--username', 'budi', '--password', 'rahasia', '--name', 'Budi Santoso', '--ip', customer];
    await system.gerbang('subscriber', 'add', ...budi);
    router.on('event', () => onLists(listsOf(router.addressList())));
    const session = await router.dial('budi', 'rahasia');
    if (session.state !== 'up' || session.address !== customer) {
      throw new Error(`budi's line is ${session.state} at "${session.address}":\n${system.output()}`);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { httpPort: system.httpPort, gerbang: (...args) => system.gerbang(...args), stop };
}

const SECRET = 'a secret of the redirect test';

function listsOf(entries: readonly { list: string; address: string }[]): Record<string, string[]> {
  const lists: Record<string, string[]> = {};
  for (const { list, address } of entries) {
    lists[list] ??= [];
    lists[list].push(address);
  }
  return lists;
}

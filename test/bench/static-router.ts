import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type RouterOsApi, startRouterOsApi } from '#test/world/routeros-api';

/** A simulated router with its API in a process of its own. Run as a child by `startRouter`. */

export type RouterReport = {
  readonly counts: Readonly<Record<string, number>>;
  /** Commands by their last word: `add`, `set`, `print`. */
  readonly commands: Readonly<Record<string, number>>;
};

export type BenchRouter = { readonly port: number; report(): Promise<RouterReport>; stop(): Promise<void> };

export const USER = { user: 'gerbang', password: 'rahasia' };

export async function startRouter(): Promise<BenchRouter> {
  const child = fork(fileURLToPath(import.meta.url), { execArgv: [] });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    port,
    report: async () => {
      const answer = once(child, 'message');
      child.send('report');
      return ((await answer) as [RouterReport])[0];
    },
    stop: async () => {
      const closed = once(child, 'close');
      child.kill();
      await closed;
    },
  };
}

function reportOf(router: RouterOsApi): RouterReport {
  const counts: Record<string, number> = {};
  for (const { list } of router.lists()) counts[list] = (counts[list] ?? 0) + 1;
  const commands: Record<string, number> = {};
  for (const command of router.commands) {
    const verb = command.split(' ')[0]!.split('/').at(-1)!;
    commands[verb] = (commands[verb] ?? 0) + 1;
  }
  return { counts, commands };
}

async function serve(): Promise<void> {
  const router = await startRouterOsApi({ ...USER, version: '7.20' });
  process.on('message', () => process.send?.(reportOf(router)));
  process.send?.({ port: router.port });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve();

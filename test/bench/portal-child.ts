import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#domain/clock';
import { startHttp } from '#http/server';
import { readConfig } from '#policy-server/config';
import { openGateways } from '#policy-server/gateways-side';
import { openLog } from '#policy-server/log';
import { noParts } from '#policy-server/node-parts';
import { portalPages } from '#policy-server/portal-side';
import { openDatabase } from '#storage/database';
import { entities } from '#storage/entities';
import { loadMasterKey } from '#storage/secrets';

/**
 * The pages as a node serves them, in a process of their own, behind a trusted proxy (so that a request can come from a
 * subscriber's address). It notes how long each request kept the server: from the moment its head was read until its
 * answer was handed to the system.
 */

type ToPortal = { kind: 'open'; databaseUrl: string; masterKeyFile: string } | { kind: 'report' };
type FromPortal = { kind: 'open'; port: number } | { kind: 'report'; times: Record<string, number[]> };

export type Answered = { readonly status: number; readonly octets: number; readonly headers: IncomingHttpHeaders };

export type BenchPortal = {
  /** Opens a page; what is named is measured under its name. */
  get(path: string, options?: { cookie?: string; from?: string; name?: string }): Promise<Answered>;
  /** The server's milliseconds of every request, by name. */
  times(): Promise<Record<string, number[]>>;
  stop(): Promise<void>;
};

const HOST = 'portal.bench';
const NAME_HEADER = 'x-bench-name';

export async function startPortalChild(databaseUrl: string, masterKeyFile: string): Promise<BenchPortal> {
  const child = fork(fileURLToPath(import.meta.url), { execArgv: [] });
  const ask = async (message: ToPortal): Promise<FromPortal> => {
    const answer = once(child, 'message');
    child.send(message);
    return ((await answer) as [FromPortal])[0];
  };
  const opened = await ask({ kind: 'open', databaseUrl, masterKeyFile });
  if (opened.kind !== 'open') throw new Error('the pages did not open');
  const agent = new Agent({ keepAlive: true });
  return {
    get: (path, { cookie, from = '10.255.255.1', name } = {}) =>
      get(agent, opened.port, path, {
        host: HOST,
        'accept-encoding': 'gzip',
        'x-forwarded-for': from,
        ...(cookie === undefined ? {} : { cookie }),
        ...(name === undefined ? {} : { [NAME_HEADER]: name }),
      }),
    times: async () => {
      const report = await ask({ kind: 'report' });
      return report.kind === 'report' ? report.times : {};
    },
    stop: async () => {
      agent.destroy();
      const closed = once(child, 'close');
      child.kill();
      await closed;
    },
  };
}

async function get(agent: Agent, port: number, path: string, headers: Record<string, string>): Promise<Answered> {
  const sent = request({ agent, host: '127.0.0.1', port, path, headers }).end();
  const [answer] = await once(sent, 'response');
  let octets = 0;
  for await (const chunk of answer) octets += chunk.length;
  return { status: answer.statusCode, octets, headers: answer.headers };
}

function serve(): void {
  const times: Record<string, number[]> = {};
  process.on('message', async (message: ToPortal) => {
    const tell = (answer: FromPortal) => process.send?.(answer);
    if (message.kind === 'report') return tell({ kind: 'report', times });
    const db = openDatabase({ url: message.databaseUrl, poolSize: 10, entities });
    const sealer = loadMasterKey(message.masterKeyFile);
    const config = readConfig({ PUBLIC_URL: `http://${HOST}`, COMPANY_TIMEZONE: 'Asia/Jakarta' });
    const log = openLog('warn', (line) => process.stderr.write(line));
    const gateways = openGateways({ ...config, db, sealer, clock: systemClock, log });
    const server = await startHttp({
      host: '127.0.0.1',
      port: 0,
      readiness: async () => ({}),
      metrics: () => [],
      pages: portalPages(config, noParts(), () => ({ db, sealer, gateways }), log),
      trustedProxies: ['127.0.0.1'],
      log,
    });
    server.app.server.prependListener('request', (asked, reply) => {
      const name = asked.headers[NAME_HEADER];
      if (typeof name !== 'string') return;
      const began = performance.now();
      reply.once('finish', () => {
        times[name] ??= [];
        times[name].push(performance.now() - began);
      });
    });
    return tell({ kind: 'open', port: server.port });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) serve();

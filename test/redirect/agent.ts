import { createSocket } from 'node:dgram';
import { Agent, createServer, request } from 'node:http';
import { createServer as createTcpServer, connect as tcpConnect } from 'node:net';
import { startDns } from '#test/redirect/dns';
import { type Portal, startPortal } from '#test/redirect/portal';

/**
 * A process inside a network namespace that does there what the test asks by IPC. It ends when the test does, however
 * that ends.
 */

/** How something ended that the customer tried. */
export type Outcome = {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
  readonly body?: string;
  /** Code of the error, such as ECONNREFUSED; `silence` when nothing came. */
  readonly error?: string;
  readonly ms: number;
};

const PATIENCE_MS = 10_000;
/** Keeps a connection, as browsers do; without probes, which the rules would answer before a test asks. */
const kept = new Agent({ keepAlive: true, keepAliveMsecs: 10 * 60_000, maxSockets: 1 });

async function timed(work: Promise<Omit<Outcome, 'ms'>>, patienceMs = PATIENCE_MS): Promise<Outcome> {
  const began = performance.now();
  const silence = new Promise<Omit<Outcome, 'ms'>>((resolve) => {
    setTimeout(resolve, patienceMs, { error: 'silence' }).unref();
  });
  const outcome = await Promise.race([work, silence]);
  return { ...outcome, ms: Math.round(performance.now() - began) };
}

const codeOf = (error: Error): { error: string } => ({ error: 'code' in error ? String(error.code) : error.message });

/** What an agent can do. Arguments and results go through JSON. */
const abilities = {
  get: (url: string, options: { keep?: boolean } = {}) =>
    timed(
      new Promise((resolve) => {
        // As browsers ask: whoever answers decides whether the connection is kept.
        const agent = options.keep === true ? kept : new Agent({ keepAlive: true });
        const asked = request(url, { agent }, (response) => {
          const parts: Buffer[] = [];
          response.on('data', (part: Buffer) => parts.push(part));
          response.on('error', (error) => resolve(codeOf(error)));
          response.on('end', () =>
            resolve({
              status: response.statusCode!,
              headers: response.headers,
              body: Buffer.concat(parts).toString(),
            }),
          );
        });
        asked.on('error', (error) => resolve(codeOf(error)));
        asked.end();
      }),
    ),

  connect: (host: string, port: number) =>
    timed(
      new Promise((resolve) => {
        const socket = tcpConnect(port, host);
        socket.on('connect', () => resolve({ status: 0 }));
        socket.on('error', (error) => resolve(codeOf(error)));
        socket.on('close', () => socket.destroy());
      }),
    ),

  /** One datagram, and what comes back: an answer, or an ICMP error. */
  datagram: (host: string, port: number, patienceMs?: number) =>
    timed(
      new Promise((resolve) => {
        const socket = createSocket('udp4');
        const done = (outcome: Omit<Outcome, 'ms'>) => {
          resolve(outcome);
          socket.close();
        };
        socket.once('message', (answer) => done({ status: 0, body: answer.toString() }));
        socket.once('error', (error) => done(codeOf(error)));
        socket.connect(port, host, () => socket.send('hello'));
      }),
      patienceMs,
    ),

  /** Sends back every datagram, and counts them. */
  echo: async (port: number) => {
    const socket = createSocket('udp4').on('message', (part, from) => {
      echoed += 1;
      socket.send(part, from.port, from.address);
    });
    await new Promise<void>((resolve) => socket.bind(port, resolve));
  },

  echoed: async () => echoed,

  dns: async (host: string, address: string) => {
    dns = await startDns(host, address);
  },
  dnsAsked: async () => dns?.asked() ?? 0,

  /** Everything beyond the router: a web server, something on 443, over TCP and over UDP. */
  internet: async () => {
    const web = createServer((asked, response) => {
      if (asked.url!.endsWith('_204')) response.writeHead(204).end();
      else response.setHeader('content-type', 'text/html').end('<!doctype html><title>the internet</title>');
    });
    // A connection that a test keeps is cut by the rules, not by a server that got tired of it on a slow machine.
    web.keepAliveTimeout = 10 * 60_000;
    const secure = createTcpServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.on('data', () => socket.end());
    });
    await new Promise<void>((resolve) => web.listen(80, resolve));
    await new Promise<void>((resolve) => secure.listen(443, resolve));
    await abilities.echo(443);
  },

  portal: async (customer: string) => {
    const portal = await startPortal(customer, (lists) => process.send?.({ lists }));
    served = portal;
    return portal.httpPort;
  },
  gerbang: async (...args: string[]) => served?.gerbang(...args),
  openWindow: async () => served?.openWindow(),
  windowEndsIn: async (ms: number) => served?.windowEndsIn(ms),
} satisfies Record<string, (...args: never[]) => Promise<unknown>>;
export type Abilities = typeof abilities;

let echoed = 0;
let dns: { asked(): number } | null = null;
let served: Portal | null = null;

process.on('message', async ({ id, what, args }: { id: number; what: keyof Abilities; args: never[] }) => {
  try {
    const does: (...args: never[]) => Promise<unknown> = abilities[what];
    process.send?.({ id, result: await does(...args) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
process.on('disconnect', async () => {
  try {
    await served?.stop();
  } finally {
    process.exit();
  }
});

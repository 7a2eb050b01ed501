import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Abilities } from '#test/redirect/agent';
import { type Firewall, TABLE } from '#test/redirect/nft';

const run = promisify(execFile);
const agentFile = fileURLToPath(new URL('agent.ts', import.meta.url));

/**
 * A small network of its own in namespaces: customer, router, portal and internet, each behind the router on a link that
 * exists nowhere else. The machine's own network sees nothing of it.
 *
 * ```
 * customer 100.64.77.2 ── router ── 10.77.0.2 portal
 *                            └────── 198.51.100.10 internet, and there 203.0.113.53, the DNS server customers are told
 *                                    of, and 192.0.2.80, which stays open without a package
 * ```
 */
export const CUSTOMER = '100.64.77.2';
export const PORTAL = '10.77.0.2';
export const INTERNET = '198.51.100.10';
export const DNS = '203.0.113.53';
export const GARDEN = '192.0.2.80';

const PLACES = ['customer', 'router', 'portal', 'internet'] as const;
type Place = (typeof PLACES)[number];
const LINKS = [
  { place: 'customer', address: CUSTOMER, router: '100.64.77.1' },
  { place: 'portal', address: PORTAL, router: '10.77.0.1' },
  { place: 'internet', address: INTERNET, router: '198.51.100.1' },
] as const;

/** Each place's end of its link to the router. */
const UPLINK = 'uplink';

/** Names of namespaces begin so, then comes the process that made them. */
const PREFIX = 'gbtest';
const PATIENCE_MS = 20_000;

export class Network {
  readonly #agents: Agent[] = [];
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(): Promise<Network> {
    await removeLeftovers();
    const network = new Network(await mkdtemp(join(tmpdir(), 'gerbang-network-')));
    try {
      await network.#build();
      return network;
    } catch (error) {
      await network.close();
      throw error;
    }
  }

  /** A command that starts another in one of the places, with the customers' DNS server as its own. */
  into(place: Place): string[] {
    const become = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
    return ['ip', 'netns', 'exec', nameOf(place), 'sh', '-c', become, join(this.#folder, 'resolv.conf')];
  }

  agent(place: Place): Agent {
    const agent = new Agent(this.into(place));
    this.#agents.push(agent);
    return agent;
  }

  /** Gives the router its rules, and into its lists what the script put there. */
  async firewall({ ruleset, members }: Firewall): Promise<void> {
    const file = join(this.#folder, 'rules.nft');
    const elements = members.map(({ list, address }) => `add element ip ${TABLE} ${list} { ${address} }\n`);
    await writeFile(file, ruleset + elements.join(''));
    await this.#router('nft', '-f', file);
  }

  /** Makes a list of the router hold these addresses and no other. */
  async list(name: string, addresses: readonly string[]): Promise<void> {
    const file = join(this.#folder, 'list.nft');
    const added = addresses.map((address) => `add element ip ${TABLE} ${name} { ${address} }\n`);
    await writeFile(file, `flush set ip ${TABLE} ${name}\n${added.join('')}`);
    await this.#router('nft', '-f', file);
  }

  async close(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.end()));
    for (const place of PLACES) await removeNamespace(nameOf(place));
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #build(): Promise<void> {
    await writeFile(join(this.#folder, 'resolv.conf'), `nameserver ${DNS}\noptions timeout:2 attempts:2\n`);
    for (const place of PLACES) {
      await ip('netns', 'add', nameOf(place));
      await ip('-n', nameOf(place), 'link', 'set', 'lo', 'up');
    }
    for (const { place, address, router } of LINKS) {
      // Made inside the router, so that neither end is ever seen outside.
      const peer = ['peer', 'name', UPLINK, 'netns', nameOf(place)];
      await ip('-n', nameOf('router'), 'link', 'add', place, 'type', 'veth', ...peer);
      await ip('-n', nameOf('router'), 'address', 'add', `${router}/24`, 'dev', place);
      await ip('-n', nameOf('router'), 'link', 'set', place, 'up');
      await ip('-n', nameOf(place), 'address', 'add', `${address}/24`, 'dev', UPLINK);
      await ip('-n', nameOf(place), 'link', 'set', UPLINK, 'up');
      await ip('-n', nameOf(place), 'route', 'add', 'default', 'via', router);
    }
    for (const address of [DNS, GARDEN]) {
      await ip('-n', nameOf('internet'), 'address', 'add', `${address}/32`, 'dev', 'lo');
      await ip('-n', nameOf('router'), 'route', 'add', `${address}/32`, 'via', INTERNET);
    }
    await this.#router('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
  }

  async #router(...command: readonly string[]): Promise<void> {
    await ip('netns', 'exec', nameOf('router'), ...command);
  }
}

const nameOf = (place: Place): string => `${PREFIX}${process.pid}-${place}`;

async function ip(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('ip', args, { timeout: PATIENCE_MS });
  return stdout;
}

/** What a run that was killed left behind. Its processes ended with it, for their line to it was cut. */
async function removeLeftovers(): Promise<void> {
  // The folder is there once the first namespace was made.
  const names = await readdir('/run/netns').catch((): string[] => []);
  for (const name of names) {
    const owner = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) await removeNamespace(name);
  }
}

async function removeNamespace(name: string): Promise<void> {
  const names = await readdir('/run/netns').catch((): string[] => []);
  if (names.includes(name)) await ip('netns', 'delete', name);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

type Waiting = { resolve(value: unknown): void; reject(error: Error): void };

/** The test's end of `agent.ts`. */
export class Agent {
  /** What the router of the portal's agent holds in its address-lists, each time that changes. */
  onLists: (lists: Readonly<Record<string, readonly string[]>>) => void = () => undefined;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;
  #said = '';

  constructor(command: readonly string[]) {
    const [program = 'ip', ...args] = [...command, process.execPath, agentFile];
    const { VITEST: _vitest, NODE_OPTIONS: _options, ...env } = process.env;
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], env });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding('utf8').on('data', (part: string) => {
        this.#said = (this.#said + part).slice(-5_000);
      });
    }
    this.#child.on('message', (message) => this.#hear(message as Message));
    this.#child.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the agent ended:\n${this.#said}`));
    });
  }

  /** Has the agent do something. Rejects with what it complains, or when it takes longer than two minutes. */
  do<What extends keyof Abilities>(what: What, ...args: Parameters<Abilities[What]>): ReturnType<Abilities[What]> {
    this.#asked += 1;
    const id = this.#asked;
    const answer = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${what} took too long:\n${this.#said}`)), 120_000);
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        act();
      };
      this.#waiting.set(id, {
        resolve: (value) => settle(() => resolve(value)),
        reject: (error) => settle(() => reject(error)),
      });
      this.#child.send({ id, what, args });
    });
    return answer as ReturnType<Abilities[What]>;
  }

  /** Cuts the line to it, at which it ends by itself. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    // Not 'close': Node does not tell it once this side has disconnected.
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 40_000);
    if (this.#child.connected) this.#child.disconnect();
    await ended;
    clearTimeout(timer);
  }

  #hear(message: Message): void {
    if ('lists' in message) {
      this.onLists(message.lists);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    if ('error' in message) waiting?.reject(new Error(message.error));
    else waiting?.resolve(message.result);
  }
}

type Message =
  | { readonly lists: Readonly<Record<string, readonly string[]>> }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string };

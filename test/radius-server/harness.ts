import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { type Clock, monotonicMs, systemClock } from '#domain/clock';
import type { Facts } from '#domain/facts';
import type { Plan } from '#domain/plan';
import { defaultPolicy, type Policy } from '#domain/policy';
import { onlyPolicy } from '#domain/rollout';
import { DAY, type Instant } from '#domain/time';
import type { AccessEvents, UnprovenReason } from '#radius/access';
import { Directory, type DirectoryEntry, type Line } from '#radius/directory';
import type { NasEntry } from '#radius/nas-table';
import { type AccountingJournal, RadiusServer, type ServerSettings } from '#radius/server';
import { UdpPort } from '#radius/sockets';
import type { RejectReason } from '#radius/worker-messages';
import { papDial } from '#test/radius-server/requests';

/** A RADIUS server on loopback and a NAS that asks it, for tests. */

export const SECRET = 'a shared secret of 32 characters';
export const NOON = Date.UTC(2026, 10, 20, 5);

export const NAS: NasEntry = {
  id: 1,
  name: 'pop-1',
  tags: ['pop'],
  address: '127.0.0.1',
  secret: SECRET,
  messageAuthenticator: 'off',
  messageAuthenticatorSeen: false,
  swapOctets: false,
};

export const HOME_20: Plan = {
  revisionId: 1,
  name: 'home-20',
  rate: { downloadBps: 20e6, uploadBps: 5e6, burst: null },
  allowanceBytes: null,
  period: { months: 1 },
  priceRupiah: 150_000,
  profile: null,
};

export const ANY_LINE: Line = {
  mac: null,
  sessionLimit: 1,
  staticIp: null,
  framedIpv6Prefix: null,
  delegatedIpv6Prefix: null,
};

/** A subscriber covered for ten days from NOON, unless told otherwise. */
export function entry(
  username: string,
  password: string,
  facts: Partial<Facts> = {},
  line: Partial<Line> = {},
): DirectoryEntry {
  const subscriberId = facts.subscriberId ?? [...username].reduce((sum, c) => sum * 31 + c.charCodeAt(0), 7) % 1e9;
  return {
    facts: {
      subscriberId,
      username,
      billing: 'prepaid',
      tags: [],
      suspendedSince: null,
      owesSince: null,
      openings: [],
      grants: [
        { id: subscriberId, plan: HOME_20, from: NOON - 20 * DAY, until: NOON + 10 * DAY, usedBytes: 0, metered: null },
      ],
      chargedBytes: 0,
      nas: null,
      version: 1,
      ...facts,
    },
    password,
    line: { ...ANY_LINE, ...line },
  };
}

/** A journal that keeps what it is given and is durable when the test says so. */
export class TestJournal implements AccountingJournal {
  readonly records: { nasId: number; nasAddress: Uint8Array; receivedAt: Instant; packet: Buffer }[] = [];
  healthy = true;
  refuses = false;
  /** Whether every record is on disk at once. */
  immediate = true;
  server: RadiusServer | null = null;

  append(nasId: number, nasAddress: Uint8Array, receivedAt: Instant, packet: Uint8Array, length: number): number {
    if (this.refuses) return -1;
    this.records.push({ nasId, nasAddress, receivedAt, packet: Buffer.from(packet.subarray(0, length)) });
    if (this.immediate) setImmediate(() => this.flush());
    return this.records.length - 1;
  }

  flush(): void {
    this.server?.durable(this.records.length);
  }
}

export class TestEvents implements AccessEvents {
  readonly refused: { username: string; nasId: number; reason: RejectReason; mac: string | null; at: Instant }[] = [];
  readonly limits: number[] = [];
  readonly learned: number[] = [];
  readonly unprovenDrops: string[] = [];

  rejected(username: string, nasId: number, reason: RejectReason, mac: string | null, at: Instant): void {
    this.refused.push({ username, nasId, reason, mac, at });
  }

  limitReached(subscriberId: number): void {
    this.limits.push(subscriberId);
  }

  learnedMessageAuthenticator(nasId: number): void {
    this.learned.push(nasId);
  }

  unproven(nas: string, reason: UnprovenReason): void {
    this.unprovenDrops.push(`${nas}: ${reason}`);
  }
}

export type Bench = {
  readonly server: RadiusServer;
  readonly directory: Directory;
  readonly journal: TestJournal;
  readonly events: TestEvents;
  readonly errors: unknown[];
};

export type BenchOptions = {
  readonly entries?: readonly DirectoryEntry[];
  readonly nases?: readonly NasEntry[];
  readonly policy?: Policy | null;
  readonly clock?: Clock;
  readonly settings?: Partial<ServerSettings>;
  /** Whether the snapshot is complete; yes unless told otherwise. */
  readonly complete?: boolean;
};

/** A server without sockets. */
export function makeServer(options: BenchOptions = {}): Bench {
  const directory = new Directory();
  const policy = options.policy === undefined ? defaultPolicy('Asia/Jakarta') : options.policy;
  if (policy !== null) directory.setPolicies(onlyPolicy(policy));
  directory.put(options.entries ?? [entry('demo', 'arctangent')]);
  if (options.complete !== false) directory.snapshotDone();
  const journal = new TestJournal();
  const events = new TestEvents();
  const errors: unknown[] = [];
  const server = new RadiusServer({
    directory,
    journal,
    events,
    clock: options.clock ?? (() => NOON),
    monotonicMs,
    onError: (error) => errors.push(error),
    rejectDelayMs: { least: 0, most: 0 },
    memory: { entries: 4096, ringOctets: 2 ** 20, lifeMs: 10_000 },
    ...options.settings,
  });
  journal.server = server;
  server.setNases(options.nases ?? [NAS]);
  return { server, directory, journal, events, errors };
}

export type UdpBench = Bench & {
  readonly authPort: number;
  readonly acctPort: number;
  client(address?: string): Promise<Client>;
  close(): Promise<void>;
};

/** The same on real sockets. */
export async function startServer(
  options: BenchOptions & { readonly hosts?: readonly string[] } = {},
): Promise<UdpBench> {
  const bench = makeServer(options);
  const common = {
    hosts: options.hosts ?? ['127.0.0.1'],
    port: 0,
    reusePort: false,
    onError: (error: Error) => bench.errors.push(error),
  };
  const auth = await UdpPort.open({
    ...common,
    onDatagram: (datagram, from, socket) => bench.server.authentication(datagram, from, socket),
  });
  const acct = await UdpPort.open({
    ...common,
    onDatagram: (datagram, from, socket) => bench.server.accounting(datagram, from, socket),
  });
  const clients: Client[] = [];
  return {
    ...bench,
    authPort: auth.port,
    acctPort: acct.port,
    client: async (address = '127.0.0.1') => {
      const client = await Client.open(address);
      clients.push(client);
      return client;
    },
    close: async () => {
      for (const client of clients) client.close();
      bench.server.close();
      await Promise.all([auth.close(), acct.close()]);
    },
  };
}

export type Heard = { readonly bytes: Buffer; readonly from: RemoteInfo; readonly atMs: number };

/** A NAS: one source port, hearing everything that comes to it. */
export class Client {
  readonly #socket: Socket;
  readonly heard: Heard[] = [];
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (bytes, from) => {
      this.heard.push({ bytes, from, atMs: monotonicMs() });
      this.#wake();
    });
  }

  static open(address: string): Promise<Client> {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(0, address, () => resolve(new Client(socket)));
    });
  }

  send(bytes: Buffer, port: number, host = '127.0.0.1'): void {
    this.#socket.send(bytes, port, host);
  }

  /** Waits until so many replies have been heard in all. */
  async until(count: number): Promise<Heard[]> {
    const giveUpAt = systemClock() + 5000;
    while (this.heard.length < count) {
      const left = giveUpAt - systemClock();
      if (left <= 0) throw new Error(`heard ${this.heard.length} of ${count} replies`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.heard;
  }

  /** Sends and gives the reply. */
  async ask(bytes: Buffer, port: number, host?: string): Promise<Buffer> {
    const before = this.heard.length;
    this.send(bytes, port, host);
    return (await this.until(before + 1)).at(-1)!.bytes;
  }

  /**
   * What is answered to `bytes` before a dial that is surely answered is: null = nothing. The server takes datagrams in
   * order, so no answer by then means silence and nobody has to wait for a time-out.
   */
  async askOrSilence(bytes: Buffer, port: number, sure: Buffer): Promise<Buffer | null> {
    const before = this.heard.length;
    this.send(bytes, port);
    this.send(sure, port);
    const isSure = (reply: Heard): boolean => reply.bytes[1] === sure[1];
    while (!this.heard.slice(before).some(isSure)) await this.until(this.heard.length + 1);
    return this.heard.slice(before).find((reply) => !isSure(reply))?.bytes ?? null;
  }

  close(): void {
    this.#socket.close();
  }
}

/** A dial that is surely accepted, under an Identifier no test uses otherwise. */
export const sureDial = (username = 'demo', password = 'arctangent', secret = SECRET): Buffer =>
  papDial(username, password, secret, { identifier: 255 });

export type Said = { readonly bytes: Buffer; readonly port: number; readonly address: string };

/** What a server without sockets says to one datagram: for a great many of them. */
export class Wire {
  readonly said: Said[] = [];
  readonly #server: RadiusServer;

  constructor(server: RadiusServer) {
    this.#server = server;
  }

  send(octets: Uint8Array, offset: number, length: number, port: number, address: string): void {
    this.said.push({ bytes: Buffer.from(octets.subarray(offset, offset + length)), port, address });
  }

  /** Takes what was said so far away. */
  take(): Said[] {
    return this.said.splice(0);
  }

  authenticate(datagram: Uint8Array, port = 40_000, address = '127.0.0.1'): Buffer | null {
    this.#server.authentication(datagram, { address, family: 'IPv4', port, size: datagram.length }, this);
    return this.take()[0]?.bytes ?? null;
  }

  account(datagram: Uint8Array, port = 40_001, address = '127.0.0.1'): Buffer | null {
    this.#server.accounting(datagram, { address, family: 'IPv4', port, size: datagram.length }, this);
    return this.take()[0]?.bytes ?? null;
  }
}

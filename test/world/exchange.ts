import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** One request as it is sent; `elapsedMs` since the first try, so that accounting can say Acct-Delay-Time. */
export type Build = (identifier: number, elapsedMs: number) => Buffer;

type Pending = {
  build: Build;
  rebuild: boolean;
  request: Buffer;
  tries: number;
  /** Which of the servers is asked. */
  server: number;
  startedAt: number;
  timer: NodeJS.Timeout | null;
  done: (reply: Buffer | null) => void;
};

type Lane = { socket: Socket; pending: (Pending | undefined)[]; next: number; busy: number };

export type ExchangeOptions = {
  localAddress: string;
  /** In the order of `/radius`: every request begins with the first, for no server is remembered to be dead. */
  servers: readonly { host: string; port: number }[];
  timeoutMs: number;
  tries: number;
  /** Source ports used at once; each carries 256 identifiers (RFC 2865 3). */
  ports: number;
  /** Null when the reply may be believed, else why not. */
  faultOf: (reply: Buffer, request: Buffer) => string | null;
  onFault: (fault: string) => void;
};

/**
 * Sends requests to a RADIUS server and waits for their replies as RouterOS does: a try each `timeoutMs`, then so many at
 * the next server where there is one, then it gives up.
 * Authentication repeats the same octets; accounting is built anew (a new Acct-Delay-Time needs a new Identifier,
 * RFC 2866 5.2).
 */
export class Exchange {
  #options: ExchangeOptions;
  #lanes: Lane[] = [];
  #waiting: { build: Build; rebuild: boolean; done: (reply: Buffer | null) => void }[] = [];
  #closed = false;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    for (let i = 0; i < this.#options.ports; i++) {
      const socket = createSocket('udp4');
      const lane: Lane = { socket, pending: new Array(256), next: 0, busy: 0 };
      socket.on('message', (reply) => this.#onReply(lane, reply));
      // An ICMP "port unreachable" of a server that is down: the try times out like any other.
      socket.on('error', (error) => this.#options.onFault(error.message));
      socket.bind(0, this.#options.localAddress);
      await once(socket, 'listening');
      socket.setRecvBufferSize(4 << 20);
      this.#lanes.push(lane);
    }
  }

  /** The believed reply, or null when every try went unanswered. */
  send(build: Build, options: { rebuild: boolean }): Promise<Buffer | null> {
    return new Promise((done) => {
      this.#waiting.push({ build, rebuild: options.rebuild, done });
      this.#admit();
    });
  }

  close(): void {
    this.#closed = true;
    this.forget();
    for (const lane of this.#lanes) lane.socket.close();
  }

  /** Forgets everything that is under way, as a reboot does; whoever waited gets null. */
  forget(): void {
    for (const waiting of this.#waiting.splice(0)) waiting.done(null);
    for (const lane of this.#lanes) {
      lane.pending.forEach((pending, identifier) => {
        if (pending) this.#finish(lane, identifier, null);
      });
    }
  }

  #admit(): void {
    while (this.#waiting.length > 0 && !this.#closed) {
      const lane = this.#lanes.reduce((least, other) => (other.busy < least.busy ? other : least));
      if (lane.busy === 256) return;
      const { build, rebuild, done } = this.#waiting.shift()!;
      const pending: Pending = {
        build,
        rebuild,
        request: Buffer.alloc(0),
        tries: 0,
        server: 0,
        startedAt: performance.now(),
        timer: null,
        done,
      };
      const identifier = this.#place(lane, pending);
      pending.request = build(identifier, 0);
      this.#transmit(lane, identifier, pending);
    }
  }

  #place(lane: Lane, pending: Pending): number {
    while (lane.pending[lane.next]) lane.next = (lane.next + 1) % 256;
    const identifier = lane.next;
    lane.pending[identifier] = pending;
    lane.busy++;
    lane.next = (identifier + 1) % 256;
    return identifier;
  }

  #transmit(lane: Lane, identifier: number, pending: Pending): void {
    pending.tries++;
    const { port, host } = this.#options.servers[pending.server]!;
    lane.socket.send(pending.request, port, host);
    pending.timer = setTimeout(() => this.#onTimeout(lane, identifier, pending), this.#options.timeoutMs);
  }

  #onTimeout(lane: Lane, identifier: number, pending: Pending): void {
    if (pending.tries >= this.#options.tries) {
      pending.server += 1;
      pending.tries = 0;
      if (pending.server === this.#options.servers.length) {
        this.#finish(lane, identifier, null);
        return;
      }
    }
    if (!pending.rebuild) {
      this.#transmit(lane, identifier, pending);
      return;
    }
    // The old place stays taken while the new one is sought, so that the Identifier really differs.
    const next = lane.busy < 256 ? this.#place(lane, pending) : identifier;
    if (next !== identifier) {
      lane.pending[identifier] = undefined;
      lane.busy--;
    }
    pending.request = pending.build(next, performance.now() - pending.startedAt);
    this.#transmit(lane, next, pending);
  }

  #onReply(lane: Lane, reply: Buffer): void {
    const identifier = reply[1];
    const pending = identifier === undefined ? undefined : lane.pending[identifier];
    if (identifier === undefined || !pending) return;
    const fault = this.#options.faultOf(reply, pending.request);
    if (fault === null) this.#finish(lane, identifier, reply);
    else this.#options.onFault(fault);
  }

  #finish(lane: Lane, identifier: number, reply: Buffer | null): void {
    const pending = lane.pending[identifier];
    if (!pending) return;
    if (pending.timer) clearTimeout(pending.timer);
    lane.pending[identifier] = undefined;
    lane.busy--;
    pending.done(reply);
    this.#admit();
  }
}

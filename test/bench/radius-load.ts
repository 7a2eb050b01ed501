import { createSocket, type Socket } from 'node:dgram';
import { fileURLToPath } from 'node:url';
import { mschapDial } from '#test/bench/mschap-dial';
import { password, username } from '#test/bench/subscribers';
import { papDial } from '#test/radius-server/requests';

/**
 * The load generator: a process of its own that makes its packets beforehand, then keeps a window of them outstanding
 * (closed loop) or sends at a rate. Each source port has each Identifier outstanding at most once, as a router does;
 * successive rounds through the packets use other ports, so that no dial is a repetition of an earlier one.
 */

export type LoadPlan = {
  readonly port: number;
  readonly secret: string;
  readonly subscribers: number;
  readonly credential: 'pap' | 'mschap';
  /** Different packets made; a round is once through them. */
  readonly packets: number;
  readonly rounds: number;
  readonly seconds: number;
} & ({ readonly window: number } | { readonly perSecond: number });

export type LoadResult = {
  readonly answeredPerSecond: number;
  readonly accepts: number;
  readonly rejects: number;
  readonly lost: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

const PORTS_PER_ROUND = 16;
const LOST_AFTER_MS = 1000;

class Load {
  readonly #plan: LoadPlan;
  readonly #packets: Buffer[];
  readonly #sockets: Socket[] = [];
  /** When the request outstanding at [socket × 256 + identifier] was sent; 0 = none. */
  readonly #sentAt: Float64Array;
  readonly #latencies: number[] = [];
  #next = 0;
  #outstanding = 0;
  #accepts = 0;
  #rejects = 0;
  #lost = 0;
  /** The span that is measured, on `performance.now()`'s scale. */
  #from = Number.POSITIVE_INFINITY;
  #until = Number.POSITIVE_INFINITY;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#packets = Array.from({ length: plan.packets }, (_, i) => {
      const subscriber = (i * 104_729) % plan.subscribers;
      const identifier = Math.floor(i / PORTS_PER_ROUND) & 255;
      const dial = plan.credential === 'pap' ? papDial : mschapDial;
      return dial(username(subscriber), password(subscriber), plan.secret, { identifier });
    });
    this.#sentAt = new Float64Array(PORTS_PER_ROUND * plan.rounds * 256);
  }

  async run(): Promise<LoadResult> {
    for (let i = 0; i < PORTS_PER_ROUND * this.#plan.rounds; i += 1) this.#sockets.push(await this.#open(i));
    const lost = setInterval(() => this.#findLost(), 200);
    if ('window' in this.#plan) this.#fill(this.#plan.window);
    const pace = 'perSecond' in this.#plan ? this.#pace(this.#plan.perSecond) : undefined;
    // Warm is a server to which everybody has dialled before; at a given rate, which comes after, a second is enough.
    await elapsed(1000);
    while ('window' in this.#plan && this.#next < this.#plan.packets) await elapsed(10);
    this.#from = performance.now();
    this.#until = this.#from + this.#plan.seconds * 1000;
    await elapsed(this.#plan.seconds * 1000);
    clearInterval(lost);
    clearInterval(pace);
    for (const socket of this.#sockets) socket.close();
    return this.#result();
  }

  #open(index: number): Promise<Socket> {
    const socket = createSocket({ type: 'udp4', lookup: (host, _, done) => done(null, host, 4) });
    socket.on('message', (reply) => this.#take(index, reply));
    return new Promise((resolve) => {
      socket.bind(0, '127.0.0.1', () => {
        socket.setRecvBufferSize(4 * 2 ** 20);
        socket.connect(this.#plan.port, '127.0.0.1', () => resolve(socket));
      });
    });
  }

  #take(socket: number, reply: Buffer): void {
    const slot = socket * 256 + reply[1]!;
    const sentAt = this.#sentAt[slot]!;
    if (sentAt === 0) return;
    this.#sentAt[slot] = 0;
    this.#outstanding -= 1;
    const now = performance.now();
    if (now >= this.#from && now < this.#until) {
      if (reply[0] === 2) this.#accepts += 1;
      else this.#rejects += 1;
      this.#latencies.push(now - sentAt);
    }
    if ('window' in this.#plan && now < this.#until) this.#fill(this.#plan.window);
  }

  #fill(window: number): void {
    while (this.#outstanding < window) this.#send();
  }

  #pace(perSecond: number): NodeJS.Timeout {
    const start = performance.now();
    let sent = 0;
    return setInterval(() => {
      const due = Math.floor(((performance.now() - start) / 1000) * perSecond);
      for (; sent < due; sent += 1) this.#send();
    }, 1);
  }

  #send(): void {
    const { packets, rounds } = this.#plan;
    const which = this.#next % packets;
    const round = Math.floor(this.#next / packets) % rounds;
    const socket = round * PORTS_PER_ROUND + (which % PORTS_PER_ROUND);
    const datagram = this.#packets[which]!;
    const slot = socket * 256 + datagram[1]!;
    this.#next += 1;
    if (this.#sentAt[slot] !== 0) this.#lost += 1;
    else this.#outstanding += 1;
    this.#sentAt[slot] = performance.now();
    this.#sockets[socket]!.send(datagram);
  }

  #findLost(): void {
    const before = performance.now() - LOST_AFTER_MS;
    for (let slot = 0; slot < this.#sentAt.length; slot += 1) {
      const sentAt = this.#sentAt[slot]!;
      if (sentAt === 0 || sentAt > before) continue;
      this.#sentAt[slot] = 0;
      this.#outstanding -= 1;
      if (sentAt >= this.#from) this.#lost += 1;
    }
    if ('window' in this.#plan && performance.now() < this.#until) this.#fill(this.#plan.window);
  }

  #result(): LoadResult {
    const sorted = Float64Array.from(this.#latencies).sort();
    const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
    return {
      answeredPerSecond: sorted.length / this.#plan.seconds,
      accepts: this.#accepts,
      rejects: this.#rejects,
      lost: this.#lost,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
    };
  }
}

const elapsed = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.once('message', async (plan: LoadPlan) => {
    const result = await new Load(plan).run();
    process.send?.(result, () => process.disconnect());
  });
}

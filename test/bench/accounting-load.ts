import { hash } from 'node:crypto';
import type { Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { accountingRequest, routerOs } from '#test/accounting/requests';

/**
 * The load of the accounting bench, a process of its own: a NAS with so many sessions that sends Interims of one after the
 * other and keeps a window of them unacknowledged. The packets are made beforehand and only what changes is written anew:
 * Acct-Session-Time, the octets, and the Request Authenticator, whose MD5 is the greater part of what this process does,
 * so each session's packets of several rounds are made ready with their authenticators.
 */

export type AccountingLoadPlan = {
  readonly port: number;
  readonly secret: string;
  readonly sessions: number;
  /** How many Interims of each session are made beforehand; the load ends when all are sent. */
  readonly rounds: number;
  readonly seconds: number;
  readonly window: number;
};

export type AccountingLoadResult = {
  readonly sent: number;
  readonly acknowledged: number;
  readonly seconds: number;
  readonly lost: number;
};

export const username = (i: number): string => `u${String(i).padStart(7, '0')}@isp.example`;
export const token = (i: number): Buffer => {
  const octets = Buffer.alloc(16, 3);
  octets.writeUInt32BE(i, 0);
  return octets;
};
export const STEP_BYTES = 1_000_003;

const PORTS = 64;

class Load {
  readonly #plan: AccountingLoadPlan;
  readonly #packets: Buffer[] = [];
  readonly #sockets: Socket[] = [];
  /** When the request outstanding at [socket × 256 + identifier] was sent; 0 = none. */
  readonly #sentAt = new Float64Array(PORTS * 256);
  #next = 0;
  #outstanding = 0;
  #acknowledged = 0;
  #lost = 0;
  #until = 0;

  constructor(plan: AccountingLoadPlan) {
    this.#plan = plan;
    for (let round = 1; round <= plan.rounds; round += 1) {
      for (let i = 0; i < plan.sessions; i += 1) {
        const which = this.#packets.length;
        const before = this.#packets[which - plan.sessions];
        const packet = before ? following(before, round, identifierOf(which), plan.secret) : first(i, plan.secret);
        this.#packets.push(packet);
      }
    }
  }

  async run(): Promise<AccountingLoadResult> {
    for (let i = 0; i < PORTS; i += 1) this.#sockets.push(await this.#open(i));
    const start = performance.now();
    this.#until = start + this.#plan.seconds * 1000;
    const lost = setInterval(() => this.#findLost(), 200);
    this.#fill();
    await new Promise<void>((resolve) => {
      const look = setInterval(() => {
        if (performance.now() < this.#until && this.#next < this.#packets.length) return;
        clearInterval(look);
        resolve();
      }, 5);
    });
    const seconds = (performance.now() - start) / 1000;
    const acknowledged = this.#acknowledged;
    this.#until = 0;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    clearInterval(lost);
    for (const socket of this.#sockets) socket.close();
    return { sent: this.#next, acknowledged, seconds, lost: this.#lost };
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
    if (this.#sentAt[slot] === 0) return;
    this.#sentAt[slot] = 0;
    this.#outstanding -= 1;
    this.#acknowledged += 1;
    if (this.#outstanding <= this.#plan.window - 32) this.#fill();
  }

  #fill(): void {
    const now = performance.now();
    if (now >= this.#until) return;
    while (this.#outstanding < this.#plan.window && this.#next < this.#packets.length) {
      const which = this.#next;
      const slot = slotOf(which);
      if (this.#sentAt[slot] !== 0) return;
      this.#next += 1;
      this.#sentAt[slot] = now;
      this.#outstanding += 1;
      this.#sockets[which % PORTS]!.send(this.#packets[which]!);
    }
  }

  /** A request unanswered for a second is given up: its place is free, and it is counted. */
  #findLost(): void {
    const before = performance.now() - 1000;
    for (let slot = 0; slot < this.#sentAt.length; slot += 1) {
      const at = this.#sentAt[slot]!;
      if (at === 0 || at > before) continue;
      this.#sentAt[slot] = 0;
      this.#outstanding -= 1;
      this.#lost += 1;
    }
    this.#fill();
  }
}

const identifierOf = (which: number): number => Math.floor(which / PORTS) & 255;
const slotOf = (which: number): number => (which % PORTS) * 256 + identifierOf(which);

/** The next Interim of a session: the one before with a new Identifier, counters and Request Authenticator. */
function following(before: Buffer, round: number, identifier: number, secret: string): Buffer {
  const packet = Buffer.from(before);
  packet[1] = identifier;
  packet.fill(0, 4, 20);
  const up = round * STEP_BYTES;
  const down = up * 9;
  for (let at = 20; at < packet.length; at += packet[at + 1]!) {
    if (packet[at] === 46) packet.writeUInt32BE(round * 300, at + 2);
    if (packet[at] === 42) packet.writeUInt32BE(up % 2 ** 32, at + 2);
    if (packet[at] === 43) packet.writeUInt32BE(down % 2 ** 32, at + 2);
    if (packet[at] === 52) packet.writeUInt32BE(Math.floor(up / 2 ** 32), at + 2);
    if (packet[at] === 53) packet.writeUInt32BE(Math.floor(down / 2 ** 32), at + 2);
  }
  hash('md5', Buffer.concat([packet, Buffer.from(secret)]), 'buffer').copy(packet, 4);
  return packet;
}

function first(i: number, secret: string): Buffer {
  const said = { token: token(i), user: username(i), id: `81${i.toString(16).padStart(6, '0')}`, seconds: 300 };
  const attributes = routerOs({ ...said, ip: '10.20.30.40', up: STEP_BYTES, down: 9 * STEP_BYTES });
  return accountingRequest(attributes, secret, identifierOf(i));
}

if (process.send !== undefined && process.argv[2] !== undefined) {
  const load = new Load(JSON.parse(process.argv[2]) as AccountingLoadPlan);
  process.send('ready');
  process.once('message', () => {
    void load.run().then((result) => process.send?.(result, () => process.exit()));
  });
}

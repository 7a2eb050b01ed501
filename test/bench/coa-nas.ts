import { fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Packet, Secret, Writer } from '#radius/packet';

/**
 * NASes in a process of their own that acknowledge every CoA and note when each session's first one came in. Run as a
 * child by `startNases`; `now` is wall time with microseconds, comparable between processes of one machine.
 */

export const now = (): number => performance.timeOrigin + performance.now();

/** Per NAS: Acct-Session-Id → when the first request for it came in, in order of coming in; and how many came in all. */
export type NasReport = {
  readonly firstAt: readonly (readonly [acctSessionId: string, at: number])[];
  readonly requests: number;
};

type ToNases = { kind: 'open'; count: number; secret: string } | { kind: 'report' };
type FromNases = { kind: 'open'; ports: number[] } | { kind: 'report'; nases: NasReport[] };

export type BenchNases = { readonly ports: readonly number[]; report(): Promise<NasReport[]>; stop(): Promise<void> };

export async function startNases(count: number, secret: string): Promise<BenchNases> {
  const child = fork(fileURLToPath(import.meta.url), { execArgv: [] });
  const ask = async (message: ToNases): Promise<FromNases> => {
    const answer = once(child, 'message');
    child.send(message);
    return ((await answer) as [FromNases])[0];
  };
  const opened = await ask({ kind: 'open', count, secret });
  if (opened.kind !== 'open') throw new Error('the NASes did not open');
  return {
    ports: opened.ports,
    report: async () => {
      const report = await ask({ kind: 'report' });
      return report.kind === 'report' ? report.nases : [];
    },
    stop: async () => {
      const closed = once(child, 'close');
      child.kill();
      await closed;
    },
  };
}

class Nas {
  readonly #socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  readonly #packet = new Packet();
  readonly #writer = new Writer();
  readonly #firstAt = new Map<string, number>();
  #requests = 0;

  async open(secret: Secret): Promise<number> {
    this.#socket.on('message', (datagram, from) => {
      const at = now();
      if (!this.#packet.parse(datagram)) return;
      this.#requests += 1;
      const id = this.#packet.text(44) ?? '';
      if (!this.#firstAt.has(id)) this.#firstAt.set(id, at);
      this.#writer.begin(this.#packet.code + 1, this.#packet.identifier);
      const length = this.#writer.finishReply(this.#packet.authenticator, secret);
      this.#socket.send(Buffer.from(this.#writer.buffer.subarray(0, length)), from.port, from.address);
    });
    this.#socket.bind(0, '127.0.0.1');
    await once(this.#socket, 'listening');
    return this.#socket.address().port;
  }

  report(): NasReport {
    return { firstAt: [...this.#firstAt], requests: this.#requests };
  }
}

function serve(): void {
  const nases: Nas[] = [];
  process.on('message', async (message: ToNases) => {
    const tell = (answer: FromNases) => process.send?.(answer);
    if (message.kind === 'report') return tell({ kind: 'report', nases: nases.map((nas) => nas.report()) });
    const secret = new Secret(message.secret);
    nases.push(...Array.from({ length: message.count }, () => new Nas()));
    return tell({ kind: 'open', ports: await Promise.all(nases.map((nas) => nas.open(secret))) });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) serve();

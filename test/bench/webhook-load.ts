import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { now } from '#test/bench/coa-nas';

/** A gateway's side of its calls, in a process of its own: sends events at a steady pace over loopback and notes the answers. */
export type Load = { readonly url: string; readonly perSecond: number; readonly bodies: readonly string[] };
export type Answered = {
  /** By status; 0 = no answer. */
  readonly statuses: Readonly<Record<number, number>>;
  /** Wall time at which each was sent and answered, in the order of `bodies`. */
  readonly sentAt: readonly number[];
  readonly answeredAt: readonly number[];
};

const SOCKETS = 100;

export async function sendEvents(load: Load): Promise<Answered> {
  const child = fork(fileURLToPath(import.meta.url), { execArgv: [] });
  const answer = once(child, 'message');
  child.send(load);
  const [answered] = (await answer) as [Answered];
  const closed = once(child, 'close');
  child.kill();
  await closed;
  return answered;
}

async function send({ url, perSecond, bodies }: Load): Promise<Answered> {
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS });
  const statuses: Record<number, number> = {};
  const sentAt: number[] = [];
  const answeredAt: number[] = [];
  const began = now();
  const post = (body: string, at: number): Promise<void> =>
    new Promise((resolve) => {
      const ended = (status: number) => {
        statuses[status] = (statuses[status] ?? 0) + 1;
        answeredAt[at] = now();
        resolve();
      };
      sentAt[at] = now();
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const call = request(url, { method: 'POST', agent, headers }, (reply) => {
        reply.resume();
        reply.once('end', () => ended(reply.statusCode ?? 0));
      });
      call.once('error', () => ended(0));
      call.end(body);
    });
  const sending: Promise<void>[] = [];
  for (let at = 0; at < bodies.length; ) {
    for (const due = ((now() - began) / 1000) * perSecond; at <= due && at < bodies.length; at += 1) {
      sending.push(post(bodies[at]!, at));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(sending);
  agent.destroy();
  return { statuses, sentAt, answeredAt };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.once('message', async (load: Load) => process.send?.(await send(load)));
}

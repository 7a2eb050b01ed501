import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { load, SECRET, startWorker } from '#test/bench/radius-bench';
import type { LoadPlan } from '#test/bench/radius-load';
import type { Row } from '#test/bench/report';
import { password, username } from '#test/bench/subscribers';
import { freeRadiusMissing, startFreeRadiusAuth } from '#test/support/freeradius';

/**
 * PAP with Message-Authenticator for 100,000 subscribers: our worker thread, a bare UDP echo in Node (what the sockets
 * alone can do) and FreeRADIUS answering the same users from memory, one after the other under the same load.
 */

const SUBSCRIBERS = 100_000;
const pap = { secret: SECRET, subscribers: SUBSCRIBERS, credential: 'pap', packets: 100_000, rounds: 10 } as const;

export async function run(): Promise<Row[]> {
  const worker = await startWorker(SUBSCRIBERS);
  const ours = await load({ ...pap, port: worker.authPort, seconds: 5, window: 256 });
  const half = await load({ ...pap, port: worker.authPort, seconds: 3, perSecond: ours.answeredPerSecond / 2 });
  await worker.stop();
  const rows: Row[] = [
    { name: 'PAP accepts', value: ours.accepts / 5, unit: '/s', goal: 75_000, ratioTo: 'FreeRADIUS files' },
    { name: 'PAP p99 at full load', value: ours.p99Ms, unit: 'ms', higherIsBetter: false },
    { name: 'PAP p99 at half load', value: half.p99Ms, unit: 'ms', goal: 5, higherIsBetter: false },
    { name: 'PAP rejected or lost', value: ours.rejects + ours.lost + half.rejects + half.lost, unit: '' },
    { name: 'bare UDP echo', value: await echo(), unit: '/s' },
  ];
  const other = await freeRadius();
  if (other !== null) rows.push({ name: 'FreeRADIUS files', value: other, unit: '/s' });
  return rows;
}

/** The same exchange where the server sends each datagram back: what Node's sockets and the generator can do. */
async function echo(): Promise<number> {
  const worker = new Worker(ECHO, { eval: true });
  const [port] = (await once(worker, 'message')) as [number];
  const { answeredPerSecond } = await load({ ...pap, port, seconds: 3, window: 256 } satisfies LoadPlan);
  await worker.terminate();
  return answeredPerSecond;
}

const ECHO = `
const socket = require('node:dgram').createSocket({ type: 'udp4', lookup: (host, _, done) => done(null, host, 4) });
socket.on('message', (datagram, from) => socket.send(datagram, 0, datagram.length, from.port, from.address));
socket.bind(0, '127.0.0.1', () => {
  socket.setRecvBufferSize(4 * 2 ** 20);
  require('node:worker_threads').parentPort.postMessage(socket.address().port);
});
`;

async function freeRadius(): Promise<number | null> {
  const missing = freeRadiusMissing();
  if (missing !== null) {
    console.error(`no comparison with FreeRADIUS: ${missing}`);
    return null;
  }
  const users = Array.from({ length: SUBSCRIBERS }, (_, i) => ({ username: username(i), password: password(i) }));
  const reply = ['Mikrotik-Rate-Limit = "20000k/20000k"', 'Mikrotik-Address-List = "prepaid-active"'];
  const server = await startFreeRadiusAuth({ users, secret: SECRET, reply });
  const { accepts } = await load({ ...pap, port: server.port, seconds: 5, window: 256 });
  await server.stop();
  return accepts / 5;
}

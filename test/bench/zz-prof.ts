import { load, SECRET, startWorker } from '#test/bench/radius-bench';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
const N=50000;
const kind = process.argv[2];
const plan = { secret: SECRET, subscribers: N, credential:'pap' as const, packets: 50000, rounds: 20, seconds: 3, window: Number(process.argv[3] ?? 256) };
if (kind === 'echo') {
 const worker = new Worker(`
const socket = require('node:dgram').createSocket({ type: 'udp4', lookup: (host, _, done) => done(null, host, 4) });
socket.on('message', (datagram, from) => socket.send(datagram, 0, datagram.length, from.port, from.address));
socket.bind(0, '127.0.0.1', () => {
  socket.setRecvBufferSize(4 * 2 ** 20);
  require('node:worker_threads').parentPort.postMessage(socket.address().port);
});`, { eval: true });
  const [port] = (await once(worker, 'message')) as [number];
  const c0 = process.cpuUsage();
  const r = await load({...plan, port});
  console.log('echo', r, process.cpuUsage(c0));
  process.exit();
}
const w = await startWorker(N);
await new Promise(r=>setTimeout(r,1000));
const c0 = process.cpuUsage();
const r = await load({ ...plan, port: w.authPort });
const c = process.cpuUsage(c0);
console.log(r, 'cpu s', (c.user)/1e6, c.system/1e6);
await w.stop();

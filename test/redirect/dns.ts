import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const [A, NO_ERROR] = [1, 0];

/** Answers every question for an IPv4 address with the same one, and all others with nothing. Null for what is no question. */
function answer(query: Buffer, address: string): Buffer | null {
  if (query.length < 17 || (query[2]! & 0x80) !== 0 || query.readUInt16BE(4) !== 1) return null;
  let end = 12;
  while (end < query.length && query[end] !== 0) end += query[end]! + 1;
  if (end + 5 > query.length) return null;
  const found = query.readUInt16BE(end + 1) === A;
  const head = Buffer.from(query.subarray(0, 12));
  head.writeUInt16BE(0x8180 | NO_ERROR, 2);
  head.writeUInt16BE(found ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  // A pointer to the name of the question, type A, class IN, 5 seconds, 4 octets.
  const record = Buffer.from([0xc0, 0x0c, 0, A, 0, 1, 0, 0, 0, 5, 0, 4, ...address.split('.').map(Number)]);
  return Buffer.concat([head, query.subarray(12, end + 5), ...(found ? [record] : [])]);
}

/** A DNS server on port 53, over UDP and TCP. Counts what it was asked. */
export async function startDns(host: string, address: string): Promise<{ asked(): number }> {
  let asked = 0;
  const udp = createSocket('udp4');
  udp.on('message', (query, from) => {
    const reply = answer(query, address);
    if (reply === null) return;
    asked += 1;
    udp.send(reply, from.port, from.address);
  });
  const tcp = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (part) => {
      const reply = answer(part.subarray(2), address);
      if (reply === null) return;
      asked += 1;
      socket.end(Buffer.concat([Buffer.of(reply.length >> 8, reply.length & 0xff), reply]));
    });
  });
  await new Promise<void>((resolve) => udp.bind(53, host, resolve));
  await new Promise<void>((resolve) => tcp.listen(53, host, resolve));
  return { asked: () => asked };
}

import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { NasEntry } from '#radius/nas-table';
import { Code, Packet, Secret, verifyReply, Writer } from '#radius/packet';
import type { LoadedNas } from '#storage/facts';

/**
 * Asks our own RADIUS ports, as a router would, whether they answer: Status-Server (RFC 5997). Nothing else shows that
 * socket, thread, secret and journal all work.
 */
export type StatusProbe = {
  /** The entry that lets this node ask itself; none where a router has its address (then it asks with that one's secret). */
  ownNas(routers: readonly LoadedNas[]): readonly NasEntry[];
  /** Whether a port answered within so many milliseconds. */
  ask(port: number, timeoutMs: number): Promise<boolean>;
};

/** Any address of 127/8 is ours on Linux without set-up; this one is nobody's NAS. */
const LOOPBACK_SOURCE = '127.71.98.1';

/** `listening` is one of the addresses that the workers listen on. */
export function statusProbe(listening: readonly string[]): StatusProbe {
  const target = listening.find((address) => address.startsWith('127.')) ?? listening[0] ?? '127.0.0.1';
  const source = target.startsWith('127.') ? LOOPBACK_SOURCE : target;
  const secretText = randomBytes(32).toString('hex');
  let secret = new Secret(secretText);
  const own: NasEntry = {
    id: 0,
    name: 'this node',
    tags: [],
    address: source,
    secret: secretText,
    messageAuthenticator: 'required',
    messageAuthenticatorSeen: true,
    swapOctets: false,
  };
  return {
    ownNas: (routers) => {
      const same = routers.find(({ address }) => address.replace(/\/(32|128)$/, '') === source);
      secret = new Secret(same?.secret.reveal() ?? secretText);
      return same === undefined ? [own] : [];
    },
    ask: (port, timeoutMs) => ask({ source, target, port, secret, timeoutMs }),
  };
}

type Question = { source: string; target: string; port: number; secret: Secret; timeoutMs: number };

function ask({ source, target, port, secret, timeoutMs }: Question): Promise<boolean> {
  const authenticator = randomBytes(16);
  const writer = new Writer();
  writer.begin(Code.statusServer, authenticator[0]!);
  writer.addMessageAuthenticator();
  const length = writer.finishAccessRequest(authenticator, secret);
  const socket = createSocket(isIPv6(target) ? 'udp6' : 'udp4');
  return new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), timeoutMs);
    const settle = (answered: boolean) => {
      clearTimeout(timer);
      resolve(answered);
    };
    const reply = new Packet();
    socket.on('error', () => settle(false));
    socket.on('message', (datagram) => {
      if (reply.parse(datagram) && verifyReply(reply, authenticator, secret)) settle(true);
    });
    socket.bind(0, source, () => socket.send(writer.buffer, 0, length, port, target));
  }).finally(() => socket.close());
}

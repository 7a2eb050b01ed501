import { randomBytes } from 'node:crypto';
import { type DialOptions, packet, routerAttributes, vendor } from '#test/radius-server/requests';
import { ntResponse2 } from '#test/world/chap';

const MICROSOFT = 311;

/** The Access-Request of a RouterOS for an MS-CHAPv2 dial (RFC 2548 section 2.3.2). */
export function mschapDial(username: string, password: string, secret: string, options: DialOptions = {}): Buffer {
  const challenge = randomBytes(16);
  const peer = randomBytes(16);
  const response = ntResponse2(challenge, peer, username, password);
  const value = Buffer.concat([Buffer.of(1, 0), peer, Buffer.alloc(8), response]);
  const attributes = [
    ...routerAttributes(username, options.mac),
    vendor(MICROSOFT, 11, challenge),
    vendor(MICROSOFT, 25, value),
    ...(options.extra ?? []),
  ];
  return packet(1, options.identifier ?? 0, randomBytes(16), attributes, secret, options.signed ?? 'first');
}

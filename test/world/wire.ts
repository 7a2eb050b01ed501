import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import radius, { type Attribute, type Decoded } from 'radius';

/**
 * The simulated router's packets. Attributes are written and read by the npm package `radius`, so that our codec meets
 * one that is not ours. Two things the package does wrongly are done here with node:crypto: it compares authenticators
 * as UTF-8 text (forgeable), and it signs and checks CoA/Disconnect with Message-Authenticator in the wrong order
 * (RFC 5176 3.4 wants the Message-Authenticator over a zero Request Authenticator, before the latter).
 */

radius.add_dictionary(fileURLToPath(new URL('dictionary.routeros', import.meta.url)));

export type { Attribute };

const MESSAGE_AUTHENTICATOR = 80;

export function encodeAccessRequest(
  secret: string,
  identifier: number,
  authenticator: Buffer,
  attributes: readonly Attribute[],
  messageAuthenticator: boolean,
): Buffer {
  return radius.encode({
    code: 'Access-Request',
    secret,
    identifier,
    authenticator,
    attributes: [...attributes],
    add_message_authenticator: messageAuthenticator,
  });
}

export function encodeAccounting(secret: string, identifier: number, attributes: readonly Attribute[]): Buffer {
  return radius.encode({ code: 'Accounting-Request', secret, identifier, attributes: [...attributes] });
}

/** A vendor attribute as RouterOS sends it: each in a Vendor-Specific of its own. */
export function vendor(name: 'Mikrotik' | 'Microsoft', attribute: string, value: string | Buffer): Attribute {
  return ['Vendor-Specific', name, [[attribute, value]]];
}

/** Attributes of a packet whose authenticity is settled elsewhere. */
export class Attributes {
  readonly code: string;
  #decoded: Decoded;

  constructor(packet: Buffer) {
    this.#decoded = radius.decode_without_secret({ packet });
    this.code = this.#decoded.code;
  }

  text(name: string): string | null {
    const value = this.#first(this.#decoded.attributes[name]);
    return value === undefined ? null : String(value);
  }

  number(name: string): number | null {
    const value = this.#first(this.#decoded.attributes[name]);
    return typeof value === 'number' ? value : null;
  }

  vendorText(name: string): string | null {
    const value = this.#first(this.#vendor()[name]);
    return value === undefined ? null : String(value);
  }

  vendorBytes(name: string): Buffer | null {
    const value = this.#first(this.#vendor()[name]);
    return Buffer.isBuffer(value) ? value : null;
  }

  /** Every value of one attribute type, undecoded and in order. */
  raw(type: number): Buffer[] {
    return this.#decoded.raw_attributes.filter(([is]) => is === type).map(([, value]) => Buffer.from(value));
  }

  types(): number[] {
    return this.#decoded.raw_attributes.map(([type]) => type);
  }

  #vendor(): Record<string, unknown> {
    return (this.#decoded.attributes['Vendor-Specific'] ?? {}) as Record<string, unknown>;
  }

  #first(value: unknown): unknown {
    return Array.isArray(value) ? value[0] : value;
  }
}

/** Octet of the first Message-Authenticator's value, or 0 where the packet has none. */
function messageAuthenticatorAt(packet: Buffer): number {
  for (let at = 20; at + 2 <= packet.length; at += Math.max(2, packet[at + 1] as number)) {
    if (packet[at] === MESSAGE_AUTHENTICATOR && packet[at + 1] === 18 && at + 18 <= packet.length) return at + 2;
  }
  return 0;
}

const md5 = (...parts: (Buffer | string)[]) => {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

function signedBy(secret: string, packet: Buffer, authenticator: Buffer, at: number): boolean {
  const blank = Buffer.from(packet);
  authenticator.copy(blank, 4);
  blank.fill(0, at, at + 16);
  return timingSafeEqual(createHmac('md5', secret).update(blank).digest(), packet.subarray(at, at + 16));
}

/** Why a reply may not be believed, or null. `required`: an Access reply without Message-Authenticator is refused. */
export function faultOfReply(secret: string, reply: Buffer, request: Buffer, required: boolean): string | null {
  if (reply.length < 20 || reply.readUInt16BE(2) !== reply.length) return 'broken length';
  const requestAuthenticator = request.subarray(4, 20);
  const expected = md5(reply.subarray(0, 4), requestAuthenticator, reply.subarray(20), secret);
  if (!timingSafeEqual(expected, reply.subarray(4, 20))) return 'wrong Response Authenticator';
  const at = messageAuthenticatorAt(reply);
  if (at === 0) return required ? 'no Message-Authenticator' : null;
  return signedBy(secret, reply, requestAuthenticator, at) ? null : 'wrong Message-Authenticator';
}

/** Why a CoA-Request or Disconnect-Request may not be believed, or null (RFC 5176 2.3, 3.4). */
export function faultOfIncoming(secret: string, request: Buffer): string | null {
  if (request.length < 20 || request.readUInt16BE(2) !== request.length) return 'broken length';
  const blank = Buffer.from(request);
  blank.fill(0, 4, 20);
  if (!timingSafeEqual(md5(blank, secret), request.subarray(4, 20))) return 'wrong Request Authenticator';
  const at = messageAuthenticatorAt(request);
  if (at === 0) return null;
  return signedBy(secret, request, Buffer.alloc(16), at) ? null : 'wrong Message-Authenticator';
}

export const COA_REQUEST = 43;
export const DISCONNECT_REQUEST = 40;

/** The signed answer to a CoA or Disconnect: ACK is the request's code + 1, NAK + 2. */
export function encodeIncomingReply(
  secret: string,
  request: Buffer,
  answer: { ack: true; nasIdentifier: string } | { ack: false; errorCause: number },
): Buffer {
  const attributes: Buffer[] = [Buffer.from([MESSAGE_AUTHENTICATOR, 18]), Buffer.alloc(16)];
  if (answer.ack) {
    const name = Buffer.from(answer.nasIdentifier, 'utf8');
    attributes.push(Buffer.from([32, name.length + 2]), name);
  } else {
    attributes.push(Buffer.from([101, 6, 0, 0, answer.errorCause >> 8, answer.errorCause & 0xff]));
  }
  const reply = Buffer.concat([Buffer.alloc(4), request.subarray(4, 20), ...attributes]);
  reply[0] = (request[0] as number) + (answer.ack ? 1 : 2);
  reply[1] = request[1] as number;
  reply.writeUInt16BE(reply.length, 2);
  createHmac('md5', secret).update(reply).digest().copy(reply, 22);
  md5(reply, secret).copy(reply, 4);
  return reply;
}

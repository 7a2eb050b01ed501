import { createHash, createHmac, randomBytes } from 'node:crypto';

/**
 * Requests made with node:crypto alone, so that what the server reads was not written by its own code, and cheap enough
 * to make a hundred thousand of them beforehand.
 */

export type Avp = Buffer;

const md5 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export const avp = (type: number, value: Uint8Array | string): Avp => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.of(type, bytes.length + 2), bytes]);
};

export const number = (type: number, value: number): Avp => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return avp(type, bytes);
};

export const vendor = (vendorId: number, type: number, value: Uint8Array | string): Avp => {
  const bytes = Buffer.from(value);
  const head = Buffer.alloc(6);
  head.writeUInt32BE(vendorId);
  head[4] = type;
  head[5] = bytes.length + 2;
  return avp(26, Buffer.concat([head, bytes]));
};

/** User-Password (RFC 2865 section 5.2). */
export function pap(password: string, authenticator: Buffer, secret: string): Avp {
  const plain = Buffer.from(password);
  const padded = Buffer.alloc(Math.max(16, Math.ceil(plain.length / 16) * 16));
  plain.copy(padded);
  let previous = authenticator;
  for (let at = 0; at < padded.length; at += 16) {
    const mask = md5(Buffer.from(secret), previous);
    for (let i = 0; i < 16; i += 1) padded[at + i] = padded[at + i]! ^ mask[i]!;
    previous = padded.subarray(at, at + 16);
  }
  return avp(2, padded);
}

/** CHAP-Password with the challenge in the Request Authenticator, or in an attribute where one is given. */
export function chap(password: string, challenge: Buffer, identifier = 7): Avp {
  return avp(3, Buffer.concat([Buffer.of(identifier), md5(Buffer.of(identifier), Buffer.from(password), challenge)]));
}

/** What a RouterOS sends beside the credential. */
export function routerAttributes(username: string, mac = 'AA:BB:CC:00:00:01'): Avp[] {
  return [
    number(6, 2),
    number(7, 1),
    number(5, 15_728_641),
    number(61, 15),
    avp(1, username),
    avp(31, mac),
    avp(30, 'internet'),
    avp(87, 'vlan101'),
    avp(32, 'pop-1'),
    avp(4, Buffer.of(127, 0, 0, 1)),
  ];
}

/** Where the Message-Authenticator goes; none = unsigned. */
export type Signed = 'first' | 'last' | 'no';

/** Code, identifier, authenticator and attributes as one packet, with a Message-Authenticator where asked. */
export function packet(
  code: number,
  identifier: number,
  authenticator: Buffer,
  attributes: readonly Avp[],
  secret: string,
  signed: Signed = 'first',
): Buffer {
  const blank = avp(80, Buffer.alloc(16));
  const parts = signed === 'no' ? attributes : signed === 'first' ? [blank, ...attributes] : [...attributes, blank];
  const bytes = Buffer.concat([Buffer.of(code, identifier, 0, 0), authenticator, ...parts]);
  bytes.writeUInt16BE(bytes.length, 2);
  if (signed === 'no') return bytes;
  const at = signed === 'first' ? 22 : bytes.length - 16;
  createHmac('md5', secret).update(bytes).digest().copy(bytes, at);
  return bytes;
}

export type DialOptions = {
  readonly identifier?: number;
  readonly mac?: string;
  readonly signed?: Signed;
  readonly extra?: readonly Avp[];
};

/** The Access-Request of a RouterOS for a PAP dial. */
export function papDial(username: string, password: string, secret: string, options: DialOptions = {}): Buffer {
  const authenticator = randomBytes(16);
  const attributes = [
    ...routerAttributes(username, options.mac),
    pap(password, authenticator, secret),
    ...(options.extra ?? []),
  ];
  return packet(1, options.identifier ?? 0, authenticator, attributes, secret, options.signed ?? 'first');
}

/** An Accounting-Request with its Request Authenticator (RFC 2866 section 3). */
export function accountingRequest(
  identifier: number,
  attributes: readonly Avp[],
  secret: string,
  signed: Signed = 'no',
): Buffer {
  const bytes = packet(4, identifier, Buffer.alloc(16), attributes, secret, signed);
  md5(bytes, Buffer.from(secret)).copy(bytes, 4);
  return bytes;
}

export function statusServer(identifier: number, secret: string, signed: Signed = 'first'): Buffer {
  return packet(12, identifier, randomBytes(16), [], secret, signed);
}

/** Why a reply to `request` may not be believed, or null: RFC 2865 section 3 and RFC 3579 section 3.2, by node:crypto. */
export function faultOf(reply: Buffer, request: Buffer, secret: string): string | null {
  if (reply.length < 20 || reply.readUInt16BE(2) !== reply.length) return 'length';
  if (reply[1] !== request[1]) return 'identifier';
  const authenticator = request.subarray(4, 20);
  const expected = md5(reply.subarray(0, 4), authenticator, reply.subarray(20), Buffer.from(secret));
  if (!expected.equals(reply.subarray(4, 20))) return 'response authenticator';
  const signature = attributesOf(reply).find(({ type }) => type === 80);
  if (signature === undefined) return null;
  const blank = Buffer.from(reply);
  authenticator.copy(blank, 4);
  blank.fill(0, signature.at + 2, signature.at + 18);
  const signedBy = createHmac('md5', secret).update(blank).digest();
  return signedBy.equals(signature.value) ? null : 'message authenticator';
}

export type Attribute = { readonly type: number; readonly at: number; readonly value: Buffer };

export function attributesOf(bytes: Buffer): Attribute[] {
  const attributes: Attribute[] = [];
  for (let at = 20; at < bytes.length; at += bytes[at + 1]!) {
    if (bytes[at + 1]! < 2) throw new Error('broken attribute');
    attributes.push({ type: bytes[at]!, at, value: bytes.subarray(at + 2, at + bytes[at + 1]!) });
  }
  return attributes;
}

/** The text of the first attribute of a type, or of a vendor's. */
export function textOf(bytes: Buffer, type: number): string | null {
  return (
    attributesOf(bytes)
      .find((one) => one.type === type)
      ?.value.toString() ?? null
  );
}

export function vendorTextOf(bytes: Buffer, vendorId: number, type: number): string | null {
  const found = attributesOf(bytes).find(
    ({ type: is, value }) => is === 26 && value.readUInt32BE(0) === vendorId && value[4] === type,
  );
  return found?.value.subarray(6).toString() ?? null;
}

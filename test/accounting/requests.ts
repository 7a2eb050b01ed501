import { createHash } from 'node:crypto';
import type { Instant } from '#domain/time';
import type { AccountingRecord, SessionRecord, Unusable } from '#domain/usage';
import type { AccountingNas } from '#radius/accounting';
import { accountingRecord } from '#radius/accounting';
import { Packet } from '#radius/packet';

/** An attribute as type and value: text, a 32-bit number, octets. */
export type Attribute = readonly [type: number, value: string | number | Buffer];

/** An Accounting-Request built from nothing but RFC 2866 section 3 (so that our own writer does not check itself). */
export function accountingRequest(attributes: readonly Attribute[], secret = 'testing123', identifier = 1): Buffer {
  const body = Buffer.concat(attributes.map(([type, value]) => encode(type, value)));
  const packet = Buffer.concat([Buffer.alloc(20), body]);
  packet[0] = 4;
  packet[1] = identifier;
  packet.writeUInt16BE(packet.length, 2);
  createHash('md5').update(packet).update(secret).digest().copy(packet, 4);
  return packet;
}

function encode(type: number, value: string | number | Buffer): Buffer {
  const octets = typeof value === 'number' ? Buffer.alloc(4) : Buffer.from(value);
  if (typeof value === 'number') octets.writeUInt32BE(value);
  return Buffer.concat([Buffer.from([type, octets.length + 2]), octets]);
}

export const STATUS = { start: 1, stop: 2, interim: 3, on: 7, off: 8 } as const;

export type Said = {
  readonly status?: keyof typeof STATUS;
  readonly id?: string;
  readonly user?: string;
  /** 16 octets of token as our Class carries it; left out: no Class. */
  readonly token?: Buffer;
  readonly told?: string;
  readonly mac?: string;
  readonly ip?: string;
  readonly seconds?: number;
  readonly up?: number;
  readonly down?: number;
  readonly gigawords?: boolean;
  readonly cause?: number;
  readonly more?: readonly Attribute[];
};

/** The attributes RouterOS sends for a PPPoE session. */
export function routerOs(said: Said): Attribute[] {
  const { status = 'interim', id = '81000001', user = 'budi', token, told = 'rate list=l|fixed', mac, ip } = said;
  const attributes: Attribute[] = [
    [40, STATUS[status]],
    [1, user],
    [44, id],
    [31, mac ?? 'AA:BB:CC:DD:EE:01'],
    [87, 'ether1'],
  ];
  if (ip !== undefined) attributes.push([8, Buffer.from(ip.split('.').map(Number))]);
  if (token !== undefined) attributes.push([25, `gb1|${token.toString('base64url')}|${told}`]);
  if (status === 'interim' || status === 'stop') attributes.push(...counters(said));
  if (said.cause !== undefined) attributes.push([49, said.cause]);
  return [...attributes, ...(said.more ?? [])];
}

function counters({ seconds = 0, up = 0, down = 0, gigawords = true }: Said): Attribute[] {
  const low: Attribute[] = [
    [46, seconds],
    [42, up % 2 ** 32],
    [43, down % 2 ** 32],
  ];
  if (!gigawords) return low;
  return [...low, [52, Math.floor(up / 2 ** 32)], [53, Math.floor(down / 2 ** 32)]];
}

/** What our side understands of a request with these attributes. */
export function understood(
  attributes: readonly Attribute[],
  receivedAt: Instant,
  nas: AccountingNas = { id: 1, swapOctets: false },
  nasAddress = '10.0.0.1',
): AccountingRecord | Unusable {
  const packet = new Packet();
  const datagram = accountingRequest(attributes);
  if (!packet.parse(datagram)) throw new Error(`not a packet: ${packet.fault}`);
  return accountingRecord(packet, nas, nasAddress, receivedAt);
}

/** The same where it must be a record of a session. */
export function sessionRecord(
  attributes: readonly Attribute[],
  receivedAt: Instant,
  nas?: AccountingNas,
  nasAddress?: string,
): SessionRecord {
  const record = understood(attributes, receivedAt, nas, nasAddress);
  if (!('acctSessionId' in record)) throw new Error(`no session record: ${JSON.stringify(record)}`);
  return record;
}

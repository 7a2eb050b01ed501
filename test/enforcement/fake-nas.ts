import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { Packet, type Secret, verifyAccountingAuthenticator, verifyMessageAuthenticator, Writer } from '#radius/packet';

/** One datagram that reached the NAS. */
export type Heard = { readonly bytes: Buffer; readonly port: number; readonly at: number };

/** What a NAS makes of a request: null = silence. */
export type Reply = (request: Packet, heard: Heard) => Buffer | readonly Buffer[] | null;

/** A UDP port on a loopback address that notes what it hears and answers as told. */
export class FakeNas {
  readonly heard: Heard[] = [];
  reply: Reply = () => null;
  readonly #socket: Socket = createSocket('udp4');
  readonly #packet = new Packet();
  port = 0;

  static async open(reply?: Reply, at = { address: '127.0.0.1', port: 0 }): Promise<FakeNas> {
    const nas = new FakeNas();
    if (reply !== undefined) nas.reply = reply;
    nas.#socket.on('message', (bytes, from) => nas.#hear(bytes, from));
    nas.#socket.bind(at.port, at.address);
    await once(nas.#socket, 'listening');
    nas.port = nas.#socket.address().port;
    return nas;
  }

  /** Sends something nobody asked for. */
  send(bytes: Buffer, port: number): void {
    this.#socket.send(bytes, port, '127.0.0.1');
  }

  close(): void {
    this.#socket.close();
  }

  #hear(bytes: Buffer, from: RemoteInfo): void {
    const heard = { bytes: Buffer.from(bytes), port: from.port, at: performance.now() };
    this.heard.push(heard);
    if (!this.#packet.parse(bytes)) return;
    const replies = this.reply(this.#packet, heard) ?? [];
    for (const reply of Array.isArray(replies) ? replies : [replies]) this.send(reply, from.port);
  }
}

/** Attributes of one packet, by type, undecoded. */
export function attributesOf(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 20; at < bytes.length; at += bytes[at + 1]!) {
    found.set(bytes[at]!, bytes.subarray(at + 2, at + bytes[at + 1]!));
  }
  return found;
}

export type ReplyOptions = { errorCause?: number; messageAuthenticator?: boolean; eventTimestamp?: number };

/** A signed ACK (`code` of the request + 1) or NAK (+ 2). */
export function signedReply(request: Packet, code: number, secret: Secret, options: ReplyOptions = {}): Buffer {
  const writer = new Writer();
  writer.begin(code, request.identifier);
  if (options.messageAuthenticator) writer.addMessageAuthenticator();
  if (options.errorCause !== undefined) writer.addUint32(101, options.errorCause);
  if (options.eventTimestamp !== undefined) writer.addUint32(55, options.eventTimestamp);
  return Buffer.from(writer.buffer.subarray(0, writer.finishReply(request.authenticator, secret)));
}

/** Whether a NAS with this secret would believe the request, Message-Authenticator and all. */
export function believes(bytes: Buffer, secret: Secret): boolean {
  const packet = new Packet();
  if (!packet.parse(bytes)) return false;
  return verifyAccountingAuthenticator(packet, secret) && verifyMessageAuthenticator(packet, secret) === 'valid';
}

import {
  aesDecryptGCM,
  aesEncryptGCM,
  type BinaryNode,
  Curve,
  decodeBinaryNode,
  encodeBinaryNode,
  hkdf,
  NOISE_MODE,
  NOISE_WA_HEADER,
  proto,
  sha256,
} from '@whiskeysockets/baileys';
import type { WebSocket } from 'ws';
import { ROOT_PRIVATE } from '#test/world/whatsapp-root';

/**
 * The server's side of WhatsApp's wire: a web socket that carries an intro (WA, version), then frames of a 3-octet length,
 * a Noise XX handshake (25519, AES-GCM, SHA-256), and from then on binary nodes, each encrypted under a counter.
 */

const NONE = Buffer.alloc(0);
const INTRO_OCTETS = 4;

const nonce = (count: number): Buffer => {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(count, 8);
  return bytes;
};

/** The running hash and keys of a Noise handshake (noiseprotocol.org, section 5.2). */
class Handshake {
  #hash: Buffer = Buffer.from(NOISE_MODE);
  #salt: Buffer = this.#hash;
  #key: Buffer = this.#hash;
  #count = 0;

  authenticate(data: Uint8Array): void {
    this.#hash = Buffer.from(sha256(Buffer.concat([this.#hash, data])));
  }

  mix(secret: Uint8Array): void {
    [this.#salt, this.#key] = this.derive(secret);
    this.#count = 0;
  }

  derive(secret: Uint8Array): [Buffer, Buffer] {
    const keys = Buffer.from(hkdf(Buffer.from(secret), 64, { salt: this.#salt, info: '' }));
    return [keys.subarray(0, 32), keys.subarray(32)];
  }

  encrypt(plain: Uint8Array): Buffer {
    const sealed = aesEncryptGCM(plain, this.#key, nonce(this.#count++), this.#hash);
    this.authenticate(sealed);
    return sealed;
  }

  decrypt(sealed: Uint8Array): Buffer {
    const plain = aesDecryptGCM(sealed, this.#key, nonce(this.#count++), this.#hash);
    this.authenticate(sealed);
    return plain;
  }
}

/** Who we say we are: a certificate chain under the root that tests trust. */
export class ServerIdentity {
  readonly keys = Curve.generateKeyPair();
  readonly chain: Uint8Array;

  constructor() {
    const intermediate = Curve.generateKeyPair();
    const details = (serial: number, issuerSerial: number, key: Uint8Array) => {
      const { Details } = proto.CertChain.NoiseCertificate;
      return Details.encode(Details.create({ serial, issuerSerial, key, notBefore: 0, notAfter: 4e9 })).finish();
    };
    const above = details(1, 0, intermediate.public);
    const leaf = details(2, 1, this.keys.public);
    this.chain = proto.CertChain.encode(
      proto.CertChain.create({
        leaf: { details: leaf, signature: Curve.sign(intermediate.private, leaf) },
        intermediate: { details: above, signature: Curve.sign(Buffer.from(ROOT_PRIVATE, 'hex'), above) },
      }),
    ).finish();
  }
}

export type WireHandlers = {
  /** The handshake is done; `noiseKey` tells one client from another. */
  onLogin(login: proto.IClientPayload, noiseKey: Buffer): void;
  onNode(node: BinaryNode): Promise<void>;
  onClose(): void;
};

/** One connection of a client. */
export class WireSession {
  readonly #socket: WebSocket;
  readonly #identity: ServerIdentity;
  readonly #handlers: WireHandlers;
  readonly #handshake = new Handshake();
  readonly #ephemeral = Curve.generateKeyPair();
  #stage: 'hello' | 'finish' | 'open' = 'hello';
  #buffer: Buffer = NONE;
  #introduced = false;
  #toClient: Buffer = NONE;
  #fromClient: Buffer = NONE;
  #sent = 0;
  #received = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(socket: WebSocket, identity: ServerIdentity, handlers: WireHandlers) {
    this.#socket = socket;
    this.#identity = identity;
    this.#handlers = handlers;
    socket.on('message', (data: Buffer) => this.#take(data));
    socket.on('close', () => handlers.onClose());
  }

  get open(): boolean {
    return this.#stage === 'open' && this.#socket.readyState === this.#socket.OPEN;
  }

  send(node: BinaryNode): void {
    if (!this.open) return;
    this.#frame(aesEncryptGCM(encodeBinaryNode(node), this.#toClient, nonce(this.#sent++), NONE));
  }

  /** Cuts the line. */
  drop(): void {
    this.#socket.terminate();
  }

  #frame(data: Uint8Array): void {
    const length = Buffer.from([(data.length >>> 16) & 255, (data.length >>> 8) & 255, data.length & 255]);
    this.#socket.send(Buffer.concat([length, data]));
  }

  #take(data: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, data]);
    if (!this.#introduced) {
      if (this.#buffer.length < INTRO_OCTETS) return;
      this.#buffer = this.#buffer.subarray(INTRO_OCTETS);
      this.#introduced = true;
    }
    while (this.#buffer.length >= 3) {
      const length = this.#buffer.readUIntBE(0, 3);
      if (this.#buffer.length < length + 3) return;
      const frame = this.#buffer.subarray(3, 3 + length);
      this.#buffer = this.#buffer.subarray(3 + length);
      this.#turn = this.#turn.then(() => this.#receive(frame));
      this.#turn.catch((error) => console.error('WhatsApp stand-in:', error));
    }
  }

  async #receive(frame: Buffer): Promise<void> {
    if (this.#stage === 'hello') return this.#answerHello(frame);
    if (this.#stage === 'finish') return this.#finish(frame);
    const plain = aesDecryptGCM(frame, this.#fromClient, nonce(this.#received++), NONE);
    await this.#handlers.onNode(await decodeBinaryNode(Buffer.from(plain)));
  }

  #answerHello(frame: Buffer): void {
    const theirs = proto.HandshakeMessage.decode(frame).clientHello!.ephemeral!;
    const handshake = this.#handshake;
    handshake.authenticate(NOISE_WA_HEADER);
    handshake.authenticate(theirs);
    handshake.authenticate(this.#ephemeral.public);
    handshake.mix(Curve.sharedKey(this.#ephemeral.private, theirs));
    const key = handshake.encrypt(this.#identity.keys.public);
    handshake.mix(Curve.sharedKey(this.#identity.keys.private, theirs));
    const payload = handshake.encrypt(this.#identity.chain);
    this.#stage = 'finish';
    const serverHello = { ephemeral: this.#ephemeral.public, static: key, payload };
    this.#frame(proto.HandshakeMessage.encode(proto.HandshakeMessage.create({ serverHello })).finish());
  }

  #finish(frame: Buffer): void {
    const finish = proto.HandshakeMessage.decode(frame).clientFinish!;
    const noiseKey = this.#handshake.decrypt(finish.static!);
    this.#handshake.mix(Curve.sharedKey(this.#ephemeral.private, noiseKey));
    const login = proto.ClientPayload.decode(this.#handshake.decrypt(finish.payload!));
    [this.#fromClient, this.#toClient] = this.#handshake.derive(NONE);
    this.#stage = 'open';
    // The client derives its own keys once its last frame is written.
    setTimeout(() => this.#handlers.onLogin(login, noiseKey), 5);
  }
}

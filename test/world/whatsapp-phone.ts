import { randomBytes } from 'node:crypto';
import {
  addTransactionCapability,
  aesDecryptCTR,
  aesDecryptGCM,
  aesEncryptCTR,
  type BinaryNode,
  Curve,
  DEFAULT_CONNECTION_CONFIG,
  derivePairingCodeKey,
  encodeBigEndian,
  getBinaryNodeChild,
  getBinaryNodeChildBuffer,
  hkdf,
  hmacSign,
  initAuthCreds,
  parseAndInjectE2ESessions,
  proto,
  type SignalDataTypeMap,
  type SignalKeyStore,
  WA_ADV_ACCOUNT_SIG_PREFIX,
  xmppPreKey,
  xmppSignedPreKey,
} from '@whiskeysockets/baileys';

const nothing = (): void => undefined;
const quiet = {
  level: 'silent',
  child: () => quiet,
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
};

/** Signal keys in memory. */
function memoryKeys(): SignalKeyStore {
  const kept = new Map<string, unknown>();
  return {
    get: async <Kind extends keyof SignalDataTypeMap>(kind: Kind, ids: string[]) => {
      const found: { [id: string]: SignalDataTypeMap[Kind] } = {};
      for (const id of ids) {
        const value = kept.get(`${kind} ${id}`);
        if (value !== undefined) found[id] = value as SignalDataTypeMap[Kind];
      }
      return found;
    },
    set: async (data) => {
      for (const [kind, values] of Object.entries(data)) {
        for (const [id, value] of Object.entries(values ?? {})) {
          if (value === null) kept.delete(`${kind} ${id}`);
          else kept.set(`${kind} ${id}`, value);
        }
      }
    },
  };
}

/** The pseudonym under which WhatsApp addresses a number. */
export const lidOf = (phone: string): string => `9${phone}`;

/** The phone of a person: decrypts what is sent to it, and can write. */
export class Phone {
  readonly number: string;
  readonly #creds = initAuthCreds();
  readonly #keys = memoryKeys();
  #preKeys = 0;
  readonly #signal;

  constructor(number: string) {
    this.number = number;
    const keys = addTransactionCapability(this.#keys, quiet, { maxCommitRetries: 1, delayBetweenTriesMs: 1 });
    this.#signal = DEFAULT_CONNECTION_CONFIG.makeSignalRepository({ creds: this.#creds, keys }, quiet, async () => []);
  }

  /** What somebody needs to write to this phone; each pre-key is given away once. */
  async bundle(jid: string): Promise<BinaryNode> {
    const preKey = Curve.generateKeyPair();
    this.#preKeys += 1;
    await this.#keys.set({ 'pre-key': { [this.#preKeys]: preKey } });
    const { registrationId, signedIdentityKey, signedPreKey } = this.#creds;
    return {
      tag: 'user',
      attrs: { jid },
      content: [
        { tag: 'registration', attrs: {}, content: encodeBigEndian(registrationId) },
        { tag: 'type', attrs: {}, content: Buffer.from([5]) },
        { tag: 'identity', attrs: {}, content: signedIdentityKey.public },
        xmppSignedPreKey(signedPreKey),
        xmppPreKey(preKey, this.#preKeys),
      ],
    };
  }

  /** The text of an encrypted message (`enc`) of `sender`. */
  async read(sender: string, enc: BinaryNode): Promise<string> {
    const plain = await this.#signal.decryptMessage({
      jid: `${sender}@s.whatsapp.net`,
      type: enc.attrs.type as 'pkmsg' | 'msg',
      ciphertext: enc.content as Uint8Array,
    });
    // Filled up with octets that say how many they are.
    const message = proto.Message.decode(plain.subarray(0, plain.length - plain.at(-1)!));
    return message.conversation || message.extendedTextMessage?.text || '';
  }

  /** An encrypted text to `receiver`, whose uploaded keys are in `upload`. */
  async write(receiver: string, upload: BinaryNode, text: string): Promise<BinaryNode> {
    const part = (tag: string) => getBinaryNodeChild(upload, tag)!;
    const key = (part('list').content as BinaryNode[])[0]!;
    const jid = `${receiver}@s.whatsapp.net`;
    const user = {
      tag: 'user',
      attrs: { jid },
      content: [part('registration'), part('type'), part('identity'), part('skey'), key],
    };
    const list = { tag: 'list', attrs: {}, content: [user] };
    await parseAndInjectE2ESessions({ tag: 'iq', attrs: {}, content: [list] }, this.#signal);
    const plain = Buffer.concat([
      proto.Message.encode(proto.Message.create({ conversation: text })).finish(),
      Buffer.from([1]),
    ]);
    const { type, ciphertext } = await this.#signal.encryptMessage({ jid, data: plain });
    return { tag: 'enc', attrs: { v: '2', type }, content: ciphertext };
  }
}

/** What pairing ends with: the account's signature under the new device, proven by the secret that the two share. */
export function pairSuccess(phone: string, deviceIdentity: Uint8Array, advSecret: Uint8Array): BinaryNode {
  const account = Curve.generateKeyPair();
  const details = proto.ADVDeviceIdentity.encode(
    proto.ADVDeviceIdentity.create({ rawId: 1, timestamp: Math.floor(Date.now() / 1000), keyIndex: 1 }),
  ).finish();
  const signature = Curve.sign(account.private, Buffer.concat([WA_ADV_ACCOUNT_SIG_PREFIX, details, deviceIdentity]));
  const signed = proto.ADVSignedDeviceIdentity.encode(
    proto.ADVSignedDeviceIdentity.create({ details, accountSignatureKey: account.public, accountSignature: signature }),
  ).finish();
  const proven = proto.ADVSignedDeviceIdentityHMAC.encode(
    proto.ADVSignedDeviceIdentityHMAC.create({ details: signed, hmac: hmacSign(signed, advSecret) }),
  ).finish();
  return {
    tag: 'iq',
    attrs: { from: 's.whatsapp.net', type: 'set', id: `pair-${randomBytes(4).toString('hex')}`, xmlns: 'md' },
    content: [
      {
        tag: 'pair-success',
        attrs: {},
        content: [
          { tag: 'device-identity', attrs: {}, content: proven },
          { tag: 'device', attrs: { jid: `${phone}:7@s.whatsapp.net`, lid: `${lidOf(phone)}:7@lid` } },
          { tag: 'platform', attrs: { name: 'android' } },
        ],
      },
    ],
  };
}

/** The text of a QR: `…#ref,noise key,identity key,secret,…`. */
export function readQr(qr: string): { noiseKey: Buffer; identity: Buffer; secret: Buffer } {
  const [, noiseKey, identity, secret] = qr.split('#').pop()!.split(',');
  const octets = (text: string | undefined) => Buffer.from(text ?? '', 'base64');
  return { noiseKey: octets(noiseKey), identity: octets(identity), secret: octets(secret) };
}

/** The phone's part of pairing by a code that is typed on it. */
export class CodePairing {
  readonly #ephemeral = Curve.generateKeyPair();
  readonly #identity = Curve.generateKeyPair();
  readonly #hello: BinaryNode;
  #companionEphemeral: Buffer = Buffer.alloc(0);

  /** `hello`: what the device said when it asked for a code. */
  constructor(hello: BinaryNode) {
    this.#hello = hello;
  }

  /** The device's wrapped key, unwrapped by the code, and ours for it: a wrong code gives another key, and nothing fits. */
  async answer(code: string): Promise<BinaryNode> {
    const wrapped = octetsOf(this.#hello, 'link_code_pairing_wrapped_companion_ephemeral_pub');
    const theirKey = await derivePairingCodeKey(code, wrapped.subarray(0, 32));
    this.#companionEphemeral = aesDecryptCTR(wrapped.subarray(48), theirKey, wrapped.subarray(32, 48));
    const [salt, iv] = [randomBytes(32), randomBytes(16)];
    const sealed = aesEncryptCTR(this.#ephemeral.public, await derivePairingCodeKey(code, salt), iv);
    const parts = {
      link_code_pairing_ref: Buffer.from('ref'),
      primary_identity_pub: this.#identity.public,
      link_code_pairing_wrapped_primary_ephemeral_pub: Buffer.concat([salt, iv, sealed]),
    };
    const content = Object.entries(parts).map(([tag, octets]) => ({ tag, attrs: {}, content: octets }));
    return {
      tag: 'notification',
      attrs: { from: 's.whatsapp.net', type: 'link_code_companion_reg', id: `code-${randomBytes(4).toString('hex')}` },
      content: [{ tag: 'link_code_companion_reg', attrs: {}, content }],
    };
  }

  /** The device's last word holds its identity, sealed under what the two share. */
  finish(finish: BinaryNode): { identity: Buffer; secret: Buffer } {
    const bundle = octetsOf(finish, 'link_code_pairing_wrapped_key_bundle');
    const shared = Curve.sharedKey(this.#ephemeral.private, this.#companionEphemeral);
    const key = hkdf(shared, 32, {
      salt: bundle.subarray(0, 32),
      info: 'link_code_pairing_key_bundle_encryption_key',
    });
    const plain = aesDecryptGCM(bundle.subarray(44), key, bundle.subarray(32, 44), Buffer.alloc(0));
    const identity = Buffer.from(plain.subarray(0, 32));
    const sharedIdentity = Curve.sharedKey(this.#identity.private, identity);
    const all = Buffer.concat([shared, sharedIdentity, plain.subarray(64)]);
    return { identity, secret: Buffer.from(hkdf(all, 32, { info: 'adv_secret' })) };
  }
}

function octetsOf(node: BinaryNode, tag: string): Buffer {
  const found = getBinaryNodeChildBuffer(node, tag);
  if (found === undefined) throw new Error(`no ${tag} in ${node.tag}`);
  return Buffer.from(found);
}

import { inspect } from 'node:util';
import { Arena, digest, type HmacKey, hmac, hmacKey, INITIAL } from '#radius/md5';
import { MAX_SECRET_OCTETS } from '#radius/octets';

/**
 * A NAS's shared secret, 1 to 256 octets, with what can be computed from it beforehand. Prints as `[secret]` wherever
 * it may turn up. Throws RangeError for another length (an empty secret would make every packet forgeable).
 */
export class Secret {
  readonly #length: number;
  /** The secret at octet 0, room for what is hashed behind it. */
  readonly #arena: Arena;
  readonly #key: HmacKey;

  constructor(secret: string | Uint8Array) {
    const bytes = Buffer.from(secret);
    if (bytes.length < 1 || bytes.length > MAX_SECRET_OCTETS) {
      throw new RangeError(`a shared secret has 1 to ${MAX_SECRET_OCTETS} octets, not ${bytes.length}`);
    }
    this.#length = bytes.length;
    this.#arena = new Arena(bytes.length + 32);
    this.#arena.bytes.set(bytes);
    this.#key = hmacKey(bytes);
  }

  /** MD5 of octets [0, length) of `message` and then the secret, as four words (authenticators). */
  sign(message: Arena, length: number, out: Int32Array): void {
    const own = this.#arena.bytes;
    for (let i = 0; i < this.#length; i++) message.bytes[length + i] = own[i]!;
    digest(message, length + this.#length, INITIAL, 0, out);
  }

  /** HMAC-MD5 under the secret of octets [0, length) of `message`, as four words (Message-Authenticator). */
  hmac(message: Arena, length: number, out: Int32Array): void {
    hmac(message, length, this.#key, out);
  }

  /**
   * MD5 of the secret, then `count` octets of `bytes` at `at`, then (salt) `moreCount` of `more`: the key stream of
   * User-Password (RFC 2865 section 5.2) and of salted attributes (RFC 2548 section 2.4.2). At most 32 octets in all.
   */
  mask(out: Int32Array, bytes: Uint8Array, at: number, count: number, more = bytes, moreAt = 0, moreCount = 0): void {
    const arena = this.#arena.bytes;
    let end = this.#length;
    for (let i = 0; i < count; i++) arena[end++] = bytes[at + i]!;
    for (let i = 0; i < moreCount; i++) arena[end++] = more[moreAt + i]!;
    digest(this.#arena, end, INITIAL, 0, out);
  }

  toJSON(): string {
    return '[secret]';
  }

  toString(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

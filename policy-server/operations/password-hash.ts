import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

/** OWASP's first choice for argon2id (Password Storage Cheat Sheet): 19 MiB, two passes, one lane. */
const MEMORY_KIB = 19_456;
const PASSES = 2;
const LANES = 1;
const TAG_LENGTH = 32;
const SALT_LENGTH = 16;

const derive = promisify(argon2);

/** Hashes a staff password with argon2id (RFC 9106) into a PHC string that names its own parameters. ~25 ms of a core. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_LENGTH);
  const tag = await derive('argon2id', {
    message: password.normalize('NFC'),
    nonce: salt,
    memory: MEMORY_KIB,
    passes: PASSES,
    parallelism: LANES,
    tagLength: TAG_LENGTH,
  });
  return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${base64(salt)}$${base64(tag)}`;
}

/** Whether the password is the hashed one; false also for a string that is no argon2id hash. */
export async function verifyPassword(password: string, phc: string): Promise<boolean> {
  const parts = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/.exec(phc);
  if (parts === null) return false;
  const [, memory, passes, parallelism, salt, tag] = parts;
  const expected = Buffer.from(tag!, 'base64');
  const got = await derive('argon2id', {
    message: password.normalize('NFC'),
    nonce: Buffer.from(salt!, 'base64'),
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    tagLength: expected.length,
  });
  return timingSafeEqual(got, expected);
}

/**
 * A hash that no password has, of the same cost as every other: to be verified against where there is nobody, so that
 * the answer takes as long as for somebody.
 */
export const hashOfNobody = (): string =>
  `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${base64(randomBytes(SALT_LENGTH))}$${base64(randomBytes(TAG_LENGTH))}`;

const base64 = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '');

/** Without what the eye confuses (0 O o, 1 l I i). */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';

/** A random secret to hand out once: `length` characters of 55, 5.78 bits each (24 characters = 138 bits). */
export function generateSecret(length = 24): string {
  let made = '';
  while (made.length < length) {
    for (const octet of randomBytes(length)) {
      // The largest multiple of 55 in an octet: what lies above would favour the first letters.
      if (octet < 220 && made.length < length) made += ALPHABET[octet % 55];
    }
  }
  return made;
}

import type { Told } from '#domain/reconcile';
import { shortTold } from '#domain/reconcile';

/**
 * The Class attribute we put in an Access-Accept and every accounting packet of the session brings back (RFC 2865
 * 5.25). It is the session's identity (a random token; Acct-Session-Id repeats) and says what the NAS was told.
 *
 *     gb1|<token: 22 characters of base64url>|<live>|<fixed>
 */

export const CLASS_PREFIX = 'gb1|';
export const TOKEN_CHARACTERS = 22;

/** `token` is 16 random octets. `told` is shortened by `shortTold`, so the whole is at most 253 octets. */
export function encodeClass(token: Buffer, told: Told): Buffer {
  const short = shortTold(told);
  return Buffer.from(`${CLASS_PREFIX}${token.toString('base64url')}|${short.live}|${short.fixed}`, 'latin1');
}

/**
 * What an accounting packet's Class says; null when it is not one of ours (another server's, or cut). `told` is null
 * where only the token could be read. `token` is 32 lower-case hex digits: `session.key`.
 */
export function parseClass(bytes: Uint8Array): { readonly token: string; readonly told: Told | null } | null {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  if (!text.startsWith(CLASS_PREFIX)) return null;
  const [token, live, fixed, ...rest] = text.slice(CLASS_PREFIX.length).split('|');
  if (token === undefined || !/^[A-Za-z0-9_-]{22}$/.test(token)) return null;
  const hex = Buffer.from(token, 'base64url').toString('hex');
  if (live === undefined || fixed === undefined || rest.length > 0) return { token: hex, told: null };
  return { token: hex, told: { live, fixed } };
}

import { Secret, TOTP } from 'otpauth';
import { type Instant, SECOND } from '#domain/time';

/** RFC 6238 as every authenticator app does it without being told: SHA-1, six digits, 30 seconds. */
const PARAMETERS = { algorithm: 'SHA1', digits: 6, period: 30 } as const;
/** A code of the step before or after counts too: the clocks of telephones, and slow fingers (RFC 6238, 5.2). */
const WINDOW = 1;

/** A new secret of 160 bits (RFC 4226, 4: recommended) in base32. */
export const newTotpSecret = (): string => new Secret({ size: 20 }).base32;

/** What the QR says: `otpauth://totp/…`. */
export function totpUri(secret: string, issuer: string, username: string): string {
  return new TOTP({ ...PARAMETERS, issuer, label: username, secret: Secret.fromBase32(secret) }).toString();
}

/** The time step (30 s since the epoch) whose code this is; null when it is none of now or the step beside it. */
export function totpStep(secret: string, code: string, now: Instant): number | null {
  const token = code.replace(/\s/g, '');
  if (!/^\d{6}$/.test(token)) return null;
  const of = { ...PARAMETERS, token, secret: Secret.fromBase32(secret), timestamp: now, window: WINDOW };
  const delta = TOTP.validate(of);
  return delta === null ? null : Math.floor(now / (PARAMETERS.period * SECOND)) + delta;
}

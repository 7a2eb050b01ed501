import type { Rate } from '#domain/plan';

/**
 * MikroTik's own words, and the one place that knows the router's rx/tx order: the router receives (rx) what the
 * subscriber uploads, so every pair reads `UPLOAD/DOWNLOAD`. Everybody else speaks of the subscriber's side.
 */

/** The vendor's SMI number and the vendor attributes we send (MikroTik "RADIUS client", table of attributes). */
export const MIKROTIK_VENDOR = 14988;

/**
 * The value of Mikrotik-Rate-Limit, on Access-Accept and in a CoA alike, with every field written out:
 * `rx/tx [rx-burst/tx-burst rx-threshold/tx-threshold rx-time/tx-time]`. Integers only, with `k` (1000) where that is
 * exact: RouterOS does not document decimals. `128k/128k`, `5000k/20000k 10000k/40000k 4000k/15000k 16/16`.
 */
export function mikrotikRateLimit(rate: Rate): string {
  const limit = pair(rate.uploadBps, rate.downloadBps);
  const burst = rate.burst;
  if (burst === null) return limit;
  const peak = pair(burst.uploadBps, burst.downloadBps);
  const threshold = pair(burst.thresholdUploadBps, burst.thresholdDownloadBps);
  return `${limit} ${peak} ${threshold} ${burst.seconds}/${burst.seconds}`;
}

function pair(rxBps: number, txBps: number): string {
  return `${bitsPerSecond(rxBps)}/${bitsPerSecond(txBps)}`;
}

/** `0` would mean "no limit" to the router, so a rate below 1 bit/s is told as 1. */
function bitsPerSecond(bps: number): string {
  const whole = Math.max(1, Math.round(bps));
  return whole % 1000 === 0 ? `${whole / 1000}k` : String(whole);
}

/**
 * Which of a session's octet counters is the subscriber's upload. RouterOS' documentation contradicts itself; its
 * attribute table says Input = received from the client, which is the upload. A router seen to report the other way
 * round carries `swapOctets`.
 */
export function subscriberOctets(
  inputBytes: number,
  outputBytes: number,
  swapOctets: boolean,
): { readonly upBytes: number; readonly downBytes: number } {
  return swapOctets ? { upBytes: outputBytes, downBytes: inputBytes } : { upBytes: inputBytes, downBytes: outputBytes };
}

export const UNKNOWN_MAC = -1;

/**
 * The MAC address written in octets [start, start + length), in any common spelling, as a 48-bit number; UNKNOWN_MAC when
 * it is none (Calling-Station-Id may be an IP address or a circuit id). In the path of every request: allocates nothing.
 */
export function macIn(bytes: Uint8Array, start: number, length: number): number {
  let mac = 0;
  let digits = 0;
  for (let i = start; i < start + length; i += 1) {
    const digit = hexDigit(bytes[i]!);
    if (digit === SEPARATOR) continue;
    if (digit === NO_DIGIT || digits === 12) return UNKNOWN_MAC;
    mac = mac * 16 + digit;
    digits += 1;
  }
  return digits === 12 ? mac : UNKNOWN_MAC;
}

/** The same for text: what `macIn` says of its octets. */
export function macNumber(text: string): number {
  const bytes = Buffer.from(text, 'latin1');
  return macIn(bytes, 0, bytes.length);
}

/** A MAC address as RouterOS writes it (`AA:BB:CC:DD:EE:FF`), from any common spelling of one; null when it is none. */
export function normalMac(text: string): string | null {
  const mac = macNumber(text);
  if (mac === UNKNOWN_MAC) return null;
  return mac
    .toString(16)
    .padStart(12, '0')
    .toUpperCase()
    .replace(/(..)(?=.)/g, '$1:');
}

const SEPARATOR = -1;
const NO_DIGIT = -2;

function hexDigit(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const letter = octet | 0x20;
  if (letter >= 0x61 && letter <= 0x66) return letter - 0x61 + 10;
  return octet === 0x3a || octet === 0x2d || octet === 0x2e ? SEPARATOR : NO_DIGIT;
}

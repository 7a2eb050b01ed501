import type { Instant } from '#domain/time';
import type { AccountingRecord, SessionRecord, Unusable } from '#domain/usage';
import { parseClass } from '#radius/class';
import { normalMac, subscriberOctets } from '#radius/mikrotik';
import type { Packet } from '#radius/packet';

/** What of a NAS the meaning of its accounting depends on. */
export type AccountingNas = { readonly id: number; readonly swapOctets: boolean };

const USER_NAME = 1;
const FRAMED_IP_ADDRESS = 8;
const CLASS = 25;
const CALLING_STATION_ID = 31;
const ACCT_STATUS_TYPE = 40;
const ACCT_DELAY_TIME = 41;
const ACCT_INPUT_OCTETS = 42;
const ACCT_OUTPUT_OCTETS = 43;
const ACCT_SESSION_ID = 44;
const ACCT_SESSION_TIME = 46;
const ACCT_TERMINATE_CAUSE = 49;
const ACCT_INPUT_GIGAWORDS = 52;
const ACCT_OUTPUT_GIGAWORDS = 53;
const EVENT_TIMESTAMP = 55;
const NAS_PORT_ID = 87;

const SESSION_STATUS = new Map([
  [1, 'start'],
  [2, 'stop'],
  [3, 'interim'],
] as const);

/**
 * Event-Timestamp is believed this far from what the time of arrival and Acct-Delay-Time say (RFC 2869 section 5.3 lets us
 * prefer it). Router clocks are often wrong by hours, or in 1970 after a boot; a packet kept back for longer than
 * this says so in Acct-Delay-Time.
 */
const SANE_SKEW_MS = 10 * 60_000;
/** A longer Acct-Delay-Time is taken for nonsense and for none. */
const SANE_DELAY_SECONDS = 86_400;
/** Ten years online: beyond it Acct-Session-Time is nonsense. */
const MOST_SESSION_SECONDS = 10 * 366 * 86_400;

/** Acct-Terminate-Cause in RFC 2866 section 5.10's words, 1 to 18, and RFC 3580 section 2.3's from 19. */
const CAUSES = (
  'User-Request Lost-Carrier Lost-Service Idle-Timeout Session-Timeout Admin-Reset Admin-Reboot Port-Error NAS-Error ' +
  'NAS-Request NAS-Reboot Port-Unneeded Port-Preempted Port-Suspended Service-Unavailable Callback User-Error ' +
  'Host-Request Supplicant-Restart Reauthentication-Failure Port-Reinit Port-Disabled'
).split(' ');

/**
 * What an Accounting-Request sent from `nasAddress` says (its authenticator was checked before it was journalled). Attributes RFC 2866 section
 * 4.1 does not allow are ignored, of those that must be single the first counts, and one of a wrong size is as if
 * absent (RFC 6929 section 2.8). Never throws: what cannot be used comes back with a reason.
 */
export function accountingRecord(
  packet: Packet,
  nas: AccountingNas,
  nasAddress: string,
  receivedAt: Instant,
): AccountingRecord | Unusable {
  const status = packet.uint32(ACCT_STATUS_TYPE);
  if (status === undefined) return unusable('Acct-Status-Type is missing');
  if (status === 7 || status === 8) {
    const at = eventTime(packet, receivedAt);
    return { status: status === 7 ? 'on' : 'off', nasId: nas.id, nasAddress, at, receivedAt };
  }
  const word = SESSION_STATUS.get(status as 1 | 2 | 3);
  if (word === undefined) return unusable(`Acct-Status-Type is ${status}`);
  return sessionRecord(packet, nas, nasAddress, receivedAt, word);
}

function sessionRecord(
  packet: Packet,
  nas: AccountingNas,
  nasAddress: string,
  receivedAt: Instant,
  status: SessionRecord['status'],
): SessionRecord | Unusable {
  const acctSessionId = packet.text(ACCT_SESSION_ID);
  if (acctSessionId === undefined || acctSessionId === '') return unusable('Acct-Session-Id is missing');
  const username = packet.text(USER_NAME) ?? '';
  const nasPortId = packet.text(NAS_PORT_ID) ?? null;
  if (hasNul(acctSessionId) || hasNul(username) || hasNul(nasPortId ?? '')) return unusable('a text holds NUL');
  const sessionSeconds = packet.uint32(ACCT_SESSION_TIME) ?? (status === 'start' ? 0 : null);
  if (sessionSeconds !== null && sessionSeconds > MOST_SESSION_SECONDS) {
    return unusable(`Acct-Session-Time is ${sessionSeconds}`);
  }
  const input = octets(packet, ACCT_INPUT_OCTETS, ACCT_INPUT_GIGAWORDS);
  const output = octets(packet, ACCT_OUTPUT_OCTETS, ACCT_OUTPUT_GIGAWORDS);
  if (input === null || output === null) return unusable('a counter of octets is beyond 2^53');
  const seen = subscriberOctets(input ?? 0, output ?? 0, nas.swapOctets);
  const identity = ourClass(packet);
  return {
    status,
    nasId: nas.id,
    nasAddress,
    acctSessionId,
    username,
    token: identity?.token ?? null,
    told: identity?.told ?? null,
    mac: callingMac(packet),
    framedIp: packet.ipv4(FRAMED_IP_ADDRESS) ?? null,
    nasPortId,
    sessionSeconds,
    octets: input === undefined && output === undefined ? null : { up: seen.upBytes, down: seen.downBytes },
    gigawords: packet.find(ACCT_INPUT_GIGAWORDS) !== 0 || packet.find(ACCT_OUTPUT_GIGAWORDS) !== 0,
    at: eventTime(packet, receivedAt),
    receivedAt,
    cause: status === 'stop' ? causeOf(packet) : null,
  };
}

/** 64 bits from two attributes (RFC 2869 section 5.1); undefined when absent, null when a number cannot hold it. */
function octets(packet: Packet, low: number, high: number): number | null | undefined {
  const octetsLow = packet.uint32(low);
  if (octetsLow === undefined) return undefined;
  const total = (packet.uint32(high) ?? 0) * 2 ** 32 + octetsLow;
  return Number.isSafeInteger(total) ? total : null;
}

/** Of several Class attributes ours is found by its form (RFC 2865 section 5.25: a proxy may add its own). */
function ourClass(packet: Packet): ReturnType<typeof parseClass> {
  for (let at = packet.find(CLASS); at !== 0; at = packet.findNext(at)) {
    const ours = parseClass(packet.bytesAt(at));
    if (ours !== null) return hasNul(ours.told?.live ?? '') || hasNul(ours.told?.fixed ?? '') ? null : ours;
  }
  return null;
}

function callingMac(packet: Packet): string | null {
  const text = packet.text(CALLING_STATION_ID);
  return text === undefined ? null : normalMac(text);
}

function eventTime(packet: Packet, receivedAt: Instant): Instant {
  const delay = packet.uint32(ACCT_DELAY_TIME) ?? 0;
  const sent = receivedAt - (delay > SANE_DELAY_SECONDS ? 0 : delay * 1000);
  const stamped = packet.uint32(EVENT_TIMESTAMP);
  return stamped !== undefined && Math.abs(stamped * 1000 - sent) <= SANE_SKEW_MS ? stamped * 1000 : sent;
}

function causeOf(packet: Packet): string | null {
  const cause = packet.uint32(ACCT_TERMINATE_CAUSE);
  return cause === undefined ? null : (CAUSES[cause - 1] ?? `cause ${cause}`);
}

/** PostgreSQL's text cannot hold it. */
const hasNul = (text: string): boolean => text.includes('\0');

const unusable = (reason: string): Unusable => ({ status: 'unusable', reason });

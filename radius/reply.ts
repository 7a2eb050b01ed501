import type { Decision } from '#domain/decision';
import type { NasVendor } from '#domain/policy';
import { type Instant, NEVER, SECOND } from '#domain/time';
import type { Line } from '#radius/directory';
import { extraAttributes, fixedAttributes, liveAttributes } from '#radius/vendors';

/**
 * What a NAS is told when it may let a subscriber in: from the decision and the line to attributes, as dictionary names
 * and printed values. `explain` prints this list and the server sends it; Class and the answers of the credential
 * (MS-CHAP2-Success, keys) are added by the server, for they are new in every reply.
 */
export type ReplyAttribute = readonly [name: string, value: string];

/** RouterOS' longest Session-Timeout (User Manager documents 21474720 s, 248 days). */
export const LONGEST_SESSION_SECONDS = 21_474_720;
/** Shorter would let a line that is about to change dial in circles. */
export const SHORTEST_SESSION_SECONDS = 60;

/** Everything an Access-Accept to a NAS of this make says at `at`, in sending order; empty when the decision denies. */
export function replyAttributes(
  decision: Decision,
  line: Line,
  at: Instant,
  vendor: NasVendor = 'mikrotik',
): ReplyAttribute[] {
  if (decision.access === 'denied') return [];
  const timeout = sessionTimeoutSeconds(decision.validUntil, at);
  return [
    ...decisionAttributes(decision, vendor),
    ...poolAttributes(decision, line),
    ...lineAttributes(line),
    ...(timeout === null ? [] : [['Session-Timeout', String(timeout)] as const]),
  ];
}

/**
 * Seconds from `at` to the instant at which the decision may change, rounded up so that the session never ends before
 * it. It is the net under the CoA that comes at that instant; the one place where Session-Timeout is made. Null: never.
 */
export function sessionTimeoutSeconds(validUntil: Instant, at: Instant): number | null {
  if (validUntil === NEVER) return null;
  const seconds = Math.ceil((validUntil - at) / SECOND);
  return Math.min(Math.max(seconds, SHORTEST_SESSION_SECONDS), LONGEST_SESSION_SECONDS);
}

/** What follows from the decision and the make of the NAS alone, so subscribers with equal outcomes share the encoded octets of it. */
export function decisionAttributes(decision: Decision, vendor: NasVendor): ReplyAttribute[] {
  const attributes: ReplyAttribute[] = [
    ['Service-Type', 'Framed-User'],
    ['Framed-Protocol', 'PPP'],
    ...liveAttributes(decision, vendor),
    ...fixedAttributes(decision, vendor),
  ];
  if (decision.idleSeconds !== null) attributes.push(['Idle-Timeout', String(decision.idleSeconds)]);
  attributes.push(['Acct-Interim-Interval', String(interimSeconds(decision))]);
  attributes.push(...extraAttributes(decision, vendor, 'fixed'));
  return attributes;
}

/** RFC 2869 5.16: never below 60. */
function interimSeconds(decision: Decision): number {
  return Math.max(60, decision.interimSeconds);
}

/** The decision's pool, unless the line has an address of its own (which would make the router ignore the pool). */
export function poolAttributes(decision: Decision, line: Line): ReplyAttribute[] {
  return decision.pool === null || line.staticIp !== null ? [] : [['Framed-Pool', decision.pool]];
}

/** What follows from the subscriber's line alone: its own address and IPv6 prefixes. */
export function lineAttributes(line: Line): ReplyAttribute[] {
  const attributes: ReplyAttribute[] = [];
  if (line.staticIp !== null) attributes.push(['Framed-IP-Address', hostOf(line.staticIp)]);
  if (line.framedIpv6Prefix !== null) attributes.push(['Framed-IPv6-Prefix', line.framedIpv6Prefix]);
  if (line.delegatedIpv6Prefix !== null) attributes.push(['Delegated-IPv6-Prefix', line.delegatedIpv6Prefix]);
  return attributes;
}

/** PostgreSQL prints an `inet` of one host without its mask, but `10.0.0.7/32` means the same. */
function hostOf(address: string): string {
  const slash = address.indexOf('/');
  return slash < 0 ? address : address.slice(0, slash);
}

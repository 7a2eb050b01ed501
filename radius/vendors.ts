import type { Decision } from '#domain/decision';
import type { Rate } from '#domain/plan';
import type { NasVendor } from '#domain/policy';
import { isLiveAttribute } from '#domain/reconcile';
import { mikrotikRateLimit } from '#radius/mikrotik';
import { policyDictionary } from '#radius/policy-dictionary';
import type { ReplyAttribute } from '#radius/reply';

/**
 * What a NAS of each make calls a rate and a list. The same attributes go out in an Access-Accept and in a CoA, so that a
 * session which was changed is as one that dialled anew.
 *
 * - `mikrotik`: Mikrotik-Rate-Limit and Mikrotik-Address-List (see `mikrotik.ts`), Mikrotik-Group for the PPP profile.
 * - `generic`: WISPr-Bandwidth-Max-Down and -Up in bit/s (Wi-Fi Alliance, Best Current Practices for WISP Roaming 1.0) and
 *   Filter-Id (RFC 2865 section 5.11) with the list's name: the NAS has a filter of that name.
 * - `accel-ppp`: Filter-Id as its shaper reads it by default, `download/upload` in kbit/s (accel-pppd/shaper/shaper.c:
 *   `attr=Filter-Id`, the part before the slash is ATTR_DOWN). It has no lists for PPP: what leads a line without a package
 *   to the portal is for the policy to say, in an attribute of its own.
 *
 * An attribute of the policy with one of these names takes the place of ours.
 */
export function liveAttributes(decision: Decision, vendor: NasVendor): ReplyAttribute[] {
  if (decision.rate === null || decision.addressList === null) return [];
  const written = extraAttributes(decision, vendor, 'live');
  const isWritten = (name: string) => written.some((one) => one[0].toLowerCase() === name.toLowerCase());
  return [...WORDS[vendor](decision.rate, decision.addressList).filter(([name]) => !isWritten(name)), ...written];
}

const WORDS: Readonly<Record<NasVendor, (rate: Rate, list: string) => ReplyAttribute[]>> = {
  mikrotik: (rate, list) => [
    ['Mikrotik-Rate-Limit', mikrotikRateLimit(rate)],
    ['Mikrotik-Address-List', list],
  ],
  generic: ({ downloadBps, uploadBps }, list) => [
    ['WISPr-Bandwidth-Max-Down', bits(downloadBps)],
    ['WISPr-Bandwidth-Max-Up', bits(uploadBps)],
    ['Filter-Id', list],
  ],
  'accel-ppp': ({ downloadBps, uploadBps }) => [['Filter-Id', `${kilobits(downloadBps)}/${kilobits(uploadBps)}`]],
};

/** 32 bits hold 4.29 Gbit/s: more than that is told as that. 0 is no limit to many a NAS. */
const bits = (bps: number): string => String(Math.min(Math.max(1, Math.round(bps)), 2 ** 32 - 1));

/** accel-ppp holds the number in an int. */
const kilobits = (bps: number): number => Math.min(Math.max(1, Math.round(bps / 1000)), 2 ** 31 - 1);

/** What only a new dial can change: others than MikroTik have no attribute for a profile of theirs. */
export function fixedAttributes({ profile }: Decision, vendor: NasVendor): ReplyAttribute[] {
  return profile === null || vendor !== 'mikrotik' ? [] : [['Mikrotik-Group', profile]];
}

/**
 * The policy's own attributes, those that a CoA can change or the others. One whose template came out as something that
 * cannot be sent for this subscriber is left out: they are better answered without it than not at all.
 */
export function extraAttributes(
  { attributes }: Decision,
  vendor: NasVendor,
  which: 'live' | 'fixed',
): ReplyAttribute[] {
  return attributes.filter(
    ([name, value]) => isLiveAttribute(name, vendor) === (which === 'live') && policyDictionary.encodable(name, value),
  );
}

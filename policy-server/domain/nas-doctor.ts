/**
 * What the RADIUS side alone can prove about a router, and how it is mended. Pure: evidence in, findings out. Nothing is
 * found on the word of one packet, and what nothing speaks for or against is told as unknown.
 *
 * Every RouterOS line that is printed here is one of the vendor's documentation (help.mikrotik.com: RADIUS, PPP AAA,
 * PPPoE, NTP, Packages, Firewall, CLI reference) and fits versions 6.49 and 7; what has to be filled in is in capitals.
 */

import { requestFindings } from '#domain/nas-doctor-requests';
import { sessionFindings } from '#domain/nas-doctor-sessions';
import {
  FINDING_CODES,
  FINDING_LEVELS,
  type Finding,
  type FindingLevel,
  type RouterEvidence,
} from '#domain/nas-evidence';

/** All findings about one router, in the order of `FINDING_CODES`. */
export function diagnose(evidence: RouterEvidence): Finding[] {
  const found = [...requestFindings(evidence), ...sessionFindings(evidence)];
  const inOrder = FINDING_CODES.flatMap((code) => found.filter((finding) => finding.code === code));
  if (evidence.nas.vendor === 'mikrotik') return inOrder;
  return inOrder.map((finding) => ({ ...finding, fix: null }));
}

/** The worst of them: what is unknown is worse than nothing only where nothing is known. */
export function worst(findings: readonly { readonly level: FindingLevel }[]): FindingLevel {
  return FINDING_LEVELS.find((level) => findings.some((finding) => finding.level === level)) ?? 'unknown';
}

import { isIPv4 } from 'node:net';
import { assert } from '#domain/assert';
import type { Decision } from '#domain/decision';
import type { NasVendor } from '#domain/policy';
import { say } from '#domain/say';
import type { Answer, DrivenSession, NasDriver } from '#enforcement/driver';
import { ADDRESS_BITS, liesIn, parsePrefix } from '#radius/address';
import type { CoaClient, CoaOutcome, CoaTarget } from '#radius/coa-client';
import { printOutcome } from '#radius/coa-client';
import { Code, Secret, type Writer } from '#radius/packet';
import { encodeAttributes } from '#radius/template';
import { liveAttributes } from '#radius/vendors';
import type { LoadedNas } from '#storage/facts';

const ATTRIBUTE = { userName: 1, framedIpAddress: 8, callingStationId: 31, acctSessionId: 44 } as const;

/**
 * Drives a NAS by RFC 5176. A session is named by User-Name and Acct-Session-Id together (User-Name alone would hit
 * every session of that user), and by nothing else unless the NAS asks for more: no NAS-IP-Address (behind a NAT it is
 * wrong, and a NAS refuses with 403), no Service-Type (it would mean Authorize-Only). A CoA carries the rate and the
 * address-list, in the attributes of the NAS's make. Session-Timeout is left out: whether RouterOS counts a new one from the session's start or from its
 * arrival is not documented, and what the session was given at its start only makes it dial once more.
 *
 * `targetOf` gives where the router that holds a session takes CoA; null when that is not known (see `coaTargets`).
 */
export function radiusDriver(client: CoaClient, targetOf: (session: DrivenSession) => RoutedTarget | null): NasDriver {
  const evidence = new Evidence();

  /** Sends once; with more identification if the NAS says that what it got is not enough (402, 508). */
  const ask = async (session: DrivenSession, kind: Kind, write: (packet: Writer) => void): Promise<Answer> => {
    const target = targetOf(session);
    if (target === null) return { is: 'cannot', said: say`not asked: the address of its router is not known` };
    const code = kind === 'disconnect' ? Code.disconnectRequest : Code.coaRequest;
    const send = (identify: typeof identifyBriefly) =>
      client.send(target, {
        code,
        write: (packet) => {
          identify(packet, session);
          if (target.router !== undefined) nameRouter(packet, target.router);
          write(packet);
        },
      });
    const outcome = await send(identifyBriefly);
    const wantsMore = outcome.is === 'nak' && (outcome.errorCause === 402 || outcome.errorCause === 508);
    const final = wantsMore ? await send(identifyFully) : outcome;
    if (final.is === 'ack') evidence.acknowledged(session, kind);
    return meaning(kind, final, evidence.of(session));
  };

  const disconnect = (session: DrivenSession) => ask(session, 'disconnect', nothing);
  const probe = (session: DrivenSession) => ask(session, 'probe', nothing);
  const coa = async (session: DrivenSession, decision: Decision, vendor: NasVendor): Promise<Answer> => {
    assert(decision.rate !== null, 'a CoA tells a rate and an address-list; who is denied is disconnected');
    const told = encodeAttributes(liveAttributes(decision, vendor));
    const answer = await ask(session, 'coa', (packet) => packet.addEncoded(told));
    if (answer.is !== 'doubtful') return answer;
    const alive = await probe(session);
    const said = say`${answer.said}, then to a probe: ${alive.said}`;
    // The session lives, so the NAS meant that it cannot do this; without any evidence a Disconnect will tell as well.
    const is = alive.is === 'done' || alive.is === 'doubtful' ? 'cannot' : alive.is;
    return { is, said };
  };
  return { coa, disconnect, probe };
}

type Kind = 'coa' | 'disconnect' | 'probe';

const nothing = () => undefined;

function identifyBriefly(packet: Writer, session: DrivenSession): void {
  packet.addText(ATTRIBUTE.userName, session.username);
  packet.addText(ATTRIBUTE.acctSessionId, session.acctSessionId);
}

function identifyFully(packet: Writer, session: DrivenSession): void {
  identifyBriefly(packet, session);
  if (session.framedIp !== null && isIPv4(session.framedIp))
    packet.addIpv4(ATTRIBUTE.framedIpAddress, session.framedIp);
  if (session.mac !== null) packet.addText(ATTRIBUTE.callingStationId, session.mac);
}

/** `router`: behind a proxy, the address by which the proxy knows which router is meant. */
export type RoutedTarget = CoaTarget & { readonly router?: string };

function nameRouter(packet: Writer, router: string): void {
  packet.addEncoded(encodeAttributes([[isIPv4(router) ? 'NAS-IP-Address' : 'NAS-IPv6-Address', router]]));
}

/** What a router has shown it can do: the weight of its 406. */
type Shown = {
  /** It acknowledged something for some session, so it finds sessions by what we send. */
  readonly finds: boolean;
  /** It acknowledged a CoA with rate and address-list, so these attributes are no "unsupported extension" to it. */
  readonly changes: boolean;
};

/** For each router by itself: those of one block may be of different makes. */
class Evidence {
  readonly #shown = new Map<string, Shown>();

  of({ nasId, nasAddress }: DrivenSession): Shown {
    return this.#shown.get(`${nasId} ${nasAddress}`) ?? { finds: false, changes: false };
  }

  acknowledged(session: DrivenSession, kind: Kind): void {
    const { nasId, nasAddress } = session;
    const changes = kind === 'coa' || this.of(session).changes;
    this.#shown.set(`${nasId} ${nasAddress}`, { finds: true, changes });
  }
}

/**
 * What an outcome means for the session (RFC 5176 section 3.5). RouterOS answers 406 "unsupported extension" where the RFC
 * has 503 "session context not found" (measured by others; see docs), so 406 means *gone* only from a NAS that has
 * acknowledged the same kind of request for another session.
 */
export function meaning(kind: Kind, outcome: CoaOutcome, shown: Shown): Answer {
  return { is: meaningOf(kind, outcome, shown), said: printOutcome(outcome) };
}

function meaningOf(kind: Kind, outcome: CoaOutcome, shown: Shown): Answer['is'] {
  if (outcome.is === 'ack') return 'done';
  if (outcome.is === 'timeout') return 'silent';
  switch (outcome.errorCause) {
    case 503:
      return 'gone';
    case 406:
      return (kind === 'coa' ? shown.changes : shown.finds) ? 'gone' : 'doubtful';
    case 403: // not this NAS: ours or the operator's to mend
    case 501:
    case 502:
    case 505:
    case 506:
    case 507:
      return 'later';
    default:
      // 401, 402, 404, 405, 407, 504, 508 (asked with all we know), none, unknown: this will not work.
      return 'cannot';
  }
}

/**
 * Where the router that holds a session takes CoA: port and secret are those of its NAS; the address is the NAS's where that
 * is a single one, else the one the session's accounting comes from. null for a NAS that is gone, and for an address that a
 * block does not hold any more: the secret may be another's.
 */
export function coaTargets(
  nases: readonly LoadedNas[],
): (session: Pick<DrivenSession, 'nasId' | 'nasAddress'>) => RoutedTarget | null {
  const byId = new Map(nases.map((nas) => [nas.id, { nas, block: parsePrefix(nas.address), target: targetOf(nas) }]));
  return ({ nasId, nasAddress }) => {
    const found = byId.get(nasId);
    if (found === undefined) return null;
    const { nas, block, target } = found;
    const single = block.bits === ADDRESS_BITS;
    if (!single && !liesIn(nasAddress, block)) return null;
    const router = single ? target.address : nasAddress;
    if (nas.coaViaId === null) return { ...target, address: router };
    const via = byId.get(nas.coaViaId);
    return via === undefined ? null : { ...via.target, router };
  };
}

function targetOf(nas: LoadedNas): CoaTarget {
  const [address = ''] = nas.address.split('/');
  return { address, port: nas.coaPort, secret: new Secret(nas.secret.reveal()) };
}

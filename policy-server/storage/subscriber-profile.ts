import type { Language } from '#domain/print-local';
import type { Instant } from '#domain/time';
import type { Queryable } from '#storage/database';
import { type StandingMove, standingMove } from '#storage/prepaid-moves';
import type { Access } from '#storage/subscribers';

/** All that is kept of one subscriber, but secrets, grants, sessions and what happened. */
export type SubscriberProfile = {
  readonly id: number;
  readonly username: string;
  readonly name: string;
  readonly phone: string | null;
  readonly address: string;
  readonly notes: string;
  readonly tags: readonly string[];
  readonly language: Language;
  readonly billing: 'prepaid' | 'postpaid';
  readonly access: Access;
  readonly suspendedAt: Instant | null;
  readonly createdAt: Instant;
  readonly mac: string | null;
  readonly sessionLimit: number;
  readonly staticIp: string | null;
  readonly framedIpv6Prefix: string | null;
  readonly delegatedIpv6Prefix: string | null;
  /** Of a static line: the router whose address-lists hold its addresses. */
  readonly nas: { readonly id: number; readonly name: string } | null;
  readonly staticAddresses: readonly ProfileAddress[];
  readonly portalId: string | null;
  readonly portalAccount: {
    readonly mustChangePin: boolean;
    readonly failures: number;
    readonly lastFailureAt: Instant | null;
    readonly issuedAt: Instant;
    /** When the portal was last entered, as far as sessions and devices still tell; null = not since the PIN was issued. */
    readonly lastLogin: Instant | null;
  } | null;
  /** The move from postpaid that could be undone. */
  readonly standingMove: StandingMove | null;
};

/** An address of a static line, and the address-list it is wanted in, its router acknowledged, and was last seen to have. */
export type ProfileAddress = {
  /** `10.0.0.1` or `10.0.0.8/29`. */
  readonly address: string;
  /** Taken from the line; it stays until its router has dropped the entry. */
  readonly removed: boolean;
  readonly wantedList: string | null;
  readonly toldList: string | null;
  readonly toldAt: Instant | null;
  readonly seenList: string | null;
  readonly seenAt: Instant | null;
  readonly lastError: string | null;
};

/** Everything a page shows of one subscriber; null when there is nobody of that number. */
export async function subscriberProfile(q: Queryable, id: number): Promise<SubscriberProfile | null> {
  const [rows, staticAddresses, move] = await Promise.all([
    q.query<Row>(PROFILE, [id], 'subscriber-profile'),
    q.query<ProfileAddress>(ADDRESSES, [id], 'subscriber-profile-addresses'),
    standingMove(q, id),
  ]);
  const [row] = rows;
  if (row === undefined) return null;
  const { nasId, nasName, mustChangePin, failures, lastFailureAt, issuedAt, lastLogin, ...plain } = row;
  return {
    ...plain,
    nas: nasId === null ? null : { id: nasId, name: nasName! },
    staticAddresses,
    portalAccount:
      issuedAt === null
        ? null
        : { mustChangePin: mustChangePin!, failures: failures!, lastFailureAt, issuedAt, lastLogin },
    standingMove: move,
  };
}

type Row = Omit<SubscriberProfile, 'nas' | 'staticAddresses' | 'portalAccount' | 'standingMove'> & {
  readonly nasId: number | null;
  readonly nasName: string | null;
  readonly mustChangePin: boolean | null;
  readonly failures: number | null;
  readonly lastFailureAt: Instant | null;
  readonly issuedAt: Instant | null;
  readonly lastLogin: Instant | null;
};

const PROFILE = `
select s.id, s.username, s.name, s.phone, s.address, s.notes, s.tags, s.language, s.billing, s.access,
       s.suspended_at as "suspendedAt", s.created_at as "createdAt", s.mac, s.session_limit as "sessionLimit",
       host(s.static_ip) as "staticIp", s.framed_ipv6_prefix as "framedIpv6Prefix",
       s.delegated_ipv6_prefix as "delegatedIpv6Prefix", s.nas_id as "nasId", nas.name as "nasName",
       s.portal_id as "portalId", account.must_change_pin as "mustChangePin", account.failures,
       account.last_failure_at as "lastFailureAt", account.issued_at as "issuedAt",
       greatest((select max(created_at) from web_session where subscriber_id = s.id),
                (select max(seen_at) from portal_device where subscriber_id = s.id)) as "lastLogin"
  from subscriber s left join nas on nas.id = s.nas_id left join portal_account account on account.subscriber_id = s.id
 where s.id = $1`;

const ADDRESSES = `
select case when masklen(address) = 32 then host(address) else address::text end as address, removed_at is not null as removed,
       wanted_list as "wantedList", told_list as "toldList", told_at as "toldAt", seen_list as "seenList", seen_at as "seenAt", last_error as "lastError"
  from static_address where subscriber_id = $1 order by removed_at is not null, static_address.address`;

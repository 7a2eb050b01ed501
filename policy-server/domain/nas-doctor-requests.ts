import { type Finding, type RouterEvidence, recent, silentAfterMs } from '#domain/nas-evidence';
import { later, type NasCounts } from '#domain/nas-signs';
import { say } from '#domain/say';
import { DAY, MINUTE, SECOND } from '#domain/time';

/** What a router's requests tell: whether it comes, is believed, signs, reports, asks twice, and what time it thinks it is. */
export const requestFindings = (evidence: RouterEvidence): Finding[] => [
  heard(evidence),
  secret(evidence),
  signed(evidence),
  accounting(evidence),
  resends(evidence),
  clock(evidence),
];

/** The entry that `gerbang nas script` makes has this comment. */
const ENTRY = '/radius set [find comment="gerbang"]';
/** Shows requests, accepts, resends, timeouts and bad-replies of the first entry (CLI reference, radius/monitor). */
const MONITOR = '/radius monitor 0';
export const LONGER_TIMEOUT = `${ENTRY} timeout=3s`;
export const SAME_SECRET = `${ENTRY} secret="SECRET"`;
/** RouterOS signs every request but accounting from 7.15 on (release notes of 7.15). */
const UPGRADE = '/system package update install';

function heard({ known, at, when, askedSeconds, sessions, nas }: RouterEvidence): Finding {
  const code = 'heard';
  const lastAt = known === null ? null : [known.authAt, known.acctAt, known.wrongAt].reduce(later, null);
  if (lastAt === null && sessions.live > 0) {
    const says = say`${sessions.live} sessions are open, but it never spoke to us itself: FreeRADIUS stands in between`;
    return { code, level: 'unknown', says, fix: null };
  }
  if (lastAt === null) {
    const says = say`nothing was ever heard from it; paste into it what "gerbang nas script ${nas.name}" prints`;
    return { code, level: 'unknown', says, fix: MONITOR };
  }
  const silent = at - lastAt > silentAfterMs(askedSeconds);
  if (silent && sessions.live > 0) {
    const says = say`silent since ${when(lastAt)} though ${sessions.live} sessions are open: it is off, or does not reach this server`;
    return { code, level: 'bad', says, fix: MONITOR };
  }
  if (at - lastAt > DAY) return { code, level: 'warn', says: say`silent since ${when(lastAt)}`, fix: MONITOR };
  return { code, level: 'ok', says: say`last heard ${when(lastAt)}`, fix: null };
}

/** What was wrong and has been right for so long is mended. */
const MENDED_MS = 10 * MINUTE;

function secret({ known, lastHour: { counts }, when }: RouterEvidence): Finding {
  const code = 'secret';
  const rightAt = known?.rightAt ?? null;
  const wrongAt = known?.wrongAt ?? null;
  if (wrongAt === null && rightAt === null) {
    const says = say`nothing proves it yet: a signed request, accounting or a PAP password would; CHAP does not`;
    return { code, level: 'unknown', says, fix: null };
  }
  if (wrongAt === null || (rightAt !== null && rightAt - wrongAt > MENDED_MS))
    return { code, level: 'ok', says: say`the same on both sides, last proved ${when(rightAt!)}`, fix: null };
  const wrong = counts.authForged + counts.acctForged + counts.papGarbled;
  const right = counts.signed + counts.accounted + counts.papReadable;
  if (rightAt === null || (right === 0 && wrongAt > rightAt)) {
    const says = say`not the same on both sides: ${Math.max(wrong, 1)} requests of the last hour do not fit ours; "gerbang nas script" prints it`;
    return { code, level: 'bad', says, fix: SAME_SECRET };
  }
  if (counts.acctForged > 0 && counts.accounted === 0) {
    const says = say`right for dials, but accounting is signed with another one: are there two entries in /radius?`;
    return { code, level: 'bad', says, fix: '/radius print detail' };
  }
  const says = say`right, but ${wrong} requests of the last hour do not fit it: are there two entries in /radius, or two routers behind this address?`;
  return { code, level: 'warn', says, fix: '/radius print detail' };
}

function signed(evidence: RouterEvidence): Finding {
  const code = 'signed';
  const { known, lastHour, nas } = evidence;
  const { counts } = recent(evidence, ['signed', 'unsigned'], 1);
  if (known === null || (known.signedAt === null && known.unsignedAt === null))
    return { code, level: 'unknown', says: say`no dial was heard yet`, fix: null };
  if (lastHour.counts.unsignedDropped > 0) {
    const says = say`${lastHour.counts.unsignedDropped} dials of the last hour got no answer, for they lack the Message-Authenticator that it must send: upgrade it (it restarts), or set "off" here`;
    return { code, level: 'bad', says, fix: UPGRADE };
  }
  if (known.signedAt === null || (known.unsignedAt !== null && known.unsignedAt > known.signedAt)) {
    const says = say`its dials have no Message-Authenticator, as before RouterOS 7.15: whoever is in between can forge (CVE-2024-3596); an upgrade restarts it`;
    return { code, level: 'warn', says, fix: UPGRADE };
  }
  if (counts.unsigned > 0 && lastHour.counts.unsigned > 0) {
    const says = say`${counts.unsigned} of ${counts.signed + counts.unsigned} dials have no Message-Authenticator: are there two routers behind this address?`;
    return { code, level: 'warn', says, fix: UPGRADE };
  }
  const demanded =
    nas.messageAuthenticator === 'required' || (nas.messageAuthenticator === 'auto' && nas.messageAuthenticatorSeen);
  const says = demanded ? say`its dials are signed, and must be` : say`its dials are signed`;
  return { code, level: 'ok', says, fix: null };
}

/** Fewer lines let in may be gone again before they report. */
const ENOUGH_ACCEPTS = 3;

function accounting(evidence: RouterEvidence): Finding {
  const code = 'accounting';
  const { counts } = recent(evidence, ['accepted'], ENOUGH_ACCEPTS);
  if (evidence.lastDay.counts.accounted > 0 && (counts.accounted > 0 || counts.accepted < ENOUGH_ACCEPTS))
    return { code, level: 'ok', says: say`it reports its sessions`, fix: null };
  if (counts.acctForged > 0)
    return { code, level: 'unknown', says: say`what it reports is dropped: see the secret`, fix: null };
  if (counts.accepted < ENOUGH_ACCEPTS)
    return { code, level: 'unknown', says: say`no line was let in of late`, fix: null };
  // Who asks again each time has not taken the answer: PPP would be up by the first Accept.
  const asksAgain = counts.againSoon + counts.againLate >= counts.accepted / 2;
  if (asksAgain) {
    const says = say`${counts.accepted} lines were let in, but it asked again for them and reported no session: our answers do not arrive, or it does not believe them (the secret)`;
    return { code, level: 'bad', says, fix: MONITOR };
  }
  const says = say`${counts.accepted} lines were let in, but it reported no session: accounting is off, or does not reach this server`;
  return { code, level: 'bad', says, fix: '/ppp aaa set accounting=yes' };
}

const ENOUGH_REQUESTS = 20;
const FEW = 0.02;
const MANY = 0.1;

const again = (counts: NasCounts): number =>
  counts.againQueued + counts.againHeld + counts.againUnwritten + counts.againSoon + counts.againLate + counts.repeated;

/** Whoever asked twice is told apart by how long it waited and whether our answer had left; mikrotik.md, part 2, has the timeouts. */
function resends(evidence: RouterEvidence): Finding {
  const code = 'resends';
  const { counts } = recent(evidence, ['accepted', 'rejected', 'accounted'], ENOUGH_REQUESTS);
  const total = counts.accepted + counts.rejected + counts.accounted - counts.repeated;
  const twice = again(counts);
  if (total < ENOUGH_REQUESTS) return { code, level: 'unknown', says: say`too few requests to go by`, fix: null };
  const share = twice / total;
  if (share < FEW) return { code, level: 'ok', says: say`${twice} of ${total} requests were asked again`, fix: null };
  const level = share < MANY ? 'warn' : 'bad';
  // Accounting comes again under a new Identifier (RFC 2866 section 5.2): how soon, only its dials tell.
  const isSoon = counts.againSoon > counts.againLate;
  const causes: readonly (readonly [count: number, says: string, fix: string | null])[] = [
    [
      counts.againQueued + counts.againUnwritten,
      say`${twice} requests were asked again beside ${total}: they waited here, for this server was slow (its disk or processor)`,
      null,
    ],
    [
      counts.againHeld,
      say`${twice} requests were asked again beside ${total}: it does not wait for a refusal, which we hold back for up to a second`,
      LONGER_TIMEOUT,
    ],
    [
      counts.againSoon + (isSoon ? counts.repeated : 0),
      say`${twice} requests were asked again beside ${total}: it waits for less than 0.7 s, and our answers take longer to it or get lost`,
      LONGER_TIMEOUT,
    ],
    [
      counts.againLate + (isSoon ? 0 : counts.repeated),
      say`${twice} requests were asked again beside ${total} though the answers had left: they get lost on the way to it`,
      MONITOR,
    ],
  ];
  const [, says, fix] = causes.reduce((most, cause) => (cause[0] > most[0] ? cause : most));
  return { code, level, says, fix };
}

/** From here on Event-Timestamp is not believed (`radius/accounting.ts`). */
const NONSENSE_MS = 10 * MINUTE;

function clock({ known, when }: RouterEvidence): Finding {
  const code = 'clock';
  const skew = known?.skew ?? null;
  if (skew === null) return { code, level: 'unknown', says: say`it sends no Event-Timestamp`, fix: null };
  const seconds = Math.round(Math.abs(skew.ms) / SECOND);
  if (Math.abs(skew.ms) <= MINUTE)
    return { code, level: 'ok', says: say`right to ${Math.max(seconds, 1)} s (${when(skew.at)})`, fix: null };
  const level = Math.abs(skew.ms) > NONSENSE_MS ? 'bad' : 'warn';
  const says =
    skew.ms > 0
      ? say`${seconds} s ahead of this server (${when(skew.at)}); name an NTP server too`
      : say`${seconds} s behind this server (${when(skew.at)}); name an NTP server too`;
  return { code, level, says, fix: '/system ntp client set enabled=yes' };
}

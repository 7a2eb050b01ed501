import { LONGER_TIMEOUT, SAME_SECRET } from '#domain/nas-doctor-requests';
import { type Finding, type RouterEvidence, recent } from '#domain/nas-evidence';
import { gapSeconds } from '#domain/nas-signs';
import { say } from '#domain/say';

/** What a router's sessions tell: their interims, their octets, and what becomes of them by CoA and Disconnect. */
export const sessionFindings = (evidence: RouterEvidence): Finding[] => [
  interim(evidence),
  gaps(evidence),
  coa(evidence),
  coaEffect(evidence),
  rate(evidence),
  redial(evidence),
  direction(evidence),
  address(evidence),
];

const ENOUGH_GAPS = 20;
/** A bucket is some per cent wide: what people enter is likelier than its middle. */
const USUAL_SECONDS = [30, 60, 90, 120, 180, 240, 300, 600, 900, 1200, 1800, 3600];
/** A gap is an interval, or so many, when it is off by less than this share of one: buckets are 7 % wide. */
const NEAR = 0.12;

const gapsIn = (gaps: readonly number[]): number => gaps.reduce((sum, count) => sum + count, 0);

/** Those of the last hour where they are enough to go by. */
function recentGaps({ lastHour, lastDay }: RouterEvidence): readonly number[] {
  return gapsIn(lastHour.gaps) >= ENOUGH_GAPS ? lastHour.gaps : lastDay.gaps;
}

function interim(evidence: RouterEvidence): Finding {
  const code = 'interim';
  const { askedSeconds, sessions, lastHour } = evidence;
  const asked = Math.max(...askedSeconds);
  const found = recentGaps(evidence);
  const count = gapsIn(found);
  const fix = `/ppp aaa set accounting=yes interim-update=${routerTime(asked)}`;
  if (count === 0 && sessions.silent > 0 && lastHour.counts.accounted > 0) {
    const says = say`${sessions.silent} of ${sessions.live} sessions send none, though every ${asked} s was asked for`;
    return { code, level: 'bad', says, fix };
  }
  if (count < ENOUGH_GAPS) return { code, level: 'unknown', says: say`too few interims to go by`, fix: null };
  const median = medianOf(found, count);
  const kept = askedSeconds.find((seconds) => Math.abs(median / seconds - 1) <= NEAR);
  if (kept !== undefined) return { code, level: 'ok', says: say`they come every ${kept} s, as asked for`, fix: null };
  const about = USUAL_SECONDS.find((seconds) => Math.abs(median / seconds - 1) < 0.04) ?? Math.round(median);
  const says = say`they come every ${about} s or so, though every ${askedSeconds.join(', ')} s was asked for`;
  return { code, level: 'warn', says, fix };
}

function medianOf(gaps: readonly number[], count: number): number {
  let before = 0;
  const bucket = gaps.findIndex((here) => {
    before += here;
    return before * 2 >= count;
  });
  return gapSeconds(bucket);
}

/** As RouterOS writes a time: `5m`, `90s`. */
const routerTime = (seconds: number): string => (seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`);

const FEW_MISSING = 0.02;
const MANY_MISSING = 0.1;

/** A gap of twice the interval is one interim that never came: we see the session's own clock, not when it arrived. */
function gaps(evidence: RouterEvidence): Finding {
  const code = 'gaps';
  let expected = 0;
  let missing = 0;
  for (const [bucket, count] of recentGaps(evidence).entries()) {
    const intervals = count === 0 ? null : intervalsIn(gapSeconds(bucket), evidence.askedSeconds);
    if (intervals === null) continue;
    expected += intervals * count;
    missing += (intervals - 1) * count;
  }
  if (expected < ENOUGH_GAPS) return { code, level: 'unknown', says: say`too few interims to go by`, fix: null };
  const share = missing / expected;
  const says = say`${missing} of ${expected} interims never came`;
  if (share < FEW_MISSING) return { code, level: 'ok', says, fix: null };
  return { code, level: share < MANY_MISSING ? 'warn' : 'bad', says, fix: LONGER_TIMEOUT };
}

/** How many intervals that were asked for a gap is long; the fewest that fit; null = it is no multiple of any. */
function intervalsIn(seconds: number, asked: readonly number[]): number | null {
  const fitting = asked.flatMap((interval) => {
    const intervals = Math.max(1, Math.round(seconds / interval));
    return Math.abs(seconds / interval - intervals) <= NEAR * intervals ? [intervals] : [];
  });
  return fitting.length === 0 ? null : Math.min(...fitting);
}

function coa(evidence: RouterEvidence): Finding {
  const code = 'coa';
  const { probe, nas } = evidence;
  const accept = `/radius incoming set accept=yes port=${nas.coaPort}`;
  switch (probe?.is) {
    case 'answered':
      return { code, level: 'ok', says: say`answered just now on port ${nas.coaPort}: ${probe.said}`, fix: null };
    case 'forged': {
      const says = say`answered just now, but signed with another secret`;
      return { code, level: 'bad', says, fix: SAME_SECRET };
    }
    case 'silent': {
      const says =
        probe.otherPort === null
          ? say`no answer just now on port ${nas.coaPort}: it is not accepted, a firewall drops it, or this server is not in its /radius`
          : say`no answer just now on port ${nas.coaPort}, but on ${probe.otherPort}`;
      return { code, level: 'bad', says, fix: accept };
    }
    case 'not-sent':
      return { code, level: 'unknown', says: say`could not be asked: ${probe.said}`, fix: null };
  }
  const { counts } = recent(evidence, ['coaAcknowledged', 'coaRefused', 'coaSilent'], 1);
  const answered = counts.coaAcknowledged + counts.coaRefused;
  const total = answered + counts.coaSilent;
  if (total === 0) return { code, level: 'unknown', says: say`nothing was asked of it of late`, fix: null };
  const says = say`${answered} of ${total} requests to it were answered`;
  if (counts.coaSilent <= total * 0.1) return { code, level: 'ok', says, fix: null };
  return { code, level: answered === 0 ? 'bad' : 'warn', says, fix: accept };
}

/** One line over its rate may be a counter that jumped. */
const ENOUGH_OVER = 2;
const SHARE_OVER = 0.2;

const isOver = (over: number, under: number): boolean => over >= ENOUGH_OVER && over >= (over + under) * SHARE_OVER;

function coaEffect(evidence: RouterEvidence): Finding {
  const code = 'coa-effect';
  const {
    coaKept: kept,
    coaExceeded: over,
    rateKept,
    rateExceeded,
  } = recent(evidence, ['coaKept', 'coaExceeded'], 3).counts;
  const lines = kept + over;
  if (isOver(over, kept)) {
    const says = say`after a CoA that it acknowledged ${over} of ${lines} busy lines used more than they were told`;
    // Where lines exceed what the dial told as well, it is not the CoA that fails: see `rate`.
    return { code, level: 'bad', says, fix: isOver(rateExceeded, rateKept) ? FASTTRACK : QUEUES };
  }
  if (kept === 0) return { code, level: 'unknown', says: say`no line was busy after a CoA of late`, fix: null };
  return {
    code,
    level: 'ok',
    says: say`after a CoA ${kept} of ${lines} busy lines stayed below what they were told`,
    fix: null,
  };
}

/** FastTrack passes simple queues and filters by (help.mikrotik.com, Connection tracking: FastTrack). */
const FASTTRACK = '/ip firewall filter disable [find action=fasttrack-connection]';
/** A static queue above the dynamic one is matched first (help.mikrotik.com, Queues: simple queues). */
const QUEUES = '/queue simple print';

function rate(evidence: RouterEvidence): Finding {
  const code = 'rate';
  const { rateKept: kept, rateExceeded: over } = recent(evidence, ['rateKept', 'rateExceeded'], 3).counts;
  const lines = kept + over;
  if (isOver(over, kept)) {
    const says = say`${over} of ${lines} busy lines used more than the rate they were given: FastTrack passes the queues by, or a queue of yours stands above`;
    return { code, level: 'bad', says, fix: FASTTRACK };
  }
  if (kept === 0) return { code, level: 'unknown', says: say`no line was busy of late`, fix: null };
  return {
    code,
    level: 'ok',
    says: say`${kept} of ${lines} busy lines stayed below the rate they were given`,
    fix: null,
  };
}

function redial({ disconnects: { acknowledged, survived, redialled } }: RouterEvidence): Finding {
  const code = 'redial';
  if (acknowledged === 0) return { code, level: 'unknown', says: say`no session was disconnected of late`, fix: null };
  if (survived >= acknowledged * SHARE_OVER && survived > 0) {
    const says = say`${survived} of ${acknowledged} sessions lived on after a Disconnect that it acknowledged`;
    return { code, level: 'bad', says, fix: '/ppp active print' };
  }
  const says = say`${redialled} of ${acknowledged} lines were online again within three minutes of a Disconnect`;
  const back = redialled >= acknowledged / 2 || acknowledged < 3;
  return { code, level: back ? 'ok' : 'warn', says, fix: null };
}

const ENOUGH_SESSIONS = 10;

function direction({ sessions: { downloading, uploading }, nas }: RouterEvidence): Finding {
  const code = 'direction';
  const lines = downloading + uploading;
  if (lines < ENOUGH_SESSIONS) return { code, level: 'unknown', says: say`too few sessions to go by`, fix: null };
  if (uploading <= lines / 2)
    return {
      code,
      level: 'ok',
      says: say`${downloading} of ${lines} sessions download more than they upload`,
      fix: null,
    };
  const level = uploading > lines * 0.75 ? 'bad' : 'warn';
  const says = say`${uploading} of ${lines} sessions upload more than they download: it counts the other way round; gerbang nas edit ${nas.name} --swap-octets ${!nas.swapOctets}`;
  return { code, level, says, fix: null };
}

function address({ sessions: { reported, withoutAddress } }: RouterEvidence): Finding {
  const code = 'address';
  if (reported === 0) return { code, level: 'unknown', says: say`no session has sent an interim yet`, fix: null };
  if (withoutAddress === 0)
    return { code, level: 'ok', says: say`all ${reported} sessions that report have one`, fix: null };
  const level = withoutAddress > reported / 2 ? 'bad' : 'warn';
  const says = say`${withoutAddress} of ${reported} sessions have none; name a pool in the profile`;
  return { code, level, says, fix: '/ppp profile set PROFILE remote-address=POOL' };
}

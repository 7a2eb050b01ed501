import { parseRateLimit, type Session } from '#test/world/session';
import { Attributes, COA_REQUEST } from '#test/world/wire';

/** How the router treats `/radius incoming`. */
export type IncomingOptions = {
  /** `accept=no`: nothing answers. */
  accept: boolean;
  /** What Mikrotik-Address-List in a CoA does: replaces the old entry, is acknowledged and ignored, or is added. */
  addressList: 'replace' | 'ignore' | 'add';
  /** Error-Cause for a session the router does not have: RFC 5176 says 503, RouterOS was seen to say 406. */
  unknownSession: 503 | 406;
  /** Error-Cause with which every CoA about a session it has is refused; null: it takes them. */
  refuses: number | null;
  /** Milliseconds until it answers. */
  delayMs: number;
};

/** RFC 5176 3.5. */
const UNSUPPORTED_ATTRIBUTE = 401;
const INVALID_VALUE = 407;

type Answer = { ack: true } | { ack: false; errorCause: number };
export type Verdict = {
  answer: Answer;
  sessions: Session[];
  /** What it did, in words. */
  text: string;
};

/** Identification (RFC 5176 3), signing and routing: all that a Disconnect-Request may hold. */
const identifying = new Set([1, 4, 5, 8, 31, 32, 33, 44, 55, 80, 87, 95]);
/** What CoA can change on PPP: Session-Timeout, Idle-Timeout, and the vendor attributes below. */
const changeable = new Set([26, 27, 28]);

function find(request: Attributes, sessions: ReadonlyMap<string, Session>): Session[] {
  const username = request.text('User-Name');
  const id = request.text('Acct-Session-Id');
  const address = request.text('Framed-IP-Address');
  if (username === null && id === null && address === null) return [];
  const byId = id === null ? undefined : sessions.get(id);
  return (id === null ? [...sessions.values()] : byId ? [byId] : []).filter(
    (session) =>
      (username === null || session.username === username) && (address === null || session.address === address),
  );
}

/** What a believed CoA-Request or Disconnect-Request does. A change is made wholly or not at all. */
export function judge(
  packet: Buffer,
  sessions: ReadonlyMap<string, Session>,
  options: IncomingOptions,
): Verdict & { apply: () => void } {
  const request = new Attributes(packet);
  const coa = packet[0] === COA_REQUEST;
  const refuse = (errorCause: number, text: string) => ({
    answer: { ack: false, errorCause } as const,
    sessions: [],
    text,
    apply: () => {},
  });
  const foreign = request.types().find((type) => !identifying.has(type) && !(coa && changeable.has(type)));
  if (foreign !== undefined) return refuse(UNSUPPORTED_ATTRIBUTE, `attribute ${foreign} cannot be taken`);
  const found = find(request, sessions);
  if (found.length === 0) return refuse(options.unknownSession, 'no such session');
  if (!coa) return { answer: { ack: true }, sessions: found, text: 'disconnected', apply: () => {} };
  if (options.refuses !== null) return refuse(options.refuses, 'it takes no changes');

  const rate = request.vendorText('Mikrotik-Rate-Limit');
  const list = request.vendorText('Mikrotik-Address-List');
  const sessionTimeout = request.number('Session-Timeout');
  const idleTimeout = request.number('Idle-Timeout');
  if (rate !== null && parseRateLimit(rate) === null) {
    return refuse(INVALID_VALUE, `rate limit "${rate}" is none`);
  }
  const apply = () => {
    for (const session of found) {
      if (rate !== null) session.limit(rate);
      if (list !== null && options.addressList === 'replace') session.addressLists = [list];
      if (list !== null && options.addressList === 'add')
        session.addressLists = [...new Set([...session.addressLists, list])];
      if (sessionTimeout !== null) session.endsAt = session.startedAt + sessionTimeout * 1000;
      if (idleTimeout !== null) session.idleSeconds = idleTimeout;
    }
  };
  const changes = [
    rate !== null && `rate ${rate}`,
    list !== null && `list ${list}${options.addressList === 'ignore' ? ' (ignored)' : ''}`,
    sessionTimeout !== null && `ends after ${sessionTimeout} s`,
  ].filter((change) => change !== false);
  return { answer: { ack: true }, sessions: found, text: changes.join(', ') || 'nothing to change', apply };
}

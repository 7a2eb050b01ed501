/**
 * Asks a NAS to change or end a session: CoA-Request and Disconnect-Request (RFC 5176) over UDP, sent again as RFC 5080
 * section 2.2.1 says until an answer comes that only this NAS can have made.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { type Code, Packet, type Secret, verifyReply, Writer } from '#radius/packet';

/** Who is asked. RouterOS listens on 3799 or 1700 (its documents and its exports disagree), so the port is per NAS. */
export type CoaTarget = {
  /** An IPv4 or IPv6 address. */
  readonly address: string;
  readonly port: number;
  readonly secret: Secret;
  /**
   * Put Event-Timestamp in (RFC 5176 section 3.3 wants it; a NAS whose clock is wrong then drops every request without a
   * word, so it is off unless the operator knows better).
   */
  readonly eventTimestamp?: boolean;
};

export type CoaRequest = {
  readonly code: typeof Code.coaRequest | typeof Code.disconnectRequest;
  /** Adds the attributes, the same each time it is called; Message-Authenticator and Event-Timestamp are ours. */
  readonly write: (packet: Writer) => void;
};

export type CoaOutcome =
  | { readonly is: 'ack' }
  /** CoA is atomic (RFC 5176 section 2.2): nothing was changed. `errorCause` is null where the NAS gave none. */
  | { readonly is: 'nak'; readonly errorCause: number | null }
  /** No answer to any transmission; whether it was carried out is unknown. `error`: why the last one could not leave. */
  | { readonly is: 'timeout'; readonly error: string | null };

/** RFC 5080 section 2.2.1. The gap after each transmission doubles, up to `longestMs`, each ± 10 %. */
export type Retransmission = {
  /** IRT: the gap after the first transmission. */
  readonly firstMs: number;
  /** MRT: no gap is longer. */
  readonly longestMs: number;
  /** MRC: transmissions in all. */
  readonly transmissions: number;
  /** MRD: after this it is over whatever else. */
  readonly durationMs: number;
};

/** The RFC's own numbers: made for an operator who waits; a dead NAS is known as dead after 30 s. */
export const RFC5080_RETRANSMISSION: Retransmission = {
  firstMs: 2_000,
  longestMs: 16_000,
  transmissions: 5,
  durationMs: 30_000,
};

/**
 * Ours: sent at 0, 1, 3 and 7 s and given up at 10 s, because whoever asked asks again later, and until then a dead NAS
 * occupies its share of what may be outstanding.
 */
export const DEFAULT_RETRANSMISSION: Retransmission = {
  firstMs: 1_000,
  longestMs: 16_000,
  transmissions: 4,
  durationMs: 10_000,
};

export type Timers = {
  set(work: () => void, ms: number): unknown;
  clear(timer: unknown): void;
};

const systemTimers: Timers = {
  set: (work, ms) => setTimeout(work, ms),
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
};

export type CoaClientOptions = {
  /**
   * The address requests leave from: the one the NASes have in their `/radius`, for RouterOS takes CoA from no other.
   * A wildcard lets the routing table choose.
   */
  readonly host: string;
  /** Milliseconds since 1970: for Event-Timestamp. */
  readonly now: () => number;
  readonly retransmission?: Partial<Retransmission>;
  readonly timers?: Timers;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
};

/** Replies that were no answer, by reason; any growth of `forged` is worth a look (a wrong secret on one side). */
export type IgnoredReplies = {
  malformed: number;
  /** Nobody waits for it: late, or never asked for. */
  unsolicited: number;
  /** Not the code of an answer to this request. */
  wrongCode: number;
  /** Response Authenticator or Message-Authenticator does not hold. */
  forged: number;
  /** Event-Timestamp more than 300 s away (RFC 5176 section 3.3). */
  stale: number;
};

const ATTRIBUTE = { eventTimestamp: 55, errorCause: 101 } as const;
const IDENTIFIERS = 256;
const AUTHENTICATOR_OCTETS = 16;
const TIMESTAMP_WINDOW_MS = 300_000;

/** One request under way: bytes that never change, and when they leave again. */
type Exchange = {
  readonly target: CoaTarget;
  readonly bytes: Buffer;
  readonly authenticator: Buffer;
  readonly settle: (outcome: CoaOutcome) => void;
  transmissions: number;
  gapMs: number;
  elapsedMs: number;
  timer: unknown;
  error: string | null;
};

/** The 256 identifiers from one of our ports to one NAS. `last`: the Request Authenticator that each went with last. */
type Identifiers = { readonly outstanding: Map<number, Exchange>; readonly last: Buffer; next: number };

/** One source port. */
type Port = { readonly socket: Socket; readonly ipv6: boolean; readonly byTarget: Map<string, Identifiers> };

/** Any number of requests to any number of NASes at once; more than 256 outstanding to one NAS open further ports. */
export class CoaClient {
  readonly ignored: IgnoredReplies = { malformed: 0, unsolicited: 0, wrongCode: 0, forged: 0, stale: 0 };
  readonly #host: string;
  readonly #now: () => number;
  readonly #retransmission: Retransmission;
  readonly #timers: Timers;
  readonly #random: () => number;
  readonly #writer = new Writer();
  readonly #reply = new Packet();
  readonly #ports = new Set<Port>();
  #closed = false;

  constructor(options: CoaClientOptions) {
    this.#host = options.host;
    this.#now = options.now;
    this.#retransmission = { ...DEFAULT_RETRANSMISSION, ...options.retransmission };
    this.#timers = options.timers ?? systemTimers;
    this.#random = options.random ?? Math.random;
  }

  /** How many requests await their answer. */
  get outstanding(): number {
    let count = 0;
    for (const port of this.#ports) for (const { outstanding } of port.byTarget.values()) count += outstanding.size;
    return count;
  }

  /**
   * Sends one request and waits for what comes of it. Never throws for what a NAS or the network does; RangeError if
   * the attributes do not fit a packet. After `close` the outcome is `timeout` at once.
   */
  send(target: CoaTarget, request: CoaRequest): Promise<CoaOutcome> {
    if (this.#closed) return Promise.resolve({ is: 'timeout', error: 'closed' });
    const key = keyOf(target.address, target.port);
    const port = this.#portFor(target, key);
    const identifiers = identifiersOf(port, key);
    const { identifier, bytes } = this.#next(target, request, identifiers);
    return new Promise((resolve) => {
      const exchange: Exchange = {
        target,
        bytes,
        authenticator: bytes.subarray(4, 20),
        transmissions: 0,
        gapMs: 0,
        elapsedMs: 0,
        timer: undefined,
        error: null,
        settle: (outcome) => {
          this.#timers.clear(exchange.timer);
          identifiers.outstanding.delete(identifier);
          resolve(outcome);
        },
      };
      identifiers.outstanding.set(identifier, exchange);
      this.#transmit(port, exchange);
    });
  }

  /** Ends everything: what is outstanding ends as `timeout`. */
  close(): void {
    this.#closed = true;
    for (const port of this.#ports) this.#drop(port, 'closed');
  }

  /**
   * The request under an identifier that did not go with the same octets last. To a NAS those would be a retransmission
   * (RFC 5080 section 2.2.2), which it answers as before without doing anything: a line that is told A, B and A again
   * would stay at B, once in 256 times.
   */
  #next(target: CoaTarget, request: CoaRequest, identifiers: Identifiers): { identifier: number; bytes: Buffer } {
    const { last, outstanding } = identifiers;
    for (let free = IDENTIFIERS - outstanding.size; ; free -= 1) {
      const identifier = takeIdentifier(identifiers);
      const bytes = this.#encode(target, request, identifier);
      const at = identifier * AUTHENTICATOR_OCTETS;
      const isRepeated = bytes.compare(last, at, at + AUTHENTICATOR_OCTETS, 4, 4 + AUTHENTICATOR_OCTETS) === 0;
      if (isRepeated && free > 1) continue;
      bytes.copy(last, at, 4, 4 + AUTHENTICATOR_OCTETS);
      return { identifier, bytes };
    }
  }

  #encode(target: CoaTarget, request: CoaRequest, identifier: number): Buffer {
    const writer = this.#writer;
    writer.begin(request.code, identifier);
    writer.addMessageAuthenticator();
    request.write(writer);
    if (target.eventTimestamp === true) writer.addUint32(ATTRIBUTE.eventTimestamp, Math.floor(this.#now() / 1000));
    const length = writer.finishRequest(target.secret);
    if (length === 0) throw new RangeError('the attributes of a CoA or Disconnect do not fit one packet');
    return Buffer.from(writer.buffer.subarray(0, length));
  }

  /** Sends (again: the same octets from the same port) and arms the timer for the next time or the end. */
  #transmit(port: Port, exchange: Exchange): void {
    exchange.transmissions += 1;
    port.socket.send(exchange.bytes, exchange.target.port, exchange.target.address, (error) => {
      exchange.error = error === null ? null : error.message;
    });
    const limits = this.#retransmission;
    exchange.gapMs = this.#nextGapMs(exchange.gapMs);
    const waitMs = Math.min(exchange.gapMs, limits.durationMs - exchange.elapsedMs);
    exchange.elapsedMs += waitMs;
    exchange.timer = this.#timers.set(() => {
      const over = exchange.transmissions >= limits.transmissions || exchange.elapsedMs >= limits.durationMs;
      if (over) exchange.settle({ is: 'timeout', error: exchange.error });
      else this.#transmit(port, exchange);
    }, waitMs);
  }

  #nextGapMs(previousMs: number): number {
    const { firstMs, longestMs } = this.#retransmission;
    const spread = 1 + (this.#random() * 2 - 1) * 0.1;
    if (previousMs === 0) return firstMs * spread;
    const doubled = previousMs * (1 + spread);
    return doubled > longestMs ? longestMs * spread : doubled;
  }

  #portFor(target: CoaTarget, key: string): Port {
    const ipv6 = isIPv6(target.address);
    for (const port of this.#ports) {
      if (port.ipv6 !== ipv6) continue;
      if ((port.byTarget.get(key)?.outstanding.size ?? 0) < IDENTIFIERS) return port;
    }
    return this.#open(ipv6);
  }

  #open(ipv6: boolean): Port {
    const socket = createSocket({ type: ipv6 ? 'udp6' : 'udp4', ipv6Only: ipv6 });
    const port: Port = { socket, ipv6, byTarget: new Map() };
    this.#ports.add(port);
    socket.on('message', (datagram, from) => this.#receive(port, datagram, from));
    socket.on('error', (error) => this.#drop(port, error.message));
    // A host of the other family cannot carry this packet: the routing table chooses then.
    if (isIPv6(this.#host) === ipv6) socket.bind(0, this.#host);
    else socket.bind(0);
    return port;
  }

  #receive(port: Port, datagram: Buffer, from: RemoteInfo): void {
    const reply = this.#reply;
    if (!reply.parse(datagram)) {
      this.ignored.malformed += 1;
      return;
    }
    const exchange = port.byTarget.get(keyOf(from.address, from.port))?.outstanding.get(reply.identifier);
    if (exchange === undefined) {
      this.ignored.unsolicited += 1;
      return;
    }
    const fault = this.#faultOf(reply, exchange);
    if (fault !== null) this.ignored[fault] += 1;
    else if (reply.code === ackTo(exchange)) exchange.settle({ is: 'ack' });
    else exchange.settle({ is: 'nak', errorCause: reply.uint32(ATTRIBUTE.errorCause) ?? null });
  }

  #faultOf(reply: Packet, exchange: Exchange): 'wrongCode' | 'forged' | 'stale' | null {
    const ack = ackTo(exchange);
    if (reply.code !== ack && reply.code !== ack + 1) return 'wrongCode';
    if (!verifyReply(reply, exchange.authenticator, exchange.target.secret)) return 'forged';
    const seconds = reply.uint32(ATTRIBUTE.eventTimestamp);
    const stale = seconds !== undefined && Math.abs(seconds * 1000 - this.#now()) > TIMESTAMP_WINDOW_MS;
    return stale ? 'stale' : null;
  }

  #drop(port: Port, error: string): void {
    if (!this.#ports.delete(port)) return;
    for (const { outstanding } of port.byTarget.values()) {
      for (const exchange of [...outstanding.values()]) exchange.settle({ is: 'timeout', error });
    }
    port.socket.close();
  }
}

/** Each request code is followed by its ACK's and that by its NAK's (RFC 5176 section 2.3). */
const ackTo = (exchange: Exchange): number => exchange.bytes[0]! + 1;

const keyOf = (address: string, port: number): string => `${address} ${port}`;

function identifiersOf(port: Port, key: string): Identifiers {
  const known = port.byTarget.get(key);
  if (known !== undefined) return known;
  const made: Identifiers = { outstanding: new Map(), last: Buffer.alloc(IDENTIFIERS * AUTHENTICATOR_OCTETS), next: 0 };
  port.byTarget.set(key, made);
  return made;
}

/** The one longest unused of those free: an identifier rests as long as it can before it means something else. */
function takeIdentifier(identifiers: Identifiers): number {
  let identifier = identifiers.next;
  while (identifiers.outstanding.has(identifier)) identifier = (identifier + 1) % IDENTIFIERS;
  identifiers.next = (identifier + 1) % IDENTIFIERS;
  return identifier;
}

/** Error-Cause (101), RFC 5176 section 3.5. */
export const ERROR_CAUSES: ReadonlyMap<number, string> = new Map([
  [201, 'residual session context removed'],
  [202, 'invalid EAP packet'],
  [401, 'unsupported attribute'],
  [402, 'missing attribute'],
  [403, 'NAS identification mismatch'],
  [404, 'invalid request'],
  [405, 'unsupported service'],
  [406, 'unsupported extension'],
  [407, 'invalid attribute value'],
  [501, 'administratively prohibited'],
  [502, 'request not routable'],
  [503, 'session context not found'],
  [504, 'session context not removable'],
  [505, 'other proxy processing error'],
  [506, 'resources unavailable'],
  [507, 'request initiated'],
  [508, 'multiple session selection unsupported'],
]);

/** An outcome for logs and tables: `ack`, `nak 503 session context not found`, `nak`, `no answer`. */
export function printOutcome(outcome: CoaOutcome): string {
  if (outcome.is === 'ack') return 'ack';
  if (outcome.is === 'timeout') return outcome.error === null ? 'no answer' : `no answer (${outcome.error})`;
  if (outcome.errorCause === null) return 'nak';
  return `nak ${outcome.errorCause} ${ERROR_CAUSES.get(outcome.errorCause) ?? 'of no known cause'}`;
}

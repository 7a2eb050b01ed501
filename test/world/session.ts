import type { Attribute } from '#test/world/wire';

export type Method = 'pap' | 'chap' | 'mschap1' | 'mschap2';

/** Why a session ended, with its Acct-Terminate-Cause (RFC 2866 5.10). */
export const causes = {
  'user-request': 1,
  'lost-carrier': 2,
  'idle-timeout': 4,
  'session-timeout': 5,
  'admin-reset': 6,
} as const;
export type Cause = keyof typeof causes;

/** What a line (the subscriber's own router) dials with, again and again. */
export type Line = {
  readonly username: string;
  readonly password: string;
  readonly method: Method;
  readonly mac: string;
  /** Share of its rate that the line uses, 0 to 1, in both directions. */
  load: number;
  /** Dials again when it was cut off. */
  redials: boolean;
};

/** Rates of a Mikrotik-Rate-Limit in bits per second, from the subscriber's side; 0 = unlimited. */
export type Limits = {
  readonly uploadBps: number;
  readonly downloadBps: number;
  readonly burstUploadBps: number;
  readonly burstDownloadBps: number;
  readonly priority: number;
};

/**
 * Reads a Mikrotik-Rate-Limit as RouterOS does: `rx[/tx] [burst rx[/tx] [threshold [time [priority [min]]]]]`, where rx
 * is what the router receives, the subscriber's upload; a missing tx copies rx. Null when it is no rate limit.
 */
export function parseRateLimit(text: string): Limits | null {
  const fields = text.trim().split(/\s+/);
  const pair = (field: string | undefined): [number, number] | null => {
    if (field === undefined) return [0, 0];
    const parts = field.split('/');
    if (parts.length > 2 || parts.some((part) => !/^\d+[kM]?$/.test(part))) return null;
    const [rx, tx] = parts.map(
      (part) => Number.parseInt(part, 10) * (part.endsWith('k') ? 1e3 : part.endsWith('M') ? 1e6 : 1),
    );
    return [rx as number, tx ?? (rx as number)];
  };
  const rate = pair(fields[0]);
  const burst = pair(fields[1]);
  const rest = fields.slice(2, 4).every((field) => pair(field) !== null) && pair(fields[5]) !== null;
  const priority = fields[4] === undefined ? 8 : Number(fields[4]);
  if (!rate || !burst || !rest || fields.length > 6 || !(priority >= 1 && priority <= 8)) return null;
  return { uploadBps: rate[0], downloadBps: rate[1], burstUploadBps: burst[0], burstDownloadBps: burst[1], priority };
}

const UNLIMITED: Limits = { uploadBps: 0, downloadBps: 0, burstUploadBps: 0, burstDownloadBps: 0, priority: 8 };

/** What an unlimited line is taken to be able to use. */
const WIRE_BPS = 100e6;

/** One PPPoE session as the router holds it. Times are milliseconds of the router's own clock. */
export class Session {
  readonly line: Line;
  /** Acct-Session-Id: `81`, the reboot digit, five digits; empty until it came up. */
  id = '';
  state: 'dialling' | 'up' | 'rejected' | 'unanswered' | 'ended' = 'dialling';
  address = '';
  /** The address came from the router's own pool. */
  pooled = false;
  /** As the server last told it; null = never told. */
  rateLimit: string | null = null;
  limits: Limits = UNLIMITED;
  /** Address-lists the session's address is in. */
  addressLists: string[] = [];
  profile: string | null = null;
  /** Each Class of the Access-Accept, echoed in accounting as it came. */
  classes: Buffer[] = [];
  /** The Access-Accept or Access-Reject, whole. */
  reply: Buffer = Buffer.alloc(0);
  rejectMessage: string | null = null;
  cause: Cause | 'reboot' | null = null;
  port = 0;
  startedAt = 0;
  interimSeconds = 0;
  nextInterimAt = Number.POSITIVE_INFINITY;
  endsAt = Number.POSITIVE_INFINITY;
  idleSeconds = 0;
  /** Since then nothing has flowed. */
  idleSince = 0;
  uploadBytes = 0;
  downloadBytes = 0;
  /** Until then the line's load is counted. */
  settledAt = 0;

  constructor(line: Line) {
    this.line = line;
  }

  get username(): string {
    return this.line.username;
  }

  /** The next instant at which the router has to do something about this session. */
  get dueAt(): number {
    const idleAt = this.idleSeconds > 0 && this.line.load === 0 ? this.idleSince + this.idleSeconds * 1000 : Infinity;
    return Math.min(this.nextInterimAt, this.endsAt, idleAt);
  }

  limit(rateLimit: string): boolean {
    const limits = parseRateLimit(rateLimit);
    if (!limits) return false;
    this.rateLimit = rateLimit;
    this.limits = limits;
    return true;
  }

  /** Counts what the line used at its load since the last time. */
  settle(now: number): void {
    const seconds = (now - this.settledAt) / 1000;
    this.settledAt = now;
    if (this.line.load === 0 || seconds <= 0) return;
    const share = (bps: number) => Math.floor(((bps || WIRE_BPS) / 8) * seconds * this.line.load);
    this.uploadBytes += share(this.limits.uploadBps);
    this.downloadBytes += share(this.limits.downloadBps);
    this.idleSince = now;
  }
}

/** Octets and gigawords of accounting, seen from the router: input is what it received from the subscriber. */
export function counters(session: Session, now: number, swapOctets: boolean): Attribute[] {
  const [input, output] = swapOctets
    ? [session.downloadBytes, session.uploadBytes]
    : [session.uploadBytes, session.downloadBytes];
  return [
    ['Acct-Session-Time', Math.floor((now - session.startedAt) / 1000)],
    ['Acct-Input-Octets', input % 2 ** 32],
    ['Acct-Input-Gigawords', Math.floor(input / 2 ** 32)],
    ['Acct-Input-Packets', Math.ceil(input / 900) % 2 ** 32],
    ['Acct-Output-Octets', output % 2 ** 32],
    ['Acct-Output-Gigawords', Math.floor(output / 2 ** 32)],
    ['Acct-Output-Packets', Math.ceil(output / 900) % 2 ** 32],
  ];
}

/** `/ip pool` of 10.64.0.0/10: an address given back is the next to be given out. */
export class AddressPool {
  #count = 0;
  #free: string[] = [];

  take(): string {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const n = ++this.#count;
    return `10.${64 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`;
  }

  give(address: string): void {
    this.#free.push(address);
  }
}

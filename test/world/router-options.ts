import type { IncomingOptions } from '#test/world/incoming';
import type { Method, Session } from '#test/world/session';

export type MikrotikOptions = {
  /** `/system identity`. */
  identity: string;
  /** Its own address: where requests come from and where CoA is listened for. */
  address: string;
  /** RouterOS ≥ 7.15 signs requests with Message-Authenticator … */
  sendsMessageAuthenticator: boolean;
  /** … and drops Access replies without one. */
  requiresMessageAuthenticator: boolean;
  /** `/radius timeout`, and how often it asks before it gives up. */
  timeoutMs: number;
  tries: number;
  /** Source ports it asks from. RouterOS uses one; a simulator of many dials at once wants more. */
  ports: number;
  /** `/ppp aaa interim-update`, where the server sends no Acct-Interim-Interval; 0 = off. */
  interimSeconds: number;
  incoming: IncomingOptions;
  /** The first Start comes without Framed-IP-Address, as some routers do. */
  startWithoutAddress: boolean;
  /** Acct-Input-Octets is the download. */
  swapOctets: boolean;
  /** How long a line that was cut off waits before it dials again; null = it does not. */
  redialMs: number | null;
  /** How long a line that was rejected or not answered waits. */
  retryMs: number;
  /** Seconds of the router's clock in one real second. */
  speed: number;
};

/** A current RouterOS as it comes, with its one common change: `/radius incoming accept=yes`. */
export const usual: MikrotikOptions = {
  identity: 'mikrotik',
  address: '127.0.0.1',
  sendsMessageAuthenticator: true,
  requiresMessageAuthenticator: true,
  timeoutMs: 300,
  tries: 4,
  ports: 1,
  interimSeconds: 300,
  incoming: { accept: true, addressList: 'replace', unknownSession: 503, refuses: null, delayMs: 0 },
  startWithoutAddress: false,
  swapOctets: false,
  redialMs: null,
  retryMs: 5000,
  speed: 1,
};

export type RadiusAddress = { host: string; authPort: number; acctPort: number };

export type MikrotikSettings = {
  server: RadiusAddress;
  /** The second `/radius` entry, with the same secret: asked once every try at the first went unanswered. */
  backup?: RadiusAddress;
  secret: string;
  /** 0 = any free port. */
  coaPort: number;
  options?: Partial<Omit<MikrotikOptions, 'incoming'>> & { incoming?: Partial<IncomingOptions> };
};

export type DialOptions = { method?: Method; mac?: string; load?: number; redials?: boolean };

/** Where a session stands, in words. */
export function standing(session: Session): string {
  const lists = session.addressLists.length > 0 ? ` in ${session.addressLists.join(' and ')}` : '';
  return `${session.address}, ${session.rateLimit ?? 'no limit'}${lists}`;
}

/** A MAC address of its own for each user name, locally administered. */
export function macOf(username: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const octet of Buffer.from(username)) hash = ((hash ^ BigInt(octet)) * 0x100000001b3n) & 0xffffffffffn;
  const hex = `02${hash.toString(16).padStart(10, '0')}`.toUpperCase();
  return (hex.match(/../g) as string[]).join(':');
}

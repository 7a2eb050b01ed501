import { isIP } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';

export type CaptiveOptions = {
  /** Where browsers reach us; null = at the address they connected to. */
  readonly publicUrl: string | null;
};

export const SPLASH_PATH = '/prepaid/portal/splash';

/** What devices ask for to learn whether they are online: never a page of ours, whatever host they ask. */
const PROBES: ReadonlySet<string> = new Set([
  // Android, ChromeOS
  '/generate_204',
  '/gen_204',
  // Apple
  '/hotspot-detect.html',
  '/library/test/success.html',
  // Windows
  '/connecttest.txt',
  '/ncsi.txt',
  '/redirect',
  // Firefox
  '/canonical.html',
  '/success.txt',
]);

/**
 * Routers lead every plain-HTTP request of a line without a package to us. One that was meant for another host is
 * answered by 302 to the splash page, whatever it asked for, so that devices notice that they are in a walled garden.
 * The connection is closed: routers keep leading an open one to us after the line was set free. Where to is never
 * taken from the request.
 */
export function captiveHook({ publicUrl }: CaptiveOptions) {
  const publicHost = publicUrl === null ? null : hostOf(new URL(publicUrl).host);
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    if (isOurs(request, publicHost) && !PROBES.has(pathOf(request.originalUrl))) return undefined;
    return reply
      .header('cache-control', 'no-store')
      .header('connection', 'close')
      .redirect(`${publicUrl ?? ownOrigin(request)}${SPLASH_PATH}`, 302);
  };
}

/**
 * PUBLIC_URL's host at any port, the address that was connected to, and localhost for who is on this machine. A proxy
 * that is trusted may say for which host it asks.
 */
function isOurs(request: FastifyRequest, publicHost: string | null): boolean {
  const host = hostOf(authorityOf(request.originalUrl) ?? request.host);
  if (host === null) return false;
  const address = ownAddress(request);
  return host === publicHost || host === address || (host === 'localhost' && isLoopback(address));
}

/** RFC 9112 section 3.2.2: of a request line in absolute form (`GET http://host/ HTTP/1.1`) its host counts. */
const authorityOf = (target: string): string | null => /^https?:\/\/([^/?#]*)/i.exec(target)?.[1] ?? null;

const pathOf = (target: string): string => target.replace(/^https?:\/\/[^/?#]*/i, '').split(/[?#]/, 1)[0]!;

/** The host of `host:port` in one spelling, addresses without brackets; null for what names no host. */
function hostOf(authority: string | undefined): string | null {
  if (authority === undefined || !/^(\[[\da-f:.]+\]|[\w.-]+)(:\d{0,5})?$/i.test(authority)) return null;
  if (!URL.canParse(`http://${authority}`)) return null;
  return new URL(`http://${authority}`).hostname.replace(/^\[|\]$|\.$/g, '');
}

/** Our end of the connection, in the spelling of `hostOf`. */
function ownAddress({ socket }: FastifyRequest): string {
  const address = (socket.localAddress ?? '').replace(/%.*$/, '');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return mapped ?? address;
}

function ownOrigin(request: FastifyRequest): string {
  const address = ownAddress(request);
  return `http://${isIP(address) === 6 ? `[${address}]` : address}:${request.socket.localPort}`;
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');

import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { vi } from 'vitest';
import type { Mikrotik } from '#test/world/mikrotik';
import type { Session } from '#test/world/session';
import { Attributes, encodeAccessRequest, encodeAccounting, faultOfReply } from '#test/world/wire';

export type Answer =
  | 'silence'
  | { readonly code: string; readonly rateLimit: string | null; readonly list: string | null };

/** The device that dials: a second dial of the same one takes the place of the first. */
export const MAC = '02:00:00:00:00:07';

/** One PAP dial with the independent codec; the answer is believed only when its authenticators hold. */
export async function papDial(port: number, secret: string, username: string, password: string): Promise<Answer> {
  const request = encodeAccessRequest(
    secret,
    randomBytes(1)[0]!,
    randomBytes(16),
    [
      ['User-Name', username],
      ['User-Password', password],
      ['NAS-IP-Address', '127.0.0.1'],
      ['Calling-Station-Id', MAC],
    ],
    true,
  );
  const reply = await exchange(port, request, 2_500);
  if (reply === null) return 'silence';
  const fault = faultOfReply(secret, reply, request, true);
  if (fault !== null) throw new Error(fault);
  const attributes = new Attributes(reply);
  return {
    code: attributes.code,
    rateLimit: attributes.vendorText('Mikrotik-Rate-Limit'),
    list: attributes.vendorText('Mikrotik-Address-List'),
  };
}

/** Dials until the line is up: a node hears of a new subscriber a moment after somebody else entered it. */
export async function dialIn(router: Mikrotik, username: string, password: string): Promise<Session> {
  const isUp = async () => (await router.dial(username, password, { redials: false })).state === 'up';
  await vi.waitUntil(isUp, { timeout: 20_000 });
  return router.session(username)!;
}

/** One Accounting-Request; whether it was acknowledged. */
export async function account(
  port: number,
  secret: string,
  attributes: Parameters<typeof encodeAccounting>[2],
): Promise<boolean> {
  return (await exchange(port, encodeAccounting(secret, randomBytes(1)[0]!, attributes), 2_500)) !== null;
}

function exchange(port: number, request: Buffer, timeoutMs: number): Promise<Buffer | null> {
  const socket = createSocket('udp4');
  return new Promise<Buffer | null>((resolve) => {
    const timer = setTimeout(() => resolve(null), timeoutMs);
    const settle = (reply: Buffer | null) => {
      clearTimeout(timer);
      resolve(reply);
    };
    socket.on('message', settle);
    socket.on('error', () => settle(null));
    socket.send(request, port, '127.0.0.1');
  }).finally(() => socket.close());
}

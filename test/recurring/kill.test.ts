import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DAY, MINUTE } from '#domain/time';
import { verifyLedger } from '#storage/ledger';
import { NOW } from '#test/operations/desk';
import { PRICE } from '#test/operations/shop';
import { type Club, openClub } from '#test/recurring/club';

/** When the child is killed, as the gateway sees it. */
type Moment = 'before it is charged' | 'after it is charged' | 'after the answer' | 'while it is asked' | 'never';

/** A gateway over the loopback that charges each order id once, and kills whoever asks at a moment. */
class Killer {
  readonly charged = new Map<string, number>();
  readonly tokens = new Set<string>();
  moment: Moment = 'never';
  child: ChildProcess | null = null;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { orderId, amountRupiah, token } = JSON.parse(await text(request)) as Record<string, string> & {
      amountRupiah: number;
    };
    const charges = request.url === '/charge';
    if (this.#kills(charges ? 'before it is charged' : 'while it is asked')) return;
    if (!charges) {
      const rupiah = this.charged.get(orderId!);
      response.end(JSON.stringify({ state: rupiah === undefined ? 'unknown' : 'paid', amountRupiah: rupiah ?? null }));
      return;
    }
    if (this.charged.has(orderId!)) {
      response.writeHead(409).end();
      return;
    }
    this.charged.set(orderId!, amountRupiah);
    this.tokens.add(token!);
    if (this.#kills('after it is charged')) return;
    response.end('{}', () => this.#kills('after the answer'));
  }

  #kills(moment: Moment): boolean {
    if (this.moment !== moment) return false;
    this.moment = 'never';
    return this.child!.kill('SIGKILL');
  }
}

let club: Club;
let gateway: Killer;
beforeEach(async () => {
  club = await openClub();
  gateway = new Killer();
});
afterEach(() => {
  gateway.child?.kill('SIGKILL');
  gateway.close();
});

test('kill -9 at every moment of a charge: each customer is charged once, covered, and told once', async () => {
  const url = await gateway.listen();
  const run = async (at: number, moment: Moment = 'never') => {
    gateway.moment = moment;
    const program = join(import.meta.dirname, 'auto-pay-child.ts');
    const args = [program, club.desk.db.url, club.desk.masterKeyFile, url, String(at)];
    gateway.child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const [, signal] = (await once(gateway.child, 'close')) as [number | null, NodeJS.Signals | null];
    return signal === 'SIGKILL';
  };
  // Four are charged at a time; each kill should find some that are not.
  const people: number[] = [];
  for (let member = 0; member < 36; member += 1) {
    const { id } = await club.member();
    await club.choose(id, await club.card(id, { token: `tok-${id}` }));
    people.push(id);
  }
  const end = NOW + 30 * DAY;
  expect(await run(end - 2 * DAY)).toBe(false);
  let at = end - DAY;
  const moments = ['before it is charged', 'after it is charged', 'after the answer', 'while it is asked'] as const;
  for (const moment of [...moments, ...moments]) {
    expect(await run(at, moment), moment).toBe(true);
    at += MINUTE / 2;
  }
  for (let look = 0; look < 3; look += 1) {
    at += 5 * MINUTE;
    expect(await run(at)).toBe(false);
  }
  expect([...gateway.charged.values()]).toEqual(people.map(() => PRICE));
  expect([...gateway.tokens].sort()).toEqual(people.map((id) => `tok-${id}`).sort());
  for (const id of people) {
    expect(await club.coverEnd(id)).toBe(end + 30 * DAY);
    expect(await club.credit(id)).toBe(0);
    const told = (await club.told(id)).map(({ notice }) => notice).filter((notice) => notice.startsWith('auto-pay'));
    expect(told).toEqual(['auto-pay-soon', 'auto-pay-done']);
    expect((await club.state(id)).orderId).toBeNull();
  }
  expect(await verifyLedger(club.desk.db)).toEqual([]);
}, 120_000);

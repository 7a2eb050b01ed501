import { beforeEach, describe, expect, test } from 'vitest';
import type { ReadEvent } from '#domain/gateway';
import { DAY } from '#domain/time';
import { askGateway } from '#operations/ask-gateway';
import { removeSavedMethod } from '#operations/auto-pay';
import { keepToldMethods } from '#operations/saved-methods';
import { topUp } from '#operations/top-up';
import { storeEvents } from '#storage/gateway-events';
import { methodsOf, methodWithToken } from '#storage/saved-methods';
import { NOW } from '#test/operations/desk';
import { CARD, type Club, openClub } from '#test/recurring/club';

let club: Club;
let id: number;
beforeEach(async () => {
  club = await openClub();
  ({ id } = await club.subscriber());
});

/** A top-up that was paid; returns its order. */
async function paid(save: boolean, truth: Parameters<Club['till']['pay']>[2] = {}): Promise<string> {
  const input = { subscriberId: id, amount: '50000', save };
  const { orderId } = await topUp(club.self(id), club.gateways, input, 'https://portal.test/back');
  club.till.pay(orderId, club.desk.clock(), truth);
  await askGateway(club.desk, club.gateways, orderId);
  return orderId;
}

/** The gateway's event of an order that names a token, as Midtrans' does. */
async function event(orderId: string, { token = 'tok-1', signed = true } = {}): Promise<void> {
  const raw = Buffer.from(JSON.stringify({ orderId, token, signed }));
  const read = (body: Buffer): ReadEvent => {
    const said = JSON.parse(body.toString('utf8')) as { orderId: string; token: string; signed: boolean };
    return { verified: said.signed, orderId: said.orderId, status: 'paid', saved: { ...CARD, token: said.token } };
  };
  club.till.readEvent = (_headers, body) => read(body);
  const receivedAt = club.desk.clock();
  const { db, sealer } = club.desk;
  await storeEvents(db, sealer, [{ gateway: 'midtrans', receivedAt, source: null, raw, orderId, status: 'paid' }]);
}
const keep = () => keepToldMethods(club.desk, club.gateways);
const labels = async () => (await methodsOf(club.desk.db, id)).map(({ label }) => label);

describe('a card that the customer asked to be kept', () => {
  test('is kept when the gateway names its token where it is asked, sealed', async () => {
    await paid(true, { saved: CARD });
    expect(await labels()).toEqual([CARD.label]);
    const [{ id: methodId } = { id: 0 }] = await methodsOf(club.desk.db, id);
    expect(await methodWithToken(club.desk.db, club.desk.sealer, id, methodId)).toMatchObject({ token: 'tok-1' });
    expect(await methodWithToken(club.desk.db, club.desk.sealer, id + 1, methodId)).toBeNull();
    const [row] = await club.desk.db.query<{ sealed: Buffer }>('select token_sealed as sealed from saved_method');
    expect(row!.sealed.includes('tok-1')).toBe(false);
  });

  test('is kept when only the event names it', async () => {
    const order = await paid(true);
    expect(await keep()).toBe(0);
    await event(order);
    expect(await keep()).toBe(1);
    expect(await labels()).toEqual([CARD.label]);
    const [stored] = await club.desk.db.query<{ sealed: Buffer }>('select raw_sealed as sealed from gateway_event');
    expect(stored!.sealed.includes('tok-1')).toBe(false);
    expect(await keep()).toBe(0);
  });

  test('is one, however often it is paid with', async () => {
    for (const _time of [1, 2]) await paid(true, { saved: CARD });
    await event(await paid(true));
    await keep();
    expect(await labels()).toEqual([CARD.label]);
    await event(await paid(true), { token: 'tok-2' });
    await keep();
    expect(await labels()).toHaveLength(2);
  });

  test('and is removed does not come back with an event that is told again', async () => {
    const order = await paid(true, { saved: CARD });
    const [method] = await methodsOf(club.desk.db, id);
    await removeSavedMethod(club.self(id), id, method!.id);
    await event(order);
    expect(await keep()).toBe(0);
    expect(await labels()).toEqual([]);
  });
});

describe('nothing is kept', () => {
  test('that was not asked for', async () => {
    await event(await paid(false, { saved: CARD }));
    await keep();
    expect(await labels()).toEqual([]);
  });

  test('of an event that is not the gateway’s', async () => {
    await event(await paid(true), { signed: false });
    expect(await keep()).toBe(0);
    expect(await labels()).toEqual([]);
  });

  test('of a payment that did not come, or of long ago', async () => {
    const input = { subscriberId: id, amount: '50000', save: true };
    const { orderId } = await topUp(club.self(id), club.gateways, input, 'https://portal.test/back');
    await event(orderId);
    expect(await keep()).toBe(0);
    club.till.pay(orderId, NOW);
    await askGateway(club.desk, club.gateways, orderId);
    club.desk.setClock(NOW + 3 * DAY);
    expect(await keep()).toBe(0);
  });
});

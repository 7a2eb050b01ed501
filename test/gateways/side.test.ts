import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { Unavailable } from '#domain/errors';
import type { GatewayName } from '#domain/gateway';
import type { Desk } from '#operations/desk';
import { saveSettings, setSecretSetting } from '#operations/settings';
import { settingSet, settingShow } from '#policy-server/cli/setting';
import { type OpenedGateways, openGateways } from '#policy-server/gateways-side';
import type { Database } from '#storage/database';
import { API_KEY, CALLBACK_TOKEN, NOW, request, SERVER_KEY } from '#test/gateways/harness';
import { testDesk } from '#test/operations/desk';
import { startMidtrans } from '#test/world/midtrans';
import { startXendit } from '#test/world/xendit';

/** The gateways as the settings have them. */

const desk: Desk = await testDesk();
const { db } = desk;
const midtrans = await startMidtrans({ serverKey: SERVER_KEY, clock: () => NOW });
const xendit = await startXendit({ apiKey: API_KEY, callbackToken: CALLBACK_TOKEN, clock: () => NOW });
afterAll(async () => {
  await midtrans.stop();
  await xendit.stop();
  await db.close();
});

let lines: string[];
let gateways: OpenedGateways;

/** `of`: another way to the database. */
const open = (of: Database = db) => {
  const keep = (_fields: object, line: string) => void lines.push(line);
  const bases = { midtransBaseUrl: midtrans.url, xenditBaseUrl: xendit.url };
  const log = { info: keep, warn: keep };
  return openGateways({ db: of, sealer: desk.sealer, clock: () => NOW, log: log as never, ...bases });
};

beforeEach(async () => {
  lines = [];
  gateways = open();
  await db.execute('delete from setting');
  await db.execute('delete from sealed_setting');
});

const KEYS = {
  midtrans: { 'gateway.midtrans.server-key': SERVER_KEY },
  xendit: { 'gateway.xendit.api-key': API_KEY, 'gateway.xendit.callback-token': CALLBACK_TOKEN },
} as const;

async function setUp(...names: GatewayName[]): Promise<void> {
  for (const name of names) {
    for (const [key, text] of Object.entries(KEYS[name])) await setSecretSetting(desk, key as never, text);
    await saveSettings(desk, 'gateways', { [name]: { active: true } });
  }
}

const active = async (of = gateways) => (await of.active()).map(({ name }) => name);

test('at first there is none', async () => {
  expect(await active()).toEqual([]);
  expect(await gateways.named('midtrans')).toBeNull();
  expect(lines).toEqual([]);
});

test('those that are on, the preferred one first', async () => {
  await setUp('midtrans', 'xendit');
  expect(await active()).toEqual(['midtrans', 'xendit']);
  await saveSettings(desk, 'gateways', { first: 'xendit' });
  await gateways.named('xendit', 'fresh');
  expect(await active()).toEqual(['xendit', 'midtrans']);
});

test('one that is switched off is no longer offered, and still followed', async () => {
  await setUp('midtrans');
  await saveSettings(desk, 'gateways', { midtrans: { active: false } });
  expect(await active()).toEqual([]);
  expect((await gateways.named('midtrans'))?.name).toBe('midtrans');
  expect(lines).toEqual(['Midtrans (sandbox) is switched off: what was begun with it is still followed']);
});

test.each(['gateway.xendit.api-key', 'gateway.xendit.callback-token'] as const)(
  'without %s Xendit is none, and the log says so once',
  async (key) => {
    await setUp('midtrans', 'xendit');
    await setSecretSetting(desk, key, null);
    expect(await active()).toEqual(['midtrans']);
    expect(await gateways.named('xendit', 'fresh')).toBeNull();
    expect(lines.filter((line) => line.startsWith('Xendit'))).toEqual([
      'Xendit is switched on, but its keys are not all there: customers are not offered it',
    ]);
  },
);

test('a key that cannot be opened is the trouble of one of them alone', async () => {
  await setUp('midtrans', 'xendit');
  await db.execute(`update sealed_setting set value_sealed = $1 where key = 'gateway.midtrans.server-key'`, [
    Buffer.alloc(60, 1),
  ]);
  expect(await active()).toEqual(['xendit']);
  expect(lines).toContainEqual(expect.stringMatching(/^the keys of Midtrans cannot be opened .*: enter them again$/));
  await gateways.named('midtrans', 'fresh');
  expect(lines.filter((line) => line.includes('Midtrans'))).toHaveLength(1);
});

test('a gateway that does not answer leaves the other alone', async () => {
  await setUp('midtrans', 'xendit');
  midtrans.fault('down');
  const [first, second] = await gateways.active();
  await expect(first!.createPayment(request('INV-1'))).rejects.toThrow(Unavailable);
  expect((await second!.createPayment(request('INV-1'))).url).toBe(xendit.linkOf('INV-1'));
  midtrans.fault(null);
});

test('they stay the same until what they were opened with changes', async () => {
  await setUp('midtrans', 'xendit');
  const before = { midtrans: await gateways.named('midtrans'), xendit: await gateways.named('xendit') };
  await saveSettings(desk, 'gateways', { linkHours: 5 });
  expect(await gateways.named('midtrans', 'fresh')).toBe(before.midtrans);
  await setSecretSetting(desk, 'gateway.midtrans.server-key', 'SB-Mid-server-new');
  expect(await gateways.named('midtrans', 'fresh')).not.toBe(before.midtrans);
  expect(await gateways.named('xendit')).toBe(before.xendit);
});

test('what was chosen reaches the gateway', async () => {
  await setUp('midtrans');
  await saveSettings(desk, 'gateways', { midtrans: { methods: 'qris' } });
  await (await gateways.named('midtrans'))!.createPayment(request('INV-2'));
  expect(JSON.parse(midtrans.requests.at(-1)!.body).enabled_payments).toEqual(['qris']);
});

describe('the database', () => {
  /** The same one, counting what is asked, and away when it is told to be. */
  function watched() {
    const state = { asked: 0, away: false };
    const watch = new Proxy(db, {
      get: (of, name) => {
        if (name !== 'query') return Reflect.get(of, name);
        return (...given: Parameters<Database['query']>) => {
          state.asked += 1;
          if (state.away) return Promise.reject(new Unavailable('the database is away'));
          return of.query(...given);
        };
      },
    });
    return { state, watch };
  }

  test('is asked once for all that ask within seconds', async () => {
    await setUp('midtrans', 'xendit');
    const { state, watch } = watched();
    const counted = open(watch);
    await Promise.all(Array.from({ length: 500 }, () => counted.named('midtrans')));
    for (let at = 0; at < 500; at += 1) await counted.active();
    expect(state.asked).toBe(4); // the settings and three keys
  });

  test('that is away is Unavailable, and asked again at once when it is back', async () => {
    await setUp('midtrans');
    const { state, watch } = watched();
    const counted = open(watch);
    state.away = true;
    await expect(counted.active()).rejects.toThrow(Unavailable);
    state.away = false;
    expect(await active(counted)).toEqual(['midtrans']);
  });
});

test('no line of the log has a key in it', async () => {
  await setUp('midtrans', 'xendit');
  await active();
  await saveSettings(desk, 'gateways', { midtrans: { production: true } });
  await gateways.named('midtrans', 'fresh');
  expect(lines).toContain('Midtrans (production) is offered to customers');
  for (const key of [SERVER_KEY, API_KEY, CALLBACK_TOKEN]) expect(lines.join()).not.toContain(key);
});

test('the commands set everything that the page sets, keys from standard input alone', async () => {
  const set = (name: string, value: string) =>
    settingSet.run({ ...desk, config: {} } as never, { words: [name, value], flags: {} } as never);
  await set('gateways.first', 'xendit');
  await set('gateways.linkHours', '36');
  await set('gateways.midtrans', '{"active": true, "production": true, "methods": "qris, bca_va"}');
  await expect(set('gateway.midtrans.server-key', SERVER_KEY)).rejects.toThrow(/is a secret/);
  const shown = await settingShow.run({ ...desk, config: { zoneIsSet: false } } as never, {} as never);
  expect(shown.text).toMatch(/gateways\.midtrans +\{"active":true,"production":true,"methods":\["qris","bca_va"\]\}/);
  expect(shown.text).toMatch(/gateways\.first +xendit/);
  expect(shown.text).toMatch(/gateway\.midtrans\.server-key +not set/);
  await setSecretSetting(desk, 'gateway.midtrans.server-key', SERVER_KEY);
  const after = await settingShow.run({ ...desk, config: { zoneIsSet: false } } as never, {} as never);
  expect(after.text).toMatch(/gateway\.midtrans\.server-key +set/);
  expect(JSON.stringify(after)).not.toContain(SERVER_KEY);
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { HOUR, MINUTE, SECOND } from '#domain/time';
import { orderOnt } from '#operations/wifi';
import type { AcsSide } from '#policy-server/acs-side';
import { lastTask, ontsOf, startSide, startWorld } from '#test/genieacs/harness';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { addCustomer, addSession, type Company, type Customer, startCompany } from '#test/portal/customer/company';
import type { GenieAcsWorld } from '#test/world/genieacs';
import { type OntOptions, parameter, putParameter, type StandInDevice } from '#test/world/genieacs-device';

const SSID = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID';
const PASSPHRASE = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.PreSharedKey.1.KeyPassphrase';

let company: Company;
let world: GenieAcsWorld;
let side: AcsSide;
beforeAll(async () => {
  company = await startCompany({ live: { onts: ontsOf(() => side) } });
});
afterAll(() => company.stop());
beforeEach(async () => {
  world = await startWorld(company.desk);
  side = startSide(company.desk);
});
afterEach(async () => {
  await side.stop();
  await world.stop();
  expect(company.logged).toEqual([]);
});

let count = 0;
type Home = { readonly customer: Customer; readonly browser: Browserlike; readonly device: StandInDevice };
async function home(more: Partial<OntOptions> = {}): Promise<Home> {
  count += 1;
  const customer = await addCustomer(company.desk, { username: `rumah-${count}`, name: 'Budi Santoso' });
  const device = world.add({ username: customer.username, ...more });
  // A busy machine may be slower than what a page waits.
  await side.control.readNow(customer.id);
  return { customer, device, browser: await company.loginPortal(customer.id) };
}
const later = (ms: number) => company.setClock(company.clock() + ms);
const until = (id: number, state: string) =>
  expect.poll(async () => (await lastTask(company.desk, id))?.state, { interval: 10, timeout: 20_000 }).toBe(state);
const says = async (browser: Browserlike) => textOf((await browser.open('/customer/wifi')).text);

describe('the modem of a customer', () => {
  test('is shown with model, state, light, temperature, uptime, devices, WiFi and the age of it all', async () => {
    const { browser } = await home();
    const text = await says(browser);
    for (const part of [
      'ZTE F670L',
      'Modem online',
      '−21,3 dBm',
      'baik',
      '48 °C',
      '3 hari 4 jam',
      'RUMAH-BUDI',
      '10.64.3.7',
    ])
      expect(text).toContain(part);
    expect(text).toMatch(/Perangkat terhubung 7/);
    expect(text).toMatch(/Dibaca baru saja/);
  });

  test.each([
    ['-26.1 dBm', 'lemah'],
    ['-28.4 dBm', 'buruk'],
    ['-5', 'buruk'],
  ])('says of light of %s that it is %s, with a word and not by colour alone', async (RXPower, word) => {
    const { browser } = await home({ virtual: { RXPower } });
    const text = await says(browser);
    expect(text).toMatch(new RegExp(`dBm ${word}`));
    expect(text.includes('hubungi kami')).toBe(word === 'buruk');
  });

  test('says what the modem tells of PPPoE where RADIUS never heard of the line, else what RADIUS knows', async () => {
    const told = await home();
    expect(await says(told.browser)).toMatch(/PPPoE terhubung.*10\.64\.3\.7/);
    const silent = await home({ bare: true, virtual: { RXPower: '-20' } });
    await addSession(company, { subscriberId: silent.customer.id, framedIp: '10.70.0.9' });
    expect(await says(silent.browser)).toMatch(/PPPoE terhubung.*10\.70\.0\.9/);
    const over = await home();
    const at = company.clock() - HOUR;
    await addSession(company, { subscriberId: over.customer.id, framedIp: '10.70.0.10', endedAt: at });
    expect(await says(over.browser)).toContain('PPPoE terputus');
  });

  test('that did not report is offline, and when it was seen last', async () => {
    const { browser } = await home({ lastInform: company.clock() - 3 * HOUR });
    const text = await says(browser);
    expect(text).toContain('Modem tidak terhubung');
    expect(text).toMatch(/Terakhir terlihat 3 jam lalu/);
  });

  test('leaves out what it does not tell', async () => {
    const { browser } = await home({ bare: true, model: 'tr181' });
    const text = await says(browser);
    expect(text).toContain('ZTE HG8145V5');
    expect(text).not.toMatch(/Suhu|Sinyal|Menyala|null|undefined|NaN/);
  });

  test('that is not registered says so, and offers no form', async () => {
    const { browser, device, customer } = await home();
    world.remove(device.id);
    await side.control.readNow(customer.id);
    const page = await browser.open('/customer/wifi');
    expect(textOf(page.text)).toContain('belum terdaftar');
    expect(page.text).not.toContain('name="ssid"');
  });

  test('is asked in English too', async () => {
    const { browser } = await home();
    browser.cookies.set('gerbang_lang', 'en');
    expect(await says(browser)).toMatch(/Modem online.*Signal −21,3 dBm good/);
  });

  test('that GenieACS does not tell of holds no page up', async () => {
    const { browser, customer } = await home();
    await company.db.execute('delete from acs_device where subscriber_id = $1', [customer.id]);
    world.behave({ hang: 'all' });
    const began = performance.now();
    const text = await says(browser);
    expect(performance.now() - began).toBeLessThan(1_500);
    expect(text).toContain('sedang ditanyakan');
  });

  test('names of a modem are text and nothing else', async () => {
    const { browser } = await home({ ssid: '<script>alert(1)</script>', manufacturer: '"><img src=x>' });
    const { text } = await browser.open('/customer/wifi');
    expect(text).not.toMatch(/<script>alert|<img/);
  });
});

describe('the name of the WiFi', () => {
  test('is changed: sent, done, and what to do now', async () => {
    const { browser, device, customer } = await home();
    await browser.open('/customer/wifi');
    const sent = await browser.submit('/customer/wifi', { ssid: 'Kopi Pagi' });
    expect(sent.path).toBe('/customer/wifi');
    expect(textOf(sent.text)).toContain('Perubahan WiFi');
    await until(customer.id, 'done');
    expect(parameter(device, SSID)?._value).toBe('Kopi Pagi');
    expect(await says(browser)).toMatch(/Selesai.*Sambungkan lagi perangkat/);
  });

  test('says "dikirim ke modem…" while it is on its way, and refreshes itself without scripts', async () => {
    const { browser, customer } = await home();
    await browser.open('/customer/wifi');
    world.behave({ hang: 'tasks' });
    await browser.submit('/customer/wifi', { ssid: 'Kopi Pagi' });
    await until(customer.id, 'sent');
    const page = await browser.open('/customer/wifi');
    expect(textOf(page.text)).toContain('Dikirim ke modem…');
    expect(page.text).toMatch(/<noscript><meta http-equiv="refresh" content="10">/);
    expect(page.text).toMatch(/data-refresh="\/customer\/wifi\/state"/);
    expect(page.text).not.toContain('data-done');
  });

  test('waits for a modem that is off, and says so', async () => {
    const { browser, device, customer } = await home({ reachable: false });
    await browser.open('/customer/wifi');
    await browser.submit('/customer/wifi', { ssid: 'Kopi Pagi' });
    await until(customer.id, 'waiting');
    expect(await says(browser)).toMatch(/Menunggu modem online.*24 jam/);
    world.inform(device.id);
    later(16 * SECOND);
    await until(customer.id, 'done');
  });

  test('that the modem refuses says what to do', async () => {
    const { browser, device, customer } = await home();
    await browser.open('/customer/wifi');
    device.refuses = { code: 'cwmp.9007', message: 'Invalid parameter value' };
    await browser.submit('/customer/wifi', { ssid: 'Kopi Pagi' });
    await until(customer.id, 'failed');
    const text = await says(browser);
    expect(text).toMatch(/Belum berhasil.*Modem menolak perubahan ini\. Coba nama atau sandi lain/);
    expect(text).not.toContain('9007');
  });

  test.each(['', ' ', 'x'.repeat(33)])('%j is refused beside its field, and kept there', async (ssid) => {
    const { browser } = await home();
    await browser.open('/customer/wifi');
    const page = await browser.submit('/customer/wifi', { ssid });
    expect(page.status).toBe(422);
    expect(page.text).toMatch(/id="ssid"[^>]*aria-invalid/);
    expect(textOf(page.text)).toContain('Nama ini tidak bisa dipakai');
    if (ssid.trim() !== '') expect(page.text).toContain(`value="${ssid}"`);
  });
});

describe('the password of the WiFi', () => {
  test('is changed, octet for octet', async () => {
    const { browser, device, customer } = await home();
    await browser.open('/customer/wifi');
    await browser.submit('/customer/wifi', { password: 'a b"c<d>&e+%1' });
    await until(customer.id, 'done');
    expect(parameter(device, PASSPHRASE)?._value).toBe('a b"c<d>&e+%1');
    expect(parameter(device, SSID)?._value).toBe('RUMAH-BUDI');
  });

  test('that cannot be is refused and is on no page', async () => {
    const { browser } = await home();
    await browser.open('/customer/wifi');
    const page = await browser.submit('/customer/wifi', { password: 'pendek1' });
    expect([page.status, page.text.includes('pendek1')]).toEqual([422, false]);
    expect(page.text).toMatch(/id="password"[^>]*aria-invalid/);
  });

  test('is offered only where the modem takes one', async () => {
    const { browser, device, customer } = await home();
    putParameter(device, PASSPHRASE, '', false);
    await side.control.readNow(customer.id);
    const { text } = await browser.open('/customer/wifi');
    expect([text.includes('name="ssid"'), text.includes('name="password"')]).toEqual([true, false]);
  });
});

test('seven changes in an hour are too many, and when it is possible again is said', async () => {
  const { browser } = await home({ reachable: false });
  await browser.open('/customer/wifi');
  for (let nth = 1; nth <= 6; nth += 1) await browser.submit('/customer/wifi', { ssid: `Nama ${nth}` });
  const page = await browser.submit('/customer/wifi', { ssid: 'Nama 7' });
  expect(page.status).toBe(422);
  expect(textOf(page.text)).toContain('bisa lagi dalam 60 menit');
});

test('a restart that staff asked for is told, a reading is not', async () => {
  const { browser, customer } = await home();
  await browser.open('/customer/wifi');
  await orderOnt(company.desk, customer.id, 'refresh');
  await until(customer.id, 'done');
  expect(await says(browser)).not.toMatch(/Selesai/);
  await orderOnt(company.desk, customer.id, 'reboot');
  await until(customer.id, 'done');
  expect(await says(browser)).toMatch(/Modem dinyalakan ulang/);
});

test('the state for scripts answers 204 until something changes', async () => {
  const { browser, customer } = await home({ reachable: false });
  await browser.open('/customer/wifi');
  await browser.submit('/customer/wifi', { ssid: 'Kopi Pagi' });
  await until(customer.id, 'waiting');
  const { text } = await browser.fetch('/customer/wifi/state?version=');
  const version = /data-version="([^"]+)"/.exec(text)![1]!;
  expect((await browser.fetch(`/customer/wifi/state?version=${version}`)).status).toBe(204);
  later(25 * HOUR);
  await until(customer.id, 'failed');
  expect((await browser.fetch(`/customer/wifi/state?version=${version}`)).status).toBe(200);
});

test('where there is no ACS the page says whom to ask, and the dashboard has no modem', async () => {
  const { browser } = await home();
  await company.db.execute(`delete from setting where key = 'genieacs'`);
  later(MINUTE);
  expect(await says(browser)).toContain('Hubungi kami untuk mengganti');
});

test('strangers are led to the login, and no form goes through without its token', async () => {
  expect((await company.browser().open('/customer/wifi')).path).toMatch(/^\/customer\/login/);
  const { browser } = await home();
  await browser.open('/customer/wifi');
  expect((await browser.post('/customer/wifi', { ssid: 'x' }, { token: null })).status).toBe(403);
});

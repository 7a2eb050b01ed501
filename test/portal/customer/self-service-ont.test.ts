import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { OntControl } from '#domain/acs';
import { HOUR } from '#domain/time';
import type { AcsSide } from '#policy-server/acs-side';
import { startSide, startWorld } from '#test/genieacs/harness';
import { type Browserlike, textOf } from '#test/portal/browserlike';
import { addCustomer, addSession, type Company, type Customer, startCompany } from '#test/portal/customer/company';
import { NOW } from '#test/portal/harness';
import type { GenieAcsWorld } from '#test/world/genieacs';

let company: Company;
let world: GenieAcsWorld;
let side: AcsSide;
let customer: Customer;
let browser: Browserlike;
let count = 0;
beforeAll(async () => {
  const onts: OntControl = {
    ontOf: (id) => side.control.ontOf(id),
    readNow: (id) => side.control.readNow(id),
    wake: () => side.control.wake(),
    test: () => side.control.test(),
  };
  company = await startCompany({ live: { onts } });
  world = await startWorld(company.desk);
  side = startSide(company.desk);
});
afterAll(async () => {
  await side.stop();
  await world.stop();
  await company.stop();
});
beforeEach(async () => {
  count += 1;
  customer = await addCustomer(company.desk, { username: `ont-${count}` });
  browser = await company.loginPortal(customer.id);
});

const said = async () => textOf((await browser.open('/customer')).text);

describe('the ONT on the dashboard', () => {
  test('ONT information displays with VirtualParameters data', async () => {
    world.add({ username: customer.username });
    await side.control.readNow(customer.id);
    const text = await said();
    for (const part of [
      'Modem online ZTE F670L',
      'Sinyal −21,3 dBm baik',
      'WiFi RUMAH-BUDI',
      'Perangkat terhubung 7',
      'Menyala 3 hari 4 jam',
      'Suhu 48 °C',
    ])
      expect(text).toContain(part);
  });

  test('where RADIUS never heard of the line, the modem says whether PPPoE is connected', async () => {
    expect(await said()).toContain('PPPoE Terputus');
    world.add({ username: customer.username });
    await side.control.readNow(customer.id);
    const text = await said();
    expect(text).toContain('PPPoE Terhubung');
    expect(text).toMatch(/PPPoE Terhubung Alamat IP \d+\.\d+\.\d+\.\d+/);
  });

  test('what RADIUS knows of the line counts, whatever the modem says', async () => {
    world.add({ username: customer.username });
    await side.control.readNow(customer.id);
    await addSession(company, {
      subscriberId: customer.id,
      framedIp: '10.8.0.9',
      startedAt: NOW - 2 * HOUR,
      endedAt: NOW - HOUR,
    });
    expect(await said()).toContain('PPPoE Terputus Sejak 21 Nov 2026 08.00 WIB');
  });

  test('without a modem that the ACS knows the rest of the page is there', async () => {
    const page = await browser.open('/customer');
    expect([page.status, textOf(page.text).includes('Tagihan')]).toEqual([200, true]);
  });
});

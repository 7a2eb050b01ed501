import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '#domain/time';
import { addGrant } from '#operations/add-grant';
import { addSubscriber } from '#operations/add-subscriber';
import { sellPackage } from '#operations/sell-package';
import { suspend } from '#operations/suspend';
import { textOf } from '#test/portal/browserlike';
import { addCustomer, addSession, type Company, PLAN, startCompany } from '#test/portal/customer/company';
import { NOW } from '#test/portal/harness';

let company: Company;
/** The test's own computer as a subscriber's. */
let budi: { id: number };
beforeAll(async () => {
  company = await startCompany({ trustedProxies: ['127.0.0.9'] });
  budi = await addSubscriber(company.desk, { username: 'budi', password: 'pw', name: 'Budi Santoso' });
});
afterAll(() => company.stop());
beforeEach(async () => {
  company.setClock(NOW);
  await company.db.execute('delete from session');
  await company.db.execute('delete from static_address');
  await company.db.execute('truncate grants cascade');
  await company.db.execute('update subscriber set suspended_at = null');
  await company.db.execute('update nas set recognises_lines = true');
});

const splash = async (headers = {}) => (await company.browser().open('/prepaid/portal/splash', { headers })).text;

describe('the start page', () => {
  test('leads to the splash page, who is logged in home, and staff to their dashboard', async () => {
    expect((await company.browser().open('/')).path).toBe('/prepaid/portal/splash');
    const customer = await addCustomer(company.desk, { username: 'start' });
    expect((await (await company.loginPortal(customer.id)).open('/')).path).toBe('/prepaid/portal/home');
    const staff = await (await company.loginStaff('owner')).fetch('/');
    expect([staff.status, staff.location]).toEqual([303, '/prepaid/dashboard']);
  });
});

describe('the splash page', () => {
  test('says to anybody what is the matter, what to do, what it costs, and who helps', async () => {
    const page = await company.browser().open('/prepaid/portal/splash');
    const text = textOf(page.text);
    expect(page.status).toBe(200);
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(text).toContain('Internet Anda belum aktif');
    expect(text).toContain('Masuk Pilih paket Online');
    expect(text).toContain('20GB - 20Mbps Rp 75.000 20 GB · 20 Mbps · 30 hari');
    expect(text).toContain('Unlimited - 100Mbps Rp 300.000 Tanpa batas · 100 Mbps · 1 bulan');
    expect(text).toContain('+6281234567890');
    expect(page.text).toContain('href="/prepaid/portal/login"');
    expect(page.text).toContain('href="https://wa.me/6281234567890?text&#x3D;'.replace('&#x3D;', '='));
    expect(text).not.toContain('Halo,');
  });

  test('offers the chat as a QR to be scanned with another phone', async () => {
    expect(await splash()).toMatch(/<div class="qr"><svg/);
  });

  test('leaves out customer service where no number is set', async () => {
    await company.db.execute(`update setting set value = value || '{"phone": null}' where key = 'company'`);
    const page = await splash();
    await company.db.execute(`update setting set value = value || '{"phone": "+6281234567890"}' where key = 'company'`);
    expect(page).not.toContain('wa.me');
    expect(page).not.toContain('class="qr"');
  });

  test('is in English for who chose it, and stays so', async () => {
    const browser = company.browser();
    const page = await browser.open('/language/en?back=%2Fprepaid%2Fportal%2Fsplash');
    expect([page.path, textOf(page.text).includes('Your internet is not active yet')]).toEqual([
      '/prepaid/portal/splash',
      true,
    ]);
    expect((await browser.open('/prepaid/portal/login')).text).toContain('<html lang="en">');
  });
});

describe('a line that is recognised by its address', () => {
  const online = (more = {}) => addSession(company, { subscriberId: budi.id, framedIp: '127.0.0.1', ...more });
  const reason = async () => textOf(/<p class="reason[^>]*>.*?<\/p>/s.exec(await splash())?.[0] ?? '');

  test('is greeted by its first name, and nothing more of it is shown', async () => {
    await online();
    const text = textOf(await splash());
    expect(text).toContain('Halo, Budi');
    for (const private_ of ['Santoso', 'budi', '127.0.0.1']) expect(text).not.toContain(private_);
  });

  test.each([
    ['Budi', 'Budi'],
    ['  siti   aminah ', 'siti'],
    ['Ibu Sri Wahyuni', 'Ibu Sri'],
    ['BPK. H. Ahmad', 'BPK. H.'],
  ])('of "%s" it says "%s"', async (name, called) => {
    await company.db.execute('update subscriber set name = $2 where id = $1', [budi.id, name]);
    await online();
    const page = await splash();
    await company.db.execute('update subscriber set name = $2 where id = $1', [budi.id, 'Budi Santoso']);
    expect(textOf(page)).toContain(`Halo, ${called} Internet`);
  });

  test('never had a package', async () => {
    await online();
    expect(await reason()).toBe('Belum ada paket');
  });

  test('had a package that ended', async () => {
    await online();
    await addGrant(company.desk, {
      username: 'budi',
      plan: PLAN,
      from: '2026-10-20T18:00+07:00',
      until: '2026-11-20T18:00+07:00',
    });
    expect(await reason()).toBe('Paket 20GB - 20Mbps berakhir 20 Nov 2026 18.00 WIB');
  });

  test('has used up its quota', async () => {
    await online();
    await addGrant(company.desk, { username: 'budi', plan: PLAN });
    await company.db.execute('update grants set used_bytes = $1', [20 * 2 ** 30]);
    expect(await reason()).toBe('Kuota paket 20GB - 20Mbps habis');
  });

  test('is suspended: it is told since when, and that buying does not help', async () => {
    await online();
    await company.db.execute('update subscriber set suspended_at = $2::timestamptz where id = $1', [
      budi.id,
      '2026-11-18T02:00:00Z',
    ]);
    const text = textOf(await splash());
    expect(text).toContain('Layanan Anda dihentikan sementara');
    expect(await reason()).toBe('Sejak 18 Nov 2026 09.00 WIB');
    expect(text).not.toContain('Masuk dan pilih paket');
  });

  test('has a package: it is told so, and what to do when it is still sent here', async () => {
    await online();
    await addGrant(company.desk, { username: 'budi', plan: PLAN, from: '2026-11-20T18:00+07:00' });
    const text = textOf(await splash());
    expect(text).toContain('Internet Anda aktif');
    expect(await reason()).toBe('Paket 20GB - 20Mbps berlaku sampai 20 Des 2026 18.00 WIB');
    expect(text).toContain('Matikan router 10 detik');
  });

  /** The loopback is no subscriber's, so no operation would take it. */
  const addStaticLine = async (nas: string, address: string) => {
    const [line] = await company.db.query<{ id: number }>(
      `insert into subscriber (username, password_sealed, name, access)
       values ($1 || (select count(*) from subscriber), '', 'Toko Jaya', 'static') returning id`,
      [`toko-${nas}-`],
    );
    await company.db.execute(
      `insert into static_address (subscriber_id, nas_id, address)
       select $1::bigint, id, $3::cidr from nas where name = $2`,
      [line!.id, nas, address],
    );
  };

  test('is a static line with this address', async () => {
    await addStaticLine('tower-north', '127.0.0.0/30');
    expect(textOf(await splash())).toContain('Halo, Toko');
  });

  test.each([
    [
      'two live sessions have the address',
      async () => {
        await online();
        await addSession(company, { subscriberId: null, framedIp: '127.0.0.1', nasId: 2 });
      },
    ],
    [
      'a static line has it too',
      async () => {
        await online();
        await addStaticLine('tower-south', '127.0.0.1');
      },
    ],
    [
      'its router does not recognise lines',
      async () => {
        await online();
        await company.db.execute(`update nas set recognises_lines = false where name = 'tower-north'`);
      },
    ],
    ['the session is over', () => online({ endedAt: NOW - MINUTE })],
    ['the session is being ended', () => online({ endingSince: NOW - MINUTE })],
    ['the session was not heard of for long', () => online({ heardAt: NOW - 2 * HOUR })],
    ['nobody knows whose session it is', () => addSession(company, { subscriberId: null, framedIp: '127.0.0.1' })],
    ['the address is another one', () => addSession(company, { subscriberId: budi.id, framedIp: '127.0.0.2' })],
  ])('is not greeted when %s', async (_why, given) => {
    await given();
    expect(textOf(await splash())).not.toContain('Halo,');
  });

  test('a static line is not greeted by an address it had, nor at a router that does not recognise lines', async () => {
    await addStaticLine('tower-north', '127.0.0.1/32');
    await company.db.execute(`update nas set recognises_lines = false where name = 'tower-north'`);
    expect(textOf(await splash())).not.toContain('Halo,');
    await company.db.execute('update nas set recognises_lines = true');
    await company.db.execute('update static_address set removed_at = now()');
    expect(textOf(await splash())).not.toContain('Halo,');
  });

  test('an ending session does not hide the one that has its address now', async () => {
    await addSession(company, { subscriberId: null, framedIp: '127.0.0.1', endingSince: NOW - MINUTE });
    await online();
    expect(textOf(await splash())).toContain('Halo, Budi');
  });

  test('nobody becomes another line by saying so in a header', async () => {
    await addSession(company, { subscriberId: budi.id, framedIp: '100.64.0.7' });
    for (const header of ['x-forwarded-for', 'x-real-ip', 'forwarded', 'client-ip', 'true-client-ip'])
      expect(
        textOf(await splash({ [header]: header === 'forwarded' ? 'for=100.64.0.7' : '100.64.0.7' })),
      ).not.toContain('Halo,');
  });
});

test('behind a trusted proxy the address of the line is the one the proxy saw', async () => {
  const proxied = await startCompany({ trustedProxies: ['127.0.0.1'] });
  const sri = await addSubscriber(proxied.desk, { username: 'sri', password: 'pw', name: 'Sri' });
  await addSession(proxied, { subscriberId: sri.id, framedIp: '100.64.0.7' });
  const open = async (forwarded: string) =>
    textOf(
      (await proxied.browser().open('/prepaid/portal/splash', { headers: { 'x-forwarded-for': forwarded } })).text,
    );
  expect(await open('100.64.0.7')).toContain('Halo, Sri');
  // What the browser itself put in front is not believed.
  expect(await open('100.64.0.7, 100.64.0.8')).not.toContain('Halo,');
  for (const nonsense of ['unknown', "'; drop table session; --", '::ffff:100.64.0.9', ''])
    expect(await open(nonsense)).not.toContain('Halo,');
  expect(await open('::ffff:100.64.0.7')).toContain('Halo, Sri');
  expect(proxied.logged).toEqual([]);
  await proxied.stop();
});

test('who is logged in is greeted by account, not by address', async () => {
  const customer = await addCustomer(company.desk, { username: 'dewi', name: 'Dewi Lestari' });
  await addSession(company, { subscriberId: budi.id, framedIp: '127.0.0.1' });
  const page = await (await company.loginPortal(customer.id)).open('/prepaid/portal/splash');
  expect(textOf(page.text)).toContain('Halo, Dewi');
  // Whoever writes to customer service need not look for the ID; the PIN is nowhere.
  expect(decodeURIComponent(/wa\.me\/\d+\?text=([^"]+)/.exec(page.text)![1]!)).toContain(
    `Portal ID: ${customer.portalId}`,
  );
  expect(page.text).not.toContain(customer.pin);
});

test('most bought is what was really bought most', async () => {
  expect(await splash()).not.toContain('Paling laris');
  const buyer = await addCustomer(company.desk, { username: 'buyer' });
  const sell = async (plan: string) =>
    sellPackage(company.desk, {
      subscriberId: buyer.id,
      planRevisionId: await company.planId(plan),
      method: 'cash',
      begins: 'after',
    });
  await sell('50GB - 50Mbps');
  await sell('50GB - 50Mbps');
  await sell('10GB - 10Mbps');
  const best = () =>
    splash().then((page) => [...page.matchAll(/<li><strong>([^<]*)<\/strong>(?:(?!<\/li>).)*<em>/gs)].map((m) => m[1]));
  expect(await best()).toEqual(['50GB - 50Mbps']);
  company.setClock(NOW + 100 * DAY);
  expect(await best()).toEqual([]);
});

test('while the database has not been reached it says so, and comes again', async () => {
  company.setOpened(false);
  const page = await company.browser().fetch('/prepaid/portal/splash');
  company.setOpened(true);
  expect([page.status, page.headers.get('retry-after')]).toEqual([503, '5']);
  expect(page.text).toContain('Sistem sedang dimulai');
});

test('suspending by an admin shows at once', async () => {
  await addSession(company, { subscriberId: budi.id, framedIp: '127.0.0.1' });
  await suspend(company.desk, 'budi');
  expect(textOf(await splash())).toContain('Layanan Anda dihentikan sementara');
});

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { routerScript } from '#operations/router-script';
import { type Agent, CUSTOMER, DNS, GARDEN, INTERNET, Network, PORTAL } from '#test/redirect/network';
import { nftOf } from '#test/redirect/nft';
import { launchChromium } from '#test/support/chromium';
import { describeWithNamespaces } from '#test/support/tools';

/** What each system asks for to learn whether it is online, and what it would take for "yes". */
const PROBES = [
  ['Android', 'http://connectivitycheck.gstatic.com/generate_204'],
  ['Android, older', 'http://clients3.google.com/generate_204'],
  ['ChromeOS', 'http://www.google.com/gen_204'],
  ['Apple', 'http://captive.apple.com/hotspot-detect.html'],
  ['Windows', 'http://www.msftconnecttest.com/connecttest.txt'],
  ['Windows, its page', 'http://www.msftconnecttest.com/redirect'],
  ['Windows, older', 'http://www.msftncsi.com/ncsi.txt'],
  ['Firefox', 'http://detectportal.firefox.com/canonical.html'],
  ['Firefox, older', 'http://detectportal.firefox.com/success.txt'],
] as const;

const NO_PACKAGE = 'prepaid-no-package';
const PAYING = 'prepaid-paying';
/** Fast enough for a device to go on to its plain HTTP probe instead of waiting. */
const AT_ONCE_MS = 2_000;

describeWithNamespaces('a line behind a router with the rules of our script', () => {
  let network: Network;
  let router: Agent;
  let portal: Agent;
  let customer: Agent;
  let internet: Agent;
  let browser: Browser;
  let origin: string;
  /** The list the router was last told to hold the line in; it is there before anybody is woken who waits for it. */
  let held: string | null = null;
  let turned = Promise.resolve();
  const wakers = new Set<() => void>();

  beforeAll(async () => {
    network = await Network.open();
    [router, portal, customer] = [network.agent('router'), network.agent('portal'), network.agent('customer')];
    internet = network.agent('internet');
    await Promise.all([
      router.do('dns', '0.0.0.0', INTERNET),
      internet.do('dns', DNS, INTERNET),
      internet.do('internet'),
      customer.do('echo', 9000),
    ]);
    let rules: () => void;
    const ready = new Promise<void>((resolve) => {
      rules = resolve;
    });
    portal.onLists = (lists) => {
      turned = turned.then(async () => {
        await ready;
        for (const name of [NO_PACKAGE, PAYING]) await network.list(name, lists[name] ?? []);
        held = Object.keys(lists).find((name) => lists[name]!.includes(CUSTOMER)) ?? null;
        for (const wake of wakers) wake();
      });
    };
    const port = await portal.do('portal', CUSTOMER);
    origin = `http://${PORTAL}:${port}`;
    const script = routerScript({
      nas: { name: 'router', secret: 'unused here', coaPort: 3799 },
      server: { address: PORTAL, authPort: 1812, acctPort: 1813 },
      portal: { address: PORTAL, url: origin },
      version: 7,
      walledGarden: [`${GARDEN}/32`],
    });
    await network.firewall(nftOf(script));
    rules!();
    browser = await launchChromium({ through: network.into('customer') });
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await network?.close();
  }, 60_000);

  const listed = async (list: string) => {
    if (held === list) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the line is still in ${held}, not in ${list}`)), 20_000);
      const wake = () => {
        if (held !== list) return;
        clearTimeout(timer);
        wakers.delete(wake);
        resolve();
      };
      wakers.add(wake);
    });
  };

  /** What the browser shows after it was told to open an address. */
  const opened = async (url: string) => {
    const tab = await browser.newPage();
    try {
      await tab.goto(url, { timeout: 30_000 });
      return { url: tab.url(), title: await tab.title(), text: (await tab.textContent('body')) ?? '' };
    } finally {
      await tab.close();
    }
  };

  test('without a package http://example.com/ lands on the splash, which greets the line by its address', async () => {
    await listed(NO_PACKAGE);
    const page = await opened('http://example.com/');
    expect(page.url).toBe(`${origin}/prepaid/portal/splash`);
    expect(page.text).toContain('Budi');
    expect(page.text).not.toContain('Santoso');
  }, 60_000);

  test.each(PROBES)('%s learns that it is not online: %s', async (_system, url) => {
    await listed(NO_PACKAGE);
    const answer = await customer.do('get', url);
    expect(answer).toMatchObject({
      status: 302,
      headers: { location: `${origin}/prepaid/portal/splash`, 'cache-control': 'no-store', connection: 'close' },
    });
  });

  test('its names are looked up at the router, whichever server the device was told to ask', async () => {
    await listed(NO_PACKAGE);
    const before = await router.do('dnsAsked');
    await customer.do('get', 'http://looked-up.example/');
    expect(await router.do('dnsAsked')).toBeGreaterThan(before);
    expect(await customer.do('connect', DNS, 53)).toMatchObject({ status: 0 });
  });

  test('HTTPS fails at once instead of hanging, in a browser and without', async () => {
    await listed(NO_PACKAGE);
    const plain = await customer.do('connect', 'example.com', 443);
    expect(plain.error).toBe('ECONNREFUSED');
    expect(plain.ms).toBeLessThan(AT_ONCE_MS);
    await expect(opened('https://example.com/')).rejects.toThrow('ERR_CONNECTION_REFUSED');
  }, 60_000);

  test('QUIC fails at once too', async () => {
    await listed(NO_PACKAGE);
    const outcome = await customer.do('datagram', INTERNET, 443);
    expect(outcome.error).toBe('EHOSTUNREACH');
    expect(outcome.ms).toBeLessThan(AT_ONCE_MS);
  });

  test('nothing reaches it from outside either', async () => {
    await listed(NO_PACKAGE);
    const before = await customer.do('echoed');
    expect(await internet.do('datagram', CUSTOMER, 9000, 500)).toMatchObject({ error: 'silence' });
    expect(await customer.do('echoed')).toBe(before);
  });

  test('what is in the walled garden opens as it is', async () => {
    await listed(NO_PACKAGE);
    expect(await opened(`http://${GARDEN}/`)).toMatchObject({ url: `http://${GARDEN}/`, title: 'the internet' });
    expect(await customer.do('connect', GARDEN, 443)).toMatchObject({ status: 0 });
  }, 60_000);

  test('while a payment window is open everything opens, and the portal knows the line; after it the redirect is back', async () => {
    await listed(NO_PACKAGE);
    await portal.do('openWindow');
    await listed(PAYING);
    expect(await opened('http://example.com/')).toMatchObject({ url: 'http://example.com/', title: 'the internet' });
    expect(await customer.do('get', PROBES[0][1])).toMatchObject({ status: 204 });
    expect(await customer.do('connect', 'example.com', 443)).toMatchObject({ status: 0 });
    expect(await customer.do('datagram', INTERNET, 443)).toMatchObject({ body: 'hello' });
    expect((await customer.do('get', `${origin}/prepaid/portal/splash`)).body).toContain('Budi');

    await portal.do('windowEndsIn', 1_500);
    await listed(NO_PACKAGE);
    expect((await opened('http://example.com/')).url).toBe(`${origin}/prepaid/portal/splash`);
    expect((await customer.do('connect', 'example.com', 443)).error).toBe('ECONNREFUSED');
  }, 60_000);

  test('once a package is granted the same addresses lead to the internet, until it is taken away again', async () => {
    await listed(NO_PACKAGE);
    expect((await opened('http://example.com/')).url).toContain('/prepaid/portal/splash');
    await portal.do('gerbang', 'grant', 'add', '--username', 'budi', '--plan', '20GB');
    await listed('prepaid-active');
    expect(await opened('http://example.com/')).toMatchObject({ url: 'http://example.com/', title: 'the internet' });
    expect(await customer.do('get', PROBES[0][1])).toMatchObject({ status: 204 });
    expect(await customer.do('connect', 'example.com', 443)).toMatchObject({ status: 0 });
    expect(await customer.do('datagram', INTERNET, 443)).toMatchObject({ body: 'hello' });
    expect(await internet.do('datagram', CUSTOMER, 9000)).toMatchObject({ body: 'hello' });
    expect((await customer.do('get', 'http://example.com/', { keep: true })).status).toBe(200);

    await portal.do('gerbang', 'grant', 'revoke', '--username', 'budi');
    await listed(NO_PACKAGE);
    // The rules stand above "established": what was open is cut off too.
    expect((await customer.do('get', 'http://example.com/', { keep: true })).error).toMatch(/ECONNRESET|EPIPE/);
    expect((await opened('http://example.com/')).url).toBe(`${origin}/prepaid/portal/splash`);
  }, 90_000);

  test('the portal itself opens for a line without a package and with one', async () => {
    expect((await opened(`${origin}/prepaid/portal/login`)).url).toBe(`${origin}/prepaid/portal/login`);
  }, 60_000);
});

import { connect } from 'node:net';
import fc from 'fast-check';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { captiveHook } from '#http/captive';
import { type HttpServer, startHttp } from '#http/server';

const PUBLIC = 'https://portal.maju.test';
const SPLASH = `${PUBLIC}/prepaid/portal/splash`;

let server: HttpServer;
let bare: HttpServer;
let proxied: HttpServer;
beforeAll(async () => {
  server = await start(PUBLIC);
  bare = await start(null);
  proxied = await start(PUBLIC, ['127.0.0.1']);
});
afterAll(() => Promise.all([server.stop(), bare.stop(), proxied.stop()]));

function start(publicUrl: string | null, trustedProxies?: string[]): Promise<HttpServer> {
  return startHttp({
    host: '127.0.0.1',
    port: 0,
    readiness: async () => ({}),
    metrics: () => [],
    pages: {
      add: async (scope) => {
        scope.get('/prepaid/portal/splash', async () => 'a page of ours');
        scope.post('/form', async () => 'a form of ours');
      },
      captive: captiveHook({ publicUrl }),
      notFound: async (_request, reply) => reply.code(404).send('nothing here'),
    },
    ...(trustedProxies === undefined ? {} : { trustedProxies }),
    log: { warn: () => undefined, error: () => undefined },
  });
}

type Answer = {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  readonly closed: boolean;
};

/** Sends octets as they are and reads what comes until the server closes or falls silent. */
function raw(request: string, to: HttpServer = server): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let got = '';
    const socket = connect(to.port, '127.0.0.1', () => socket.write(request, 'latin1'));
    const done = (closed: boolean) => {
      socket.destroy();
      const [head = '', ...body] = got.split('\r\n\r\n');
      const [line = '', ...lines] = head.split('\r\n');
      const headers = new Map(
        lines.map((one) => [one.slice(0, one.indexOf(':')).toLowerCase(), one.slice(one.indexOf(':') + 2)]),
      );
      resolve({ status: Number(line.split(' ')[1]), headers, body: body.join('\r\n\r\n'), closed });
    };
    socket.setTimeout(400, () => done(false));
    socket.on('data', (octets) => {
      got += octets.toString('latin1');
    });
    socket.on('end', () => done(true));
    socket.on('error', (error) => (got === '' ? reject(error) : done(true)));
  });
}

const get = (path: string, host: string, to?: HttpServer) => raw(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, to);

/** Of a page of ours the connection would stay open. */
const page = (path: string, host: string) => raw(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);

function expectSplash(answer: Answer, target = SPLASH): void {
  expect(answer.status).toBe(302);
  expect(answer.headers.get('location')).toBe(target);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.headers.get('connection')).toBe('close');
  expect(answer.closed).toBe(true);
}

describe('a line without a package', () => {
  test.each([
    ['Android', 'connectivitycheck.gstatic.com', '/generate_204'],
    ['ChromeOS', 'www.google.com', '/gen_204'],
    ['Apple', 'captive.apple.com', '/hotspot-detect.html'],
    ['Windows', 'www.msftconnecttest.com', '/connecttest.txt'],
    ['older Windows', 'www.msftncsi.com', '/ncsi.txt'],
    ['Windows that opens a browser', 'www.msftconnecttest.com', '/redirect'],
    ['Firefox', 'detectportal.firefox.com', '/canonical.html'],
    ['Firefox, without a page', 'detectportal.firefox.com', '/success.txt?ipv4'],
  ])('%s learns that it is in a walled garden, also when it asks us by name', async (_os, host, path) => {
    expectSplash(await get(path, host));
    expectSplash(await get(path, 'portal.maju.test'));
    expectSplash(await get(path, '127.0.0.1'));
  });

  test.each([
    '/',
    '/prepaid/portal/splash',
    '/login',
    '/healthz',
    '/readyz',
    '/metrics',
    '/assets/customer.css',
    '/nowhere',
  ])('another host is led to the splash page whatever it is asked for: %s', async (path) =>
    expectSplash(await get(path, 'example.com')),
  );

  test.each(['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND', 'PURGE'])(
    'by any method: %s',
    async (method) => {
      expectSplash(await raw(`${method} /form HTTP/1.1\r\nHost: example.com\r\nContent-Length: 3\r\n\r\na=b`));
    },
  );

  test.each([
    ['an address too long for us', `/${'a'.repeat(5_000)}`],
    ['an address that cannot be read', '/%E0%A4%A'],
    ['an address with a long part', `/language/${'b'.repeat(300)}`],
    ['an asterisk', '*'],
  ])('with %s', async (_what, path) => expectSplash(await get(path, 'example.com')));

  test('a body of another host is not waited for', async () => {
    expectSplash(await raw('POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 100000000\r\n\r\nonly this'));
    expectSplash(await raw('POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nonly '));
  });

  test('a request line in absolute form: its host counts, not the one of the header', async () => {
    expectSplash(await get('http://example.com/prepaid/portal/splash', 'portal.maju.test'));
    expectSplash(await get('HTTP://example.com', '127.0.0.1'));
    expectSplash(await get('http://127.0.0.1/generate_204?x=1', '127.0.0.1'));
    const ours = await get('http://portal.maju.test/prepaid/portal/splash', 'example.com');
    expect([ours.status, ours.body]).toEqual([200, 'a page of ours']);
  });

  test('no host at all (HTTP/1.0) is another host', async () => {
    expectSplash(await raw('GET /prepaid/portal/splash HTTP/1.0\r\n\r\n'));
    expectSplash(await raw('GET / HTTP/1.1\r\nHost:\r\n\r\n'));
  });

  test('without PUBLIC_URL the splash page is at the address that was connected to', async () => {
    expectSplash(await get('/', 'example.com', bare), `http://127.0.0.1:${bare.port}/prepaid/portal/splash`);
    expect((await get('/prepaid/portal/splash', 'portal.maju.test', bare)).status).toBe(302);
  });
});

describe('our own hosts', () => {
  test.each([
    'portal.maju.test',
    'PORTAL.Maju.Test',
    'portal.maju.test:443',
    'portal.maju.test.',
    '127.0.0.1',
    '127.0.0.1:8080',
    'localhost',
    'localhost:3000',
  ])('%s gets the page, and the doors for machines', async (host) => {
    expect((await page('/prepaid/portal/splash', host)).body).toBe('a page of ours');
    expect((await page('/healthz', host)).status).toBe(200);
    expect((await page('/readyz', host)).status).toBe(200);
    expect((await page('/metrics', host)).status).toBe(200);
    expect((await page('/nowhere', host)).status).toBe(404);
  });

  test.each([
    'evil@portal.maju.test',
    'portal.maju.test@evil.test',
    'portal.maju.test.evil.test',
    'portal.maju.test/..',
    'portal.maju.test#x',
    'portal.maju.test?x',
    'xportal.maju.test',
    '127.0.0.2',
    '127.0.0.1.evil.test',
    '[::1]',
    'local\\host',
    '"><script>alert(1)</script>',
    'a'.repeat(4_000),
  ])('%s is not one of them', async (host) => {
    const answer = await get('/healthz', host);
    expectSplash(answer);
    expect(answer.body).toBe('');
  });

  test('a header cannot be smuggled into the answer', async () => {
    const answer = await raw('GET /%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: example.com%0d%0aSet-Cookie: c=d\r\n\r\n');
    expectSplash(answer);
    expect(answer.headers.has('set-cookie')).toBe(false);
  });

  test('a huge header is refused, and nothing of it comes back', async () => {
    const answer = await raw(`GET / HTTP/1.1\r\nHost: example.com\r\nCookie: ${'x'.repeat(40_000)}\r\n\r\n`);
    expect(answer.status).toBe(431);
    expect(answer.body).not.toContain('xxxx');
  });

  test('X-Forwarded-Host is believed of a trusted proxy only', async () => {
    const request =
      'GET /prepaid/portal/splash HTTP/1.1\r\nHost: example.com\r\nX-Forwarded-Host: portal.maju.test\r\n\r\n';
    expectSplash(await raw(request));
    expect((await raw(request, proxied)).status).toBe(200);
    expectSplash(
      await raw(request.replace('portal.maju', 'another').replace('example.com', 'portal.maju.test'), proxied),
    );
  });
});

describe('the address that was connected to', () => {
  const hook = captiveHook({ publicUrl: null });
  /** Where the hook leads a request for `host` that came in at `localAddress`; null = it is for us. */
  async function ledTo(host: string, localAddress: string): Promise<string | null> {
    let target: string | null = null;
    const reply = {
      header: () => reply,
      redirect: (url: string) => {
        target = url;
        return reply;
      },
    };
    const request = { originalUrl: '/', host, socket: { localAddress, localPort: 80 } };
    await hook(request as unknown as FastifyRequest, reply as unknown as FastifyReply);
    return target;
  }

  test.each([
    ['10.0.0.2', '10.0.0.2', null],
    ['10.0.0.2:80', '::ffff:10.0.0.2', null],
    ['example.com', '::ffff:10.0.0.2', 'http://10.0.0.2:80/prepaid/portal/splash'],
    ['[fd00:0:0::5]', 'fd00::5', null],
    ['[fd00::6]', 'fd00::5', 'http://[fd00::5]:80/prepaid/portal/splash'],
    ['localhost', '10.0.0.2', 'http://10.0.0.2:80/prepaid/portal/splash'],
    ['localhost', '127.0.0.1', null],
    ['localhost', '::1', null],
    ['', '10.0.0.2', 'http://10.0.0.2:80/prepaid/portal/splash'],
  ])('a request for %s at %s is led to %s', async (host, localAddress, target) => {
    expect(await ledTo(host, localAddress)).toBe(target);
  });
});

test('whatever a request says, it is never led anywhere but to the splash page', async () => {
  const host = fc.string({
    minLength: 1,
    maxLength: 60,
    unit: fc.constantFrom(...'abcz.:@/\\[]#?%-_ "<>0189\t\u00e9\u00ff'),
  });
  const path = fc.string({ maxLength: 60, unit: fc.constantFrom(...'abcz.:@/\\[]#?%-_"<>0189&=;') });
  await fc.assert(
    fc.asyncProperty(host, path, async (someHost, somePath) => {
      const answer = await get(`/${somePath}`, someHost);
      // Node itself refuses what is no HTTP.
      if (answer.status === 400) return;
      expectSplash(answer);
    }),
    { numRuns: 150 },
  );
});

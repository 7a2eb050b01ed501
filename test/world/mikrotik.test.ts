import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { type FreeRadius, radclient, startFreeRadiusAuth } from '#test/support/freeradius';
import { describeWithFreeRadius } from '#test/support/tools';
import { type Mikrotik, type MikrotikSettings, startMikrotik } from '#test/world/mikrotik';
import type { Method } from '#test/world/session';
import { Attributes } from '#test/world/wire';

/** The simulated router is itself checked by programs that are not ours: FreeRADIUS as its server, radclient as CoA client. */
describeWithFreeRadius('a simulated MikroTik', () => {
  const opened: { stop(): Promise<void> }[] = [];
  const close = (thing: { stop(): Promise<void> }) => opened.push(thing);
  afterEach(async () => {
    for (const thing of opened.splice(0).reverse()) await thing.stop();
  });

  const budi = { username: 'budi', password: 'rahasia 123' };
  const secret = 'router-secret';

  async function server(reply: readonly string[] = []): Promise<FreeRadius> {
    const started = await startFreeRadiusAuth({ users: [budi], secret, reply, threads: 1 });
    close(started);
    return started;
  }

  async function router(
    server: { port: number; acctPort: number },
    more: Partial<MikrotikSettings> = {},
  ): Promise<Mikrotik> {
    const started = await startMikrotik({
      server: { host: '127.0.0.1', authPort: server.port, acctPort: server.acctPort },
      secret,
      coaPort: 0,
      ...more,
    });
    close(started);
    return started;
  }

  const peer = (router: Mikrotik) => ({ host: router.address, port: router.coaPort, secret: router.secret });

  const told = ['Mikrotik-Rate-Limit := "5M/20M"', 'Mikrotik-Address-List := "prepaid-active"', 'Class := 0x6762'];

  test.each<Method>(['pap', 'chap', 'mschap1', 'mschap2'])(
    'dials in with %s and is told its rate and list',
    async (method) => {
      const mikrotik = await router(await server(told));
      const session = await mikrotik.dial('budi', budi.password, { method });
      expect(session.state).toBe('up');
      expect(session.limits).toMatchObject({ uploadBps: 5e6, downloadBps: 20e6 });
      expect(mikrotik.queues()).toEqual([
        { name: '<pppoe-budi>', target: `${session.address}/32`, maxLimit: '5000000/20000000' },
      ]);
      expect(mikrotik.addressList('prepaid-active')).toEqual([
        { list: 'prepaid-active', address: session.address, dynamic: true },
      ]);
      const stranger = await mikrotik.dial('budi', 'wrong', { method });
      expect(stranger.state).toBe('rejected');
    },
  );

  test('a line that speaks MS-CHAPv2 hangs up on a server that cannot prove itself: Start, then Stop at once', async () => {
    const radius = await startFreeRadiusAuth({ users: [budi], secret, acceptAll: true, threads: 1 });
    close(radius);
    const mikrotik = await router(radius);
    expect((await mikrotik.dial('budi', budi.password, { method: 'pap' })).state).toBe('up');
    const session = await mikrotik.dial('budi', budi.password, { method: 'mschap2' });
    expect(session).toMatchObject({ state: 'ended', cause: 'user-request' });
    const its = (await radius.received()).filter(({ attributes }) => attributes['Acct-Session-Id'] === session.id);
    expect(its.map(({ attributes }) => attributes['Acct-Status-Type'])).toEqual(['Start', 'Stop']);
  });

  test('accounting carries Class, gigawords and a RouterOS session id from Start to Stop', async () => {
    const radius = await server(told);
    const mikrotik = await router(radius);
    const session = await mikrotik.dial('budi', budi.password);
    mikrotik.use(session, { uploadBytes: 7, downloadBytes: 2 ** 33 + 5 });
    expect(await mikrotik.interim(session)).toBe(true);
    expect(await mikrotik.hangUp(session)).toBe(true);
    expect(mikrotik.sessions()).toEqual([]);
    const records = (await radius.received()).map(({ attributes }) => attributes);
    expect(records.map((record) => record['Acct-Status-Type'])).toEqual(['Start', 'Interim-Update', 'Stop']);
    expect(new Set(records.map((record) => record['Acct-Session-Id']))).toEqual(new Set(['81000000']));
    expect(records.map((record) => record.Class)).toEqual(['0x6762', '0x6762', '0x6762']);
    expect(records[2]).toMatchObject({
      'Acct-Input-Octets': '7',
      'Acct-Input-Gigawords': '0',
      'Acct-Output-Octets': '5',
      'Acct-Output-Gigawords': '2',
      'Acct-Terminate-Cause': 'User-Request',
      'Calling-Station-Id': session.line.mac,
    });
  });

  test('a CoA changes rate and list of the live session; an unknown session is refused with 406 or 503', async () => {
    const mikrotik = await router(await server(told), { options: { incoming: { unknownSession: 406 } } });
    const session = await mikrotik.dial('budi', budi.password);
    const change = ['Mikrotik-Rate-Limit = "128k/128k"', 'Mikrotik-Address-List = "prepaid-no-package"'];
    const id = [`User-Name = "budi"`, `Acct-Session-Id = "${session.id}"`];
    const ack = await radclient(peer(mikrotik), 'coa', [...id, ...change, 'Message-Authenticator = 0x00']);
    expect(ack.text).toContain('Received CoA-ACK');
    expect(mikrotik.queues()[0]?.maxLimit).toBe('128000/128000');
    expect(mikrotik.addressList()).toEqual([{ list: 'prepaid-no-package', address: session.address, dynamic: true }]);
    const nak = await radclient(peer(mikrotik), 'coa', [
      'User-Name = "budi"',
      'Acct-Session-Id = "81000009"',
      ...change,
    ]);
    expect(nak.text).toMatch(/Received CoA-NAK[\s\S]*Error-Cause = Unsupported-Extension/);
    mikrotik.options.incoming.unknownSession = 503;
    const gone = await radclient(peer(mikrotik), 'disconnect', ['User-Name = "nobody"']);
    expect(gone.text).toMatch(/Received Disconnect-NAK[\s\S]*Error-Cause = Session-Context-Not-Found/);
    const unfit = await radclient(peer(mikrotik), 'coa', [...id, 'Mikrotik-Rate-Limit = "fast"']);
    expect(unfit.text).toContain('Received CoA-NAK');
    expect(mikrotik.queues()[0]?.maxLimit).toBe('128000/128000');
  });

  test('a router may acknowledge an address-list and ignore it, or not listen at all', async () => {
    const mikrotik = await router(await server(told), { options: { incoming: { addressList: 'ignore' } } });
    await mikrotik.dial('budi', budi.password);
    const change = ['User-Name = "budi"', 'Mikrotik-Address-List = "prepaid-no-package"'];
    expect((await radclient(peer(mikrotik), 'coa', change)).text).toContain('Received CoA-ACK');
    expect(mikrotik.addressList().map(({ list }) => list)).toEqual(['prepaid-active']);
    mikrotik.options.incoming.accept = false;
    expect((await radclient(peer(mikrotik), 'coa', change, { timeoutSeconds: 0.2 })).answered).toBe(false);
  });

  test('a forged CoA or Disconnect is dropped without an answer', async () => {
    const mikrotik = await router(await server());
    const session = await mikrotik.dial('budi', budi.password);
    const forged = await radclient({ ...peer(mikrotik), secret: 'guess' }, 'disconnect', ['User-Name = "budi"'], {
      timeoutSeconds: 0.2,
    });
    expect(forged.answered).toBe(false);
    expect(session.state).toBe('up');
    expect(mikrotik.counts.badRequests).toBe(1);
  });

  test('a disconnected line sends its Stop and dials again after its delay', async () => {
    const radius = await server();
    const mikrotik = await router(radius, { options: { redialMs: 50 } });
    const first = await mikrotik.dial('budi', budi.password);
    const ack = await radclient(peer(mikrotik), 'disconnect', ['User-Name = "budi"']);
    expect(ack.text).toContain('Received Disconnect-ACK');
    const second = await mikrotik.until('budi is up again', () => mikrotik.session('budi'));
    expect(first).toMatchObject({ state: 'ended', cause: 'admin-reset' });
    expect(second.id).toBe('81000001');
  });

  test('Session-Timeout and Idle-Timeout end a session on the router’s own clock, interims come on time', async () => {
    const radius = await server(['Session-Timeout := 3600', 'Acct-Interim-Interval := 600', ...told]);
    const mikrotik = await router(radius);
    const session = await mikrotik.dial('budi', budi.password, { load: 0.5 });
    await mikrotik.advance(1805);
    expect(session.state).toBe('up');
    // Half of 20 Mbit/s down and 5 Mbit/s up.
    expect(session.downloadBytes / (1805 * 1.25e6)).toBeCloseTo(1, 2);
    await mikrotik.advance(1800);
    expect(session).toMatchObject({ state: 'ended', cause: 'session-timeout' });
    const kinds = (await radius.received()).map(({ attributes }) => attributes['Acct-Status-Type']);
    expect(kinds.filter((kind) => kind === 'Interim-Update')).toHaveLength(5);
    const idle = await router(await server(['Idle-Timeout := 60', 'Acct-Interim-Interval := 600']));
    const sleeper = await idle.dial('budi', budi.password);
    await idle.advance(61);
    expect(sleeper).toMatchObject({ state: 'ended', cause: 'idle-timeout' });
  });

  test('a reboot loses sessions without a Stop and changes the session ids', async () => {
    const radius = await server();
    const mikrotik = await router(radius, { options: { redialMs: 20 } });
    await mikrotik.dial('budi', budi.password);
    await mikrotik.until('Start is taken', () => mikrotik.counts.accepts === 1);
    mikrotik.reboot();
    expect(mikrotik.sessions()).toEqual([]);
    expect((await mikrotik.until('budi is back', () => mikrotik.session('budi'))).id).toBe('81100000');
    const kinds = (await radius.received()).map(({ attributes }) => attributes['Acct-Status-Type']);
    expect(kinds).not.toContain('Stop');
  });

  test('replies of a server with another secret, or without Message-Authenticator, are dropped', async () => {
    const plain = await startFreeRadiusAuth({ users: [budi], secret, messageAuthenticator: false });
    close(plain);
    const options = { timeoutMs: 100, tries: 2 };
    const strict = await router(plain, { options });
    expect((await strict.dial('budi', budi.password)).state).toBe('unanswered');
    expect(strict.counts.badReplies).toBeGreaterThan(0);
    const lenient = await router(plain, { options: { ...options, requiresMessageAuthenticator: false } });
    expect((await lenient.dial('budi', budi.password)).state).toBe('up');
    const other = await router(await server(), {
      secret: 'other',
      options: { ...options, sendsMessageAuthenticator: false },
    });
    expect((await other.dial('budi', budi.password, { method: 'chap' })).state).toBe('unanswered');
  });

  test('an unanswered Access-Request is repeated octet for octet; an accounting record with a new Identifier and its delay', async () => {
    const silent = createSocket('udp4');
    const heard: Buffer[] = [];
    silent.on('message', (packet) => heard.push(packet));
    silent.bind(0, '127.0.0.1');
    await once(silent, 'listening');
    close({ stop: async () => void silent.close() });
    const { port } = silent.address();
    const options = { timeoutMs: 550, tries: 3 };
    const unheard = await router({ port, acctPort: port }, { options });
    expect((await unheard.dial('budi', budi.password)).state).toBe('unanswered');
    expect(heard).toHaveLength(3);
    expect(heard[1]).toEqual(heard[0]);
    heard.length = 0;
    const mikrotik = await router({ port: (await server()).port, acctPort: port }, { options });
    const session = await mikrotik.dial('budi', budi.password);
    await mikrotik.until('the Start is lost', () => mikrotik.recent.find(({ kind }) => kind === 'lost'));
    expect(session.state).toBe('up');
    expect(new Set(heard.map((packet) => packet[1])).size).toBe(3);
    expect(heard.map((packet) => new Attributes(packet).number('Acct-Delay-Time'))).toEqual([0, 0, 1]);
  });

  test('thousands of lines dial at once and each gets an address of its own', async () => {
    const radius = await server(told);
    const mikrotik = await router(radius, { options: { ports: 4, timeoutMs: 2000 } });
    const dials = Array.from({ length: 2000 }, () => mikrotik.dial('budi', budi.password));
    const sessions = await Promise.all(dials);
    expect(sessions.filter(({ state }) => state !== 'up')).toEqual([]);
    expect(new Set(sessions.map(({ address }) => address)).size).toBe(2000);
  });
});

import { randomBytes } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { pinFault } from '#domain/pin';
import { DAY } from '#domain/time';
import { addSubscriber } from '#operations/add-subscriber';
import { confirmPin } from '#operations/confirm-pin';
import { issuePin } from '#operations/issue-pin';
import { migrateToPrepaid } from '#operations/migrate-to-prepaid';
import { verifyPassword } from '#operations/password-hash';
import { portalLogin } from '#operations/portal-login';
import { PinRefused, setPin } from '#operations/set-pin';
import { pinIssue } from '#policy-server/cli/prepaid';
import { readConfig } from '#policy-server/config';
import { findMessage, messagesOf, openBody } from '#storage/messages';
import { findPortalAccount } from '#storage/portal-accounts';
import { portalPinAad } from '#storage/secrets';
import { faults, NOW, type TestDesk, testDesk } from '#test/operations/desk';

/** What the random source gives next, in place of chance. */
const drawn: number[] = [];
vi.mock('node:crypto', async (original) => {
  const real = await original<typeof import('node:crypto')>();
  const randomInt = (low: number, high?: number) =>
    drawn.shift() ?? real.randomInt(...([low, high] as [number, number]));
  return { ...real, randomInt };
});
/** How many PINs were hashed at the same moment, at most. */
const hashing = { now: 0, most: 0 };
vi.mock('#operations/password-hash', async (original) => {
  const real = await original<typeof import('#operations/password-hash')>();
  const hashPassword = async (password: string) => {
    hashing.now += 1;
    hashing.most = Math.max(hashing.most, hashing.now);
    try {
      return await real.hashPassword(password);
    } finally {
      hashing.now -= 1;
    }
  };
  return { ...real, hashPassword };
});
afterEach(() => {
  expect(drawn.splice(0)).toEqual([]);
  desk.setClock(NOW);
});

let desk: TestDesk;
let next = 0;
beforeAll(async () => {
  desk = await testDesk();
});

async function subscriber(more: object = {}): Promise<number> {
  next += 1;
  const added = await addSubscriber(desk, {
    username: `user${next}`,
    password: 'pw',
    phone: '0812-7000-4321',
    ...more,
  });
  return added.id;
}
const account = async (id: number) => (await findPortalAccount(desk.db, id))!;
const opens = async (id: number, pin: string) =>
  verifyPassword(pin, desk.sealer.open((await account(id)).pinSealed, portalPinAad(id)));
const refusal = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return error instanceof PinRefused ? error.refusal : error;
};
const logIn = (portalId: string, pin: string, deviceToken: string | null = null) =>
  portalLogin(desk, { portalId, pin, deviceToken, address: '100.64.0.1', userAgent: 'test' });
const entered = async (portalId: string, pin: string) => {
  const login = await logIn(portalId, pin);
  if (!login.ok) throw new Error('the login was refused');
  return login;
};
const countOf = async (table: 'web_session' | 'portal_device', id: number) =>
  (await desk.db.query(`select from ${table} where subscriber_id = $1`, [id])).length;

const WAITING = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;

describe('a PIN that is tried first', () => {
  const of = { portalId: '48213907', phone: '+62 812-7000-4321' };
  test.each([
    ['777777', 'repeats'],
    ['121212', 'repeats'],
    ['907907', 'repeats'],
    ['123456', 'run'],
    ['987654', 'run'],
    ['890123', 'run'],
    ['210987', 'run'],
    ['213907', 'portal-id'],
    ['821390', 'portal-id'],
    ['482139', 'portal-id'],
    ['004321', 'phone'],
    ['12345', 'not-six-digits'],
    ['1234567', 'not-six-digits'],
    ['48192a', 'not-six-digits'],
    ['４８１９２０', 'not-six-digits'],
    ['', 'not-six-digits'],
  ])('%s is not taken: %s', (pin, fault) => {
    expect(pinFault(pin, of)).toBe(fault);
  });

  test.each(['481920', '123457', '135790', '112233', '004322', '000001'])('%s is', (pin) => {
    expect(pinFault(pin, of)).toBeNull();
    expect(pinFault(pin, { portalId: null, phone: null })).toBeNull();
  });
});

describe('issuing a PIN', () => {
  test('it is told once, is stored as a sealed argon2id hash only, and waits to be changed', async () => {
    const id = await subscriber();
    const issued = await issuePin(desk, id, { send: false });
    expect(issued).toEqual({
      portalId: expect.stringMatching(/^[1-9]\d{7}$/),
      pin: expect.stringMatching(/^\d{6}$/),
      messageQueued: false,
    });
    expect(await opens(id, issued.pin)).toBe(true);
    expect(desk.sealer.open((await account(id)).pinSealed, portalPinAad(id))).toMatch(/^\$argon2id\$/);
    expect(await account(id)).toMatchObject({ mustChangePin: true, failures: 0, issuedAt: NOW });
    const [audit] = await desk.db.query<{ detail: object; all: string }>(
      `select detail, audit::text as all from audit where why = 'issue PIN' and subscriber_id = $1`,
      [id],
    );
    expect(audit!.detail).toEqual({ username: `user${next}`, portalId: issued.portalId, send: false });
    expect(audit!.all.replaceAll(issued.portalId, '')).not.toContain(issued.pin);
  });

  test('the Portal ID stays when another PIN is issued, and the older PIN, its sessions and devices are no more', async () => {
    const id = await subscriber();
    const first = await issuePin(desk, id, { send: false });
    const login = await entered(first.portalId, first.pin);
    expect(await logIn(first.portalId, '000001')).toMatchObject({ ok: false });
    expect((await account(id)).failures).toBe(1);
    desk.setClock(NOW + DAY);
    const second = await issuePin(desk, id, { send: false });
    expect(second.portalId).toBe(first.portalId);
    expect(await account(id)).toMatchObject({ mustChangePin: true, failures: 0, issuedAt: NOW + DAY });
    expect([await countOf('web_session', id), await countOf('portal_device', id)]).toEqual([0, 0]);
    expect(await logIn(first.portalId, first.pin, login.deviceToken)).toMatchObject({ ok: false });
    expect(await logIn(first.portalId, second.pin)).toMatchObject({ ok: true, mustChangePin: true });
  });

  test('a Portal ID that another has is drawn again', async () => {
    const taken = (await issuePin(desk, await subscriber(), { send: false })).portalId;
    drawn.push(Number(taken), 481_920, 48_213_907, 350_172);
    const issued = await issuePin(desk, await subscriber(), { send: false });
    expect(issued).toMatchObject({ portalId: '48213907', pin: '350172' });
  });

  test('where another is just being given the same Portal ID, it is drawn again', async () => {
    const [id, other] = [await subscriber(), await subscriber()];
    drawn.push(55_667_788, 481_920, 66_778_855, 350_172);
    const { issued } = await desk.db.transaction(async (tx) => {
      await tx.execute(`update subscriber set portal_id = '55667788' where id = $1`, [other]);
      const waiting = issuePin(desk, id, { send: false });
      await vi.waitUntil(async () => (await desk.db.query(WAITING)).length > 0);
      return { issued: waiting };
    });
    expect(await issued).toMatchObject({ portalId: '66778855', pin: '350172' });
  });

  test('trivial PINs are drawn again; a PIN may begin with zeros', async () => {
    const id = await subscriber();
    drawn.push(61_350_284, 0, 123_456, 350_284, 4_321, 42);
    expect(await issuePin(desk, id, { send: false })).toMatchObject({ portalId: '61350284', pin: '000042' });
    expect(await opens(id, '000042')).toBe(true);
  });

  test('the message says it in the language of the subscriber; only the newest PIN stays in the queue', async () => {
    const id = await subscriber({ name: 'Budi', language: 'id' });
    const first = await issuePin(desk, id, { send: true });
    expect(first.messageQueued).toBe(true);
    const second = await issuePin(desk, id, { send: true });
    const [newest, older] = await messagesOf(desk.db, id);
    expect([newest!.cancelledAt, older!.cancelledAt]).toEqual([null, NOW]);
    const { bodySealed } = (await findMessage(desk.db, newest!.id))!;
    const { text } = openBody(desk.sealer, newest!.id, bodySealed);
    expect(text).toContain(`Halo Budi,`);
    expect(text).toContain(`Portal ID: ${second.portalId}\nPIN: ${second.pin}\n`);
    expect(text).toContain('https://portal.test/prepaid/portal/login');
    await issuePin(desk, id, { send: false });
    expect((await messagesOf(desk.db, id)).filter((message) => message.cancelledAt === null)).toEqual([]);
  });

  test('who is billed afterwards is told what it is for there, and no older PIN stays in the queue', async () => {
    const id = await subscriber({ name: 'Sri', language: 'id', billing: 'postpaid' });
    await issuePin(desk, id, { send: true });
    const { portalId, pin } = await issuePin(desk, id, { send: true });
    const [newest, older] = await messagesOf(desk.db, id);
    expect([newest!.notice, newest!.cancelledAt, older!.cancelledAt]).toEqual(['account-pin', null, NOW]);
    const { bodySealed } = (await findMessage(desk.db, newest!.id))!;
    const { text } = openBody(desk.sealer, newest!.id, bodySealed);
    expect(text).toContain(`Portal ID: ${portalId}\nPIN: ${pin}\n`);
    expect(text).toContain('https://portal.test/customer/login');
    expect(text).not.toMatch(/prepaid/i);
    expect(await logIn(portalId, pin)).toMatchObject({ ok: true, subscriberId: id });
  });

  test('many at once are hashed two at a time, so that whoever logs in finds a core', async () => {
    const ids = await Promise.all(Array.from({ length: 8 }, () => subscriber()));
    hashing.most = 0;
    await Promise.all(ids.map((id) => issuePin(desk, id, { send: false })));
    expect(hashing).toEqual({ now: 0, most: 2 });
  });

  test('without a usable telephone number it is still issued, and that nothing was sent is said', async () => {
    const id = await subscriber({ phone: null });
    expect(await issuePin(desk, id, { send: true })).toMatchObject({ messageQueued: false });
  });

  test('nobody of that number is said', async () => {
    expect(await faults(issuePin(desk, 999_999, { send: false }))).toEqual(['there is no subscriber of number 999999']);
  });

  test('the command shows it once', async () => {
    const id = await subscriber();
    const office = { ...desk, config: readConfig({}) };
    const { text, json } = await pinIssue.run(office, { words: [`user${next}`], options: { send: true } });
    const { portalId, pin } = json as { portalId: string; pin: string };
    expect(text).toContain(
      `Portal ID ${portalId}, PIN ${pin}, shown this once. Login: https://portal.test/prepaid/portal/login`,
    );
    expect(await opens(id, pin)).toBe(true);
  });
});

describe('changing a PIN', () => {
  async function withPin(): Promise<{ id: number; portalId: string; pin: string }> {
    const id = await subscriber();
    const { portalId, pin } = await issuePin(desk, id, { send: false });
    return { id, portalId, pin };
  }
  /** Good for whatever Portal ID was drawn. */
  const good = (pin: string) => (pin === '350172' ? '481920' : '350172');

  test('the new one is right from then on, and needs no further change', async () => {
    const { id, portalId, pin } = await withPin();
    const newPin = good(pin);
    await setPin(desk, { subscriberId: id, oldPin: pin, newPin });
    expect(await account(id)).toMatchObject({ mustChangePin: false });
    expect(await logIn(portalId, pin)).toMatchObject({ ok: false });
    expect(await logIn(portalId, newPin)).toMatchObject({ ok: true, mustChangePin: false });
    const [audit] = await desk.db.query<{ all: string }>(
      `select detail::text as all from audit where why = 'change PIN' and subscriber_id = $1`,
      [id],
    );
    expect(audit!.all).toBe('{}');
  });

  test('who changes it stays logged in; everybody else is out', async () => {
    const { id, portalId, pin } = await withPin();
    await entered(portalId, pin);
    await entered(portalId, pin);
    const hashes = async (table: 'web_session' | 'portal_device') => {
      const rows = await desk.db.query<{ hash: Buffer }>(
        `select token_hash as hash from ${table} where subscriber_id = $1 order by created_at, token_hash`,
        [id],
      );
      return rows.map((row) => row.hash);
    };
    const [session] = await hashes('web_session');
    const [, device] = await hashes('portal_device');
    await setPin(desk, {
      subscriberId: id,
      oldPin: pin,
      newPin: good(pin),
      keep: [session!, device!, randomBytes(32)],
    });
    expect(await hashes('web_session')).toEqual([session]);
    expect(await hashes('portal_device')).toEqual([device]);
  });

  test('each refusal has its reason, and a line that does not repeat a PIN', async () => {
    const { id, portalId, pin } = await withPin();
    const attempt = (newPin: string, oldPin = pin) => setPin(desk, { subscriberId: id, oldPin, newPin });
    expect(await refusal(attempt('777777'))).toBe('repeats');
    expect(await refusal(attempt('123456'))).toBe('run');
    expect(await refusal(attempt(portalId.slice(2)))).toBe('portal-id');
    expect(await refusal(attempt('004321'))).toBe('phone');
    expect(await refusal(attempt('12'))).toBe('not-six-digits');
    expect(await refusal(attempt(pin))).toBe('same');
    expect(await refusal(attempt(good(pin), '000001'))).toBe('wrong-old');
    expect(await faults(attempt('777777'))).toEqual([
      'the new PIN repeats the same digits, which is tried first; choose another',
    ]);
    expect(await opens(id, pin)).toBe(true);
    expect((await account(id)).mustChangePin).toBe(true);
  });

  test('a PIN that is no text never comes back in a message', async () => {
    const wrong = { subscriberId: 1, oldPin: 481_920, newPin: 350_172 } as unknown as Parameters<typeof setPin>[1];
    expect((await faults(setPin(desk, wrong))).join()).not.toMatch(/481920|350172/);
  });

  test('after ten wrong tries a day nobody can go on trying, also many at once; the login is not touched by it', async () => {
    const { id, portalId, pin } = await withPin();
    const attempts = Array.from({ length: 16 }, (_, at) => String(100_000 + at * 7)).filter((one) => one !== pin);
    const refusals = await Promise.all(
      attempts.map((oldPin) => refusal(setPin(desk, { subscriberId: id, oldPin, newPin: '350172' }))),
    );
    expect(refusals.filter((one) => one === 'wrong-old')).toHaveLength(10);
    expect(refusals.filter((one) => one === 'too-many-tries')).toHaveLength(attempts.length - 10);
    expect(await refusal(setPin(desk, { subscriberId: id, oldPin: pin, newPin: good(pin) }))).toBe('too-many-tries');
    expect(await logIn(portalId, pin)).toMatchObject({ ok: true });
    desk.setClock(NOW + DAY);
    await setPin(desk, { subscriberId: id, oldPin: pin, newPin: good(pin) });
    expect(await opens(id, good(pin))).toBe(true);
  });

  test('what strangers tried at the login keeps nobody from changing it', async () => {
    const { id, pin } = await withPin();
    await desk.db.execute('update portal_account set failures = 10 where subscriber_id = $1', [id]);
    await setPin(desk, { subscriberId: id, oldPin: pin, newPin: good(pin) });
    expect(await account(id)).toMatchObject({ failures: 0, mustChangePin: false });
  });

  test('of two changes at the same moment one wins, and a PIN that was issued meanwhile stays', async () => {
    const { id, pin } = await withPin();
    const both = ['350172', '481920'].filter((one) => one !== pin);
    const changes = both.map((newPin) => refusal(setPin(desk, { subscriberId: id, oldPin: pin, newPin })));
    expect((await Promise.all(changes)).filter((one) => one === null)).toHaveLength(1);
    const [issued] = await Promise.all([
      issuePin(desk, id, { send: false }),
      refusal(setPin(desk, { subscriberId: id, oldPin: pin, newPin: '192837' })),
    ]);
    expect(await opens(id, issued.pin)).toBe(true);
  });

  test('nobody without a PIN changes one', async () => {
    const id = await subscriber();
    expect(await refusal(setPin(desk, { subscriberId: id, oldPin: '481920', newPin: '350172' }))).toBe('wrong-old');
    expect(await faults(setPin(desk, { subscriberId: 999_999, oldPin: '1', newPin: '350172' }))).toEqual([
      'there is no subscriber of number 999999',
    ]);
  });
});

describe('confirming the PIN that was issued', () => {
  test('it stays and needs no further change', async () => {
    const id = await subscriber({ billing: 'postpaid' });
    const { moved } = await migrateToPrepaid(desk, [id]);
    await confirmPin(desk, id);
    expect(await account(id)).toMatchObject({ mustChangePin: false });
    expect(await opens(id, moved[0]!.pin)).toBe(true);
  });

  test('where none was issued, that is said', async () => {
    const id = await subscriber();
    expect(await faults(confirmPin(desk, id))).toEqual([`no PIN was issued to subscriber ${id}`]);
  });
});

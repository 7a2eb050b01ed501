import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { addNas } from '#operations/add-nas';
import { deleteNas, editNas, setApiFingerprint } from '#operations/edit-nas';
import { timestamp } from '#storage/database';
import { loadNases } from '#storage/facts';
import { findNas, listNases, rememberMessageAuthenticator } from '#storage/nas';
import { nasApiPasswordAad } from '#storage/secrets';
import { emptied, faults, NOW, type TestDesk, testDesk } from '#test/operations/desk';

const SECRET = 'a-secret-of-thirty-two-octets-00';
const FINGERPRINT = 'ab'.repeat(32);
let desk: TestDesk;
let id: number;

beforeAll(async () => {
  desk = await testDesk();
});

beforeEach(async () => {
  await emptied(desk);
  id = (await addNas(desk, { name: 'tower', address: '10.20.0.1', secret: SECRET, tags: ['north'] })).id;
});

const nas = async () => (await findNas(desk.db, { id }))!;
const secret = async () => (await loadNases(desk.db, desk.sealer))[0]!.secret.reveal();
const changes = async () =>
  (await desk.db.query<{ key: number }>(`select key from change where topic = 'nas' order by seq`)).map(
    (row) => row.key,
  );

describe('a router is edited', () => {
  test('only what is given changes, and every node hears of it', async () => {
    const before = await nas();
    const fed = (await changes()).length;
    expect(await editNas(desk, { id, coaPerSecond: '80', swapOctets: 'on' })).toMatchObject({
      name: 'tower',
      changed: ['coaPerSecond', 'swapOctets'],
      generatedSecret: null,
      warnings: [],
    });
    expect(await nas()).toEqual({ ...before, coaPerSecond: 80, swapOctets: true });
    expect(await secret()).toBe(SECRET);
    expect((await changes()).slice(fed)).toEqual([id]);
  });

  test('with everything of its RouterOS API; the password is sealed and never shown', async () => {
    const form = {
      name: 'tower-2',
      address: '10.20.0.0/24',
      tags: ['south'],
      messageAuthenticator: 'required',
      coaPort: '3800',
      apiHost: '10.20.0.9',
      apiPort: '8728',
      apiTls: 'off',
      apiUser: 'gerbang',
      apiPassword: 'api-canary',
      recognisesLines: 'false',
      secret: '',
    };
    const edited = await editNas(desk, { id, ...form });
    expect(edited.changed).toContain('apiPassword');
    expect(edited.changed).not.toContain('secret');
    expect(await nas()).toMatchObject({
      name: 'tower-2',
      address: '10.20.0.0/24',
      tags: ['south'],
      messageAuthenticator: 'required',
      coaPort: 3800,
      apiHost: '10.20.0.9',
      apiPort: 8728,
      apiTls: 'off',
      apiUser: 'gerbang',
      apiPasswordSet: true,
      recognisesLines: false,
    });
    const [row] = await desk.db.query<{ sealed: Buffer; all: string }>(
      `select api_password_sealed as sealed, (select string_agg(a::text, ' ') from audit a) as all from nas`,
    );
    expect(desk.sealer.open(row!.sealed, nasApiPasswordAad(id))).toBe('api-canary');
    expect(row!.all + JSON.stringify(await listNases(desk.db)) + JSON.stringify(edited)).not.toContain('api-canary');
    expect(await secret(), 'left empty it stays').toBe(SECRET);
  });

  test('an empty password field keeps the password, null takes it away; empty host and user are none', async () => {
    await editNas(desk, { id, apiHost: '10.20.0.9', apiUser: 'gerbang', apiPassword: 'pw' });
    await editNas(desk, { id, apiHost: '', apiUser: '', apiPassword: '' });
    expect(await nas()).toMatchObject({ apiHost: null, apiUser: null, apiPasswordSet: true });
    await editNas(desk, { id, apiPassword: null });
    expect(await nas()).toMatchObject({ apiPasswordSet: false });
  });

  test('a new secret is sealed; one that we make is shown once; a short one is warned of', async () => {
    const made = await editNas(desk, { id, secret: 'generate' });
    expect(made.generatedSecret).toMatch(/^[A-Za-z2-9]{24}$/);
    expect(await secret()).toBe(made.generatedSecret);
    const short = await editNas(desk, { id, secret: 'only-12-octs' });
    expect(short).toMatchObject({ generatedSecret: null, changed: ['secret'] });
    expect(short.warnings).toEqual(['the secret has only 12 octets: use 32 or more, or --secret generate']);
  });

  test('the certificate that was trusted is forgotten when the API answers elsewhere, and only then', async () => {
    await setApiFingerprint(desk, id, FINGERPRINT.toUpperCase().replace(/(..)(?=.)/g, '$1:'));
    expect((await nas()).apiFingerprint).toBe(FINGERPRINT);
    await editNas(desk, { id, name: 'other', apiUser: 'x', apiPassword: 'y' });
    expect((await nas()).apiFingerprint).toBe(FINGERPRINT);
    await editNas(desk, { id, apiHost: '10.20.0.9' });
    expect((await nas()).apiFingerprint).toBeNull();
    for (const moved of [{ apiPort: 8730 }, { apiTls: 'verified' }, { address: '10.20.0.2' }]) {
      await setApiFingerprint(desk, id, FINGERPRINT);
      await editNas(desk, { id, ...moved });
      expect((await nas()).apiFingerprint, JSON.stringify(moved)).toBeNull();
    }
    await setApiFingerprint(desk, id, FINGERPRINT);
    await setApiFingerprint(desk, id, null);
    expect((await nas()).apiFingerprint).toBeNull();
    expect(await faults(setApiFingerprint(desk, id, 'abc'))).toHaveLength(1);
    expect(await faults(setApiFingerprint(desk, 999, null))).toEqual(['this NAS is no more; go back to the list']);
  });

  test('that it signs is learned anew when the mode is chosen anew, not by another edit', async () => {
    await rememberMessageAuthenticator(desk.db, id);
    await editNas(desk, { id, name: 'other', messageAuthenticator: 'auto' });
    expect((await nas()).messageAuthenticatorSeen).toBe(true);
    await editNas(desk, { id, messageAuthenticator: 'off' });
    await editNas(desk, { id, messageAuthenticator: 'auto' });
    expect((await nas()).messageAuthenticatorSeen).toBe(false);
  });

  test('every fault is said; name and address belong to one router; nothing half', async () => {
    await addNas(desk, { name: 'second', address: '10.20.0.2', secret: SECRET });
    const before = await nas();
    const lines = await faults(
      editNas(desk, {
        id,
        address: '10.0.0.1/8',
        coaPerSecond: '0',
        apiHost: 'router.example',
        apiTls: 'maybe',
        apiPassword: '\n',
      }),
    );
    expect(lines).toEqual([
      'address "10.0.0.1/8" is not usable; give the IP address the router sends from, or a CIDR, for example 10.20.0.1 or 10.20.0.0/24',
      'coaPerSecond "0" is not usable; give CoA and Disconnect a second at most, 1 to 10000, for example 50',
      'apiHost "router.example" is not usable; give the IP address at which its RouterOS API answers, for example 10.20.0.1; empty = at its address',
      'apiTls "maybe" is not usable; give off, pinned (the certificate that was seen first) or verified (a public one)',
      'apiPassword (not shown) is not usable; give the password of that user, 1 to 200 characters',
    ]);
    expect(await faults(editNas(desk, { id, name: 'second', secret: 'generate' }))).toEqual([
      'name "second" belongs to another NAS; give another name, or see: nas list',
    ]);
    expect(await faults(editNas(desk, { id, address: '10.20.0.2' }))).toEqual([
      'address 10.20.0.2 belongs to another NAS; see: nas list',
    ]);
    expect(await faults(editNas(desk, { id: 999, name: 'x' }))).toEqual(['this NAS is no more; go back to the list']);
    expect(await nas()).toEqual(before);
    expect(await secret()).toBe(SECRET);
  });

  test('the audit says what it was and what it is, of secrets only that they changed', async () => {
    await editNas(desk, { id, name: 'tower-2', secret: 'generate' });
    const [row] = await desk.db.query<{ detail: object }>(`select detail from audit where why = 'edit NAS'`);
    expect(row!.detail).toEqual({
      id,
      name: 'tower',
      before: { name: 'tower' },
      after: { name: 'tower-2' },
      secrets: ['secret'],
    });
  });
});

describe('a router is deleted', () => {
  test('when nothing is on it any more; the directories forget it', async () => {
    const fed = (await changes()).length;
    expect(await deleteNas(desk, id)).toEqual({ name: 'tower' });
    expect(await listNases(desk.db)).toEqual([]);
    expect((await changes()).slice(fed)).toEqual([id]);
    expect(await faults(deleteNas(desk, id))).toEqual(['this NAS is no more; go back to the list']);
  });

  test('not while sessions, static lines or their addresses are on it', async () => {
    await desk.db.query(
      `insert into subscriber (id, username, password_sealed, access, nas_id) overriding system value values (1, 'budi', 'x', 'static', $1)`,
      [id],
    );
    await desk.db.query(`insert into static_address (subscriber_id, nas_id, address) values (1, $1, '100.64.0.1')`, [
      id,
    ]);
    await desk.db.query(
      `insert into session (key, nas_id, nas_address, acct_session_id, username, started_at, heard_at, day)
       values ('k', $1, '10.20.0.1', '81', 'budi', $2::timestamptz, $2::timestamptz, '2026-11-21')`,
      [id, timestamp(NOW)],
    );
    expect(await nas()).toMatchObject({ staticLines: 1, liveSessions: 1, heardAt: NOW });
    expect(await faults(deleteNas(desk, id))).toEqual([
      'NAS "tower" cannot be deleted: 1 sessions are on it or ended just now',
      'NAS "tower" cannot be deleted: 1 static lines belong to it',
      'NAS "tower" cannot be deleted: 1 addresses are in its lists or wait to leave them',
    ]);
    expect(await listNases(desk.db)).toHaveLength(1);
  });
});

import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { addNas } from '#operations/add-nas';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import { firstAdmin } from '#operations/first-admin';
import { generateSecret, hashPassword, verifyPassword } from '#operations/password-hash';
import { resetAdminPassword } from '#operations/reset-admin-password';
import { dropOldKeys, rotateSecrets } from '#operations/rotate-secrets';
import { loadEntries, loadNases } from '#storage/facts';
import { listPlans } from '#storage/plans';
import { loadMasterKey } from '#storage/secrets';
import { faults, PLAN, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;
beforeAll(async () => {
  desk = await testDesk();
});

const NAS = { name: 'tower', address: '10.20.0.1', secret: 'a-secret-of-thirty-two-octets-00' };

describe('adding a router', () => {
  test('its secret can be opened again and nothing else shows it', async () => {
    const added = await addNas(desk, NAS);
    expect(added).toMatchObject({ name: 'tower', generatedSecret: null, warnings: [] });
    const [nas] = await loadNases(desk.db, desk.sealer);
    expect(nas!.secret.reveal()).toBe(NAS.secret);
    expect(JSON.stringify(nas)).not.toContain(NAS.secret);
  });

  test('a short secret is warned of, a generated one is shown once', async () => {
    const short = await addNas(desk, { ...NAS, name: 'short', address: '10.20.0.2', secret: 'only-12-octs' });
    expect(short.warnings).toEqual(['the secret has only 12 octets: use 32 or more, or --secret generate']);
    const made = await addNas(desk, { ...NAS, name: 'made', address: '10.20.1.0/24', secret: 'generate' });
    expect(made.generatedSecret).toMatch(/^[A-Za-z2-9]{24}$/);
  });

  test.each([
    [
      {},
      [
        'name: missing; give a name of 1 to 100 characters, for example tower-north',
        'address: missing; give the IP address the router sends from, or a CIDR, for example 10.20.0.1 or 10.20.0.0/24',
        'secret: missing; give the RADIUS secret of the router, 8 to 256 octets; "generate" makes one',
      ],
    ],
    [
      { ...NAS, address: '10.20.0.1/24', secret: 'short', coaPort: '99999' },
      [
        'address "10.20.0.1/24" is not usable; give the IP address the router sends from, or a CIDR, for example 10.20.0.1 or 10.20.0.0/24',
        'secret (not shown) is not usable; give the RADIUS secret of the router, 8 to 256 octets; "generate" makes one',
        'coaPort "99999" is not usable; give the port of /radius incoming on the router, for example 3799',
      ],
    ],
    [{ ...NAS, address: '10.9.9.9' }, ['name "tower" belongs to another NAS; give another name, or see: nas list']],
    [{ ...NAS, name: 'other' }, ['address 10.20.0.1 belongs to another NAS; see: nas list']],
  ])('wrong input is said line by line: %j', async (input, lines) => {
    expect(await faults(addNas(desk, input))).toEqual(lines);
  });

  test.each(['10.0.0.0/8', '2001:db8::/32', '2001:db8::1', '::ffff:10.0.0.1', '0.0.0.0/0'])(
    'takes %s',
    async (address) => {
      expect(await faults(addNas(desk, { ...NAS, name: address, address }))).toEqual([]);
    },
  );

  test.each(['10.0.0.256', '10.0.0', '10.0.0.0/33', '10.0.0.1/8', 'fe80::1%eth0', '2001:db8::1/32', 'tower.example'])(
    'refuses %s',
    async (address) => {
      expect(await faults(addNas(desk, { ...NAS, name: address, address }))).toHaveLength(1);
    },
  );
});

describe('adding a plan', () => {
  test('the same name again is the next revision, and the list shows the newest', async () => {
    expect(await addPlan(desk, { ...PLAN, burst: '40M/30M 15M/10M 16' })).toEqual({
      name: PLAN.name,
      revision: 1,
      warnings: [],
    });
    expect(await addPlan(desk, { ...PLAN, price: '80.000' })).toMatchObject({ revision: 2 });
    const [plan] = await listPlans(desk.db);
    expect(plan).toMatchObject({
      revision: 2,
      priceRupiah: 80_000,
      allowanceBytes: 20_480 * 2 ** 20,
      period: { days: 30 },
    });
    expect(plan!.rate).toEqual({ downloadBps: 20_000_000, uploadBps: 20_000_000, burst: null });
  });

  test('every fault is said', async () => {
    const lines = await faults(
      addPlan(desk, { name: ' x', down: '20 MB', up: '-1', quota: '0', period: 'year', price: '75.00', burst: 'fast' }),
    );
    expect(lines.map((line) => line.split(' is not usable')[0])).toEqual([
      'name " x"',
      'down "20 MB"',
      'up "-1"',
      'burst "fast"',
      'quota "0"',
      'period "year"',
      'price "75.00"',
    ]);
  });
});

describe('staff', () => {
  test('a password is known again by its hash, which names argon2id and its cost', async () => {
    const hash = await hashPassword('Rahasia sekali');
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
    expect(await verifyPassword('Rahasia sekali', hash)).toBe(true);
    expect(await verifyPassword('rahasia sekali', hash)).toBe(false);
    expect(await verifyPassword('Rahasia sekali', 'plain')).toBe(false);
  });

  test('the first admin is made once, and a lost password is replaced by a one-time one', async () => {
    const first = await firstAdmin(desk);
    expect(first).toMatch(/^[A-Za-z2-9]{16}$/);
    expect(await firstAdmin(desk)).toBeNull();
    const { password } = await resetAdminPassword(desk);
    const [row] = await desk.db.query<{ hash: string; must: boolean }>(
      `select password_hash as hash, must_change_password as must from staff where username = 'admin'`,
    );
    expect(row!.must).toBe(true);
    expect(await verifyPassword(password, row!.hash)).toBe(true);
    expect(await verifyPassword(first!, row!.hash)).toBe(false);
    expect(await faults(resetAdminPassword(desk, 'boss'))).toEqual([
      'there is no staff member "boss"; there are: admin',
    ]);
  });

  test('secrets that are made use their whole alphabet evenly', () => {
    const counts = new Map<string, number>();
    for (const letter of generateSecret(55_000)) counts.set(letter, (counts.get(letter) ?? 0) + 1);
    expect(counts.size).toBe(55);
    for (const count of counts.values()) expect(Math.abs(count - 1_000)).toBeLessThan(200);
  });
});

describe('rotating secrets', () => {
  test('everything opens after it with the new key alone, and not before the old one may go', async () => {
    const { id } = await addSubscriber(desk, { username: 'budi', password: 'rahasia' });
    const before = readFileSync(desk.masterKeyFile, 'utf8');
    const rotated = await rotateSecrets(desk, desk.masterKeyFile);
    expect(rotated.resealed).toBeGreaterThan(1);
    expect(await rotateSecrets(desk, desk.masterKeyFile)).toMatchObject({ resealed: rotated.resealed });
    await dropOldKeys(desk, desk.masterKeyFile);
    const after = readFileSync(desk.masterKeyFile, 'utf8');
    const keysOf = (text: string) => text.split('\n').filter((line) => /^[0-9a-f]{64}$/.test(line));
    expect(keysOf(after)).toHaveLength(1);
    expect(keysOf(before)).not.toContain(keysOf(after)[0]);
    const fresh = loadMasterKey(desk.masterKeyFile);
    expect((await loadEntries(desk.db, fresh, [id]))[0]!.password).toBe('rahasia');
    expect((await loadNases(desk.db, fresh))[0]!.secret.reveal()).toBe(NAS.secret);
  });
});

describe('the audit', () => {
  test('says who did what, and holds no secret', async () => {
    const rows = await desk.db.query<{ actor: string; why: string; all: string }>(
      'select actor, why, audit::text as all from audit order by id',
    );
    expect(new Set(rows.map((row) => row.why))).toEqual(
      new Set([
        'add NAS',
        'add plan',
        'first admin',
        'reset staff password',
        'add subscriber',
        'rotate secrets',
        'drop old keys',
      ]),
    );
    expect(rows.every((row) => row.actor === 'test')).toBe(true);
    const text = rows.map((row) => row.all).join();
    for (const secret of [NAS.secret, 'only-12-octs', 'rahasia']) expect(text).not.toContain(secret);
  });
});

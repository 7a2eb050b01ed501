import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { addNas } from '#operations/add-nas';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import { applyMikrotikImport, previewMikrotikImport } from '#operations/import-mikrotik';
import { loadEntries } from '#storage/facts';
import { countSubscribers, findSubscriber } from '#storage/subscribers';
import { faults, NOW, PLAN, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;
let prefix = '';
let turn = 0;
beforeAll(async () => {
  desk = await testDesk();
  await addPlan(desk, PLAN);
});
// One database for all: each test has user names and addresses of its own.
beforeEach(() => {
  turn += 1;
  prefix = `t${turn}-`;
});

const entryOf = async (username: string) => {
  const found = await findSubscriber(desk.db, username);
  return (await loadEntries(desk.db, desk.sealer, [found!.id]))[0]!;
};

const file = (...lines: string[]) =>
  [
    '# nov/21/2026 09:00:00 by RouterOS 6.49.8',
    '/ppp profile',
    'add name=20M rate-limit=20M/20M',
    'add name=10M rate-limit="5M/10M 8M/20M 4M/8M 8/8"',
    '/ppp secret',
    ...lines,
  ].join('\n');

const three = () =>
  file(
    `add name=${prefix}a password=pa profile=20M service=pppoe comment="Budi Santoso" caller-id=aa:bb:cc:dd:ee:01 remote-address=10.64.${turn}.7`,
    `add name=${prefix}b password=pb profile=10M disabled=yes`,
    `add name=${prefix}c password=pc profile=vpn service=l2tp`,
  );

describe('importing the secrets of a router', () => {
  test('the preview says what would be done and does nothing', async () => {
    const before = await countSubscribers(desk.db);
    const preview = await previewMikrotikImport(desk, three(), { plans: { '20M': PLAN.name } });
    expect(preview).toMatchObject({
      version: '6.49.8',
      secrets: 2,
      add: 2,
      update: 0,
      keep: 0,
      disabled: 1,
      withoutPlan: 1,
      otherServices: { l2tp: 1 },
      problems: [],
    });
    expect(preview.rows[0]).toEqual({
      line: 6,
      username: `${prefix}a`,
      name: 'Budi Santoso',
      mac: 'AA:BB:CC:DD:EE:01',
      staticIp: `10.64.${turn}.7`,
      profile: '20M',
      plan: PLAN.name,
      disabled: false,
      fate: 'add',
      password: 'file',
    });
    const burst = { downloadBps: 20e6, uploadBps: 8e6, thresholdDownloadBps: 8e6, thresholdUploadBps: 4e6, seconds: 8 };
    expect(preview.profiles).toEqual([
      {
        name: '20M',
        secrets: 1,
        rate: { downloadBps: 20e6, uploadBps: 20e6, burst: null },
        plan: PLAN.name,
        alike: [PLAN.name],
      },
      { name: '10M', secrets: 1, rate: { downloadBps: 10e6, uploadBps: 5e6, burst }, plan: null, alike: [] },
    ]);
    expect(JSON.stringify(preview)).not.toContain('"pa"');
    expect(await countSubscribers(desk.db)).toBe(before);
  });

  test('applied, they dial with their password; a mapped profile is a grant, a disabled secret is suspended', async () => {
    const done = await applyMikrotikImport(desk, three(), { plans: { '20M': PLAN.name }, coveredUntil: '2026-12-31' });
    expect(done).toMatchObject({ added: 2, updated: 0, kept: 0, grants: 1, suspended: 1, leftOut: 0, generated: [] });
    const budi = await entryOf(`${prefix}a`);
    expect(budi.password).toBe('pa');
    expect(budi.line).toMatchObject({ staticIp: `10.64.${turn}.7`, mac: 'AA:BB:CC:DD:EE:01' });
    expect(budi.facts.billing).toBe('postpaid');
    expect(budi.facts.grants.map(({ until }) => new Date(until).toISOString())).toEqual(['2026-12-31T17:00:00.000Z']);
    expect(await findSubscriber(desk.db, `${prefix}a`)).toMatchObject({ name: 'Budi Santoso', suspendedAt: null });
    expect(await findSubscriber(desk.db, `${prefix}b`)).toMatchObject({ suspendedAt: NOW });
    expect(await findSubscriber(desk.db, `${prefix}c`)).toBeNull();
    const [audit] = await desk.db.query<{ actor: string; detail: { added: number } }>(
      `select actor, detail from audit where why = 'import from router' order by id desc limit 1`,
    );
    expect(audit).toMatchObject({ actor: 'test', detail: { added: 2, routerOs: '6.49.8' } });
  });

  test('what was imported is marked for the directories and the loop in the same commit', async () => {
    const lines = Array.from({ length: 4_500 }, (_, at) => `add name=${prefix}${at} password=p`);
    await applyMikrotikImport(desk, file(...lines));
    const [row] = await desk.db.query<{ due: number; feed: number }>(
      `select (select count(*) from due join subscriber on id = subscriber_id where username like $1)::int as due,
              (select count(*) from change join subscriber on id = key where username like $1)::int as feed`,
      [`${prefix}%`],
    );
    expect(row).toEqual({ due: 4_500, feed: 4_500 });
  });

  test.each([
    ['suspend', NOW],
    ['active', null],
  ])('disabled secrets become "%s" where that is asked for', async (disabled, suspendedAt) => {
    await applyMikrotikImport(desk, three(), { disabled });
    expect(await findSubscriber(desk.db, `${prefix}b`)).toMatchObject({ suspendedAt });
  });

  test('disabled secrets can be left out', async () => {
    expect(await previewMikrotikImport(desk, three(), { disabled: 'skip' })).toMatchObject({
      add: 1,
      disabledLeftOut: 1,
    });
    await applyMikrotikImport(desk, three(), { disabled: 'skip' });
    expect(await findSubscriber(desk.db, `${prefix}b`)).toBeNull();
  });
});

describe('an export without passwords', () => {
  const hidden = () => file(`add name=${prefix}a`, `add name=${prefix}b password=known`, `add name=${prefix}c`);

  test('is told, and nothing is made up unasked', async () => {
    const preview = await previewMikrotikImport(desk, hidden());
    expect(preview).toMatchObject({ add: 1, withoutPassword: 2, leftOut: 2 });
    expect(preview.problems).toEqual([
      {
        line: 6,
        reason:
          'passwords are missing (2, the first is here): export again with show-sensitive, or say where they come from',
      },
    ]);
    expect(await faults(applyMikrotikImport(desk, hidden()))).toHaveLength(1);
    expect(await findSubscriber(desk.db, `${prefix}b`)).toBeNull();
  });

  test('the password can be the user name', async () => {
    await applyMikrotikImport(desk, hidden(), { passwordOf: 'same-as-name' });
    expect((await entryOf(`${prefix}a`)).password).toBe(`${prefix}a`);
    expect((await entryOf(`${prefix}b`)).password).toBe('known');
  });

  test('a user name longer than a password can be is none', async () => {
    const text = file(`add name=${prefix}${'x'.repeat(130)}`);
    expect(await previewMikrotikImport(desk, text, { passwordOf: 'same-as-name' })).toMatchObject({
      withoutPassword: 1,
    });
  });

  test('it can be made up, different for each, and is told once', async () => {
    const { generated } = await applyMikrotikImport(desk, hidden(), { passwordOf: 'generate' });
    expect(generated.map(({ username }) => username)).toEqual([`${prefix}a`, `${prefix}c`]);
    expect(new Set(generated.map(({ password }) => password)).size).toBe(2);
    expect((await entryOf(`${prefix}a`)).password).toBe(generated[0]!.password);
    expect((await entryOf(`${prefix}b`)).password).toBe('known');
  });

  test('it can come from a list; who is not on it stays a problem', async () => {
    const csv = `username,password\n${prefix}a,"from, the list"\n`;
    const preview = await previewMikrotikImport(desk, hidden(), { passwordOf: { csv } });
    expect(preview).toMatchObject({ add: 2, withoutPassword: 1 });
    await applyMikrotikImport(desk, hidden(), { passwordOf: { csv }, leaveOut: true });
    expect((await entryOf(`${prefix}a`)).password).toBe('from, the list');
    expect(await findSubscriber(desk.db, `${prefix}c`)).toBeNull();
  });

  test.each([
    ['name,password\n', 'passwordOf: the first line of the password file has to be username,password'],
    ['username,password\na,\n', 'passwordOf: line 2 of the password file needs a username and '],
    ['username,password\na,x\na,y\n', 'passwordOf: line 3 of the password file: "a" is there twice'],
  ])('a list that cannot be is refused: %j', async (csv, fault) => {
    const [line] = await faults(previewMikrotikImport(desk, hidden(), { passwordOf: { csv } }));
    expect(line).toContain(fault);
  });
});

describe('who is here already', () => {
  const again = () =>
    file(
      `add name=${prefix}a password=new comment=Nama caller-id=AA:BB:CC:DD:EE:02`,
      `add name=${prefix}new password=x`,
    );
  beforeEach(async () => {
    await addSubscriber(desk, {
      username: `${prefix}a`,
      password: 'old',
      name: 'Old',
      phone: '+628123456789',
      mac: 'AABBCCDDEE99',
    });
  });

  test('stays as they are', async () => {
    expect(await previewMikrotikImport(desk, again())).toMatchObject({ add: 1, keep: 1, update: 0 });
    expect(await applyMikrotikImport(desk, again())).toMatchObject({ added: 1, kept: 1, updated: 0 });
    expect((await entryOf(`${prefix}a`)).password).toBe('old');
  });

  test('gets password, name and MAC of the file with update, and keeps what the file does not say', async () => {
    expect(await previewMikrotikImport(desk, again(), { update: true })).toMatchObject({ add: 1, keep: 0, update: 1 });
    await applyMikrotikImport(desk, again(), { update: true });
    const { password, line, facts } = await entryOf(`${prefix}a`);
    expect(password).toBe('new');
    expect(line.mac).toBe('AA:BB:CC:DD:EE:02');
    expect(facts.billing).toBe('prepaid');
    expect(await findSubscriber(desk.db, `${prefix}a`)).toMatchObject({ name: 'Nama', phone: '+628123456789' });
  });

  test('may have the address of the file already', async () => {
    const text = file(`add name=${prefix}a password=p remote-address=10.68.${turn}.1`);
    await applyMikrotikImport(desk, text, { update: true });
    expect(await previewMikrotikImport(desk, text, { update: true })).toMatchObject({ update: 1, problems: [] });
    expect(await applyMikrotikImport(desk, text, { update: true })).toMatchObject({ updated: 1 });
    expect((await entryOf(`${prefix}a`)).line.staticIp).toBe(`10.68.${turn}.1`);
  });

  test('is marked with an update, so that directories take it up', async () => {
    const { id } = (await findSubscriber(desk.db, `${prefix}a`))!;
    const changes = async () => (await desk.db.query('select seq from change where key = $1', [id])).length;
    const before = await changes();
    await applyMikrotikImport(desk, again(), { update: true });
    expect(await changes()).toBe(before + 1);
  });

  test.each(['generate', 'same-as-name'] as const)('never gets a password from "%s"', async (passwordOf) => {
    const text = file(`add name=${prefix}a comment=Nama`);
    const options = { update: true, passwordOf };
    expect((await previewMikrotikImport(desk, text, options)).rows).toMatchObject([{ fate: 'update', password: null }]);
    expect(await applyMikrotikImport(desk, text, options)).toMatchObject({ generated: [], updated: 1 });
    expect(await entryOf(`${prefix}a`)).toMatchObject({ password: 'old', line: { mac: 'AA:BB:CC:DD:EE:99' } });
    expect(await findSubscriber(desk.db, `${prefix}a`)).toMatchObject({ name: 'Nama' });
  });
});

describe('what cannot be imported', () => {
  test("an address of a static line is somebody else's, and such a line gets no address by dial", async () => {
    await addNas(desk, {
      name: `${prefix}tower`,
      address: `10.1.${turn}.1`,
      secret: 'a secret of this router',
      coaPort: 3799,
    });
    const line = {
      username: `${prefix}line`,
      access: 'static',
      nas: `${prefix}tower`,
      addresses: [`10.66.${turn}.0/30`],
    };
    await addSubscriber(desk, line);
    const text = file(
      `add name=${prefix}a password=p remote-address=10.66.${turn}.2`,
      `add name=${prefix}line password=p remote-address=10.67.${turn}.9 comment=Kantor`,
    );
    expect(await faults(applyMikrotikImport(desk, text))).toEqual([
      `line 6: remote-address 10.66.${turn}.2 belongs to ${prefix}line already`,
    ]);
    await applyMikrotikImport(desk, text, { leaveOut: true, update: true });
    const { id, name } = (await findSubscriber(desk.db, `${prefix}line`))!;
    const [row] = await desk.db.query('select static_ip as ip from subscriber where id = $1', [id]);
    expect({ name, ...row }).toEqual({ name: 'Kantor', ip: null });
  });

  test('is told line by line, and holds back all of it until it is mended or left out', async () => {
    await addSubscriber(desk, { username: `${prefix}owner`, password: 'x', staticIp: `10.65.${turn}.1` });
    const text = file(
      `add name=${prefix}good password=p`,
      `add name=${prefix}ip password=p remote-address=10.65.${turn}.1`,
      `add name=${prefix}mac password=p caller-id=nonsense`,
      'set [find] disabled=no',
    );
    expect(await faults(applyMikrotikImport(desk, text))).toEqual([
      `line 7: remote-address 10.65.${turn}.1 belongs to ${prefix}owner already`,
      'line 8: caller-id "nonsense" is not usable; give a MAC address, for example AA:BB:CC:DD:EE:FF',
      'line 9: "set" on /ppp secret is not understood: only lines of add are read',
    ]);
    expect(await findSubscriber(desk.db, `${prefix}good`)).toBeNull();
    expect(await applyMikrotikImport(desk, text, { leaveOut: true })).toMatchObject({ added: 1, leftOut: 3 });
    expect(await findSubscriber(desk.db, `${prefix}good`)).not.toBeNull();
    expect(await findSubscriber(desk.db, `${prefix}ip`)).toBeNull();
  });

  test('a user name that somebody else takes at this very moment is told as that', async () => {
    const text = file(`add name=${prefix}x password=p`);
    let refused: Promise<readonly string[]> = Promise.resolve([]);
    await desk.db.transaction(async (tx) => {
      await tx.execute(`insert into subscriber (username, password_sealed) values ($1, '')`, [`${prefix}x`]);
      refused = faults(applyMikrotikImport(desk, text));
      const waits = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      while ((await desk.db.query(waits)).length === 0);
    });
    expect(await refused).toEqual([
      'a user name or an address of the file was taken by somebody at this very moment; try again',
    ]);
  });

  test('of two lines with one name only the first can be meant', async () => {
    const text = file(`add name=${prefix}x password=first`, `add name=${prefix}x password=second`);
    await applyMikrotikImport(desk, text, { leaveOut: true });
    expect((await entryOf(`${prefix}x`)).password).toBe('first');
  });

  test.each([
    [{ plans: { nowhere: PLAN.name } }, 'plan: no secret has the profile "nowhere"; there are: 20M, 10M'],
    [{ plans: { '20M': 'nothing' } }, `plan: there is no plan "nothing"; there are: ${PLAN.name}`],
    [{ billing: 'monthly' }, 'billing "monthly" is not usable; give prepaid or postpaid'],
    [{ disabled: 'maybe' }, 'disabled "maybe" is not usable; give suspend, active or skip'],
    [{ coveredUntil: '2020-01-01' }, 'coveredUntil "2020-01-01" is not usable; give in the future: '],
  ])('options that cannot be are refused: %j', async (options, fault) => {
    const [line] = await faults(previewMikrotikImport(desk, three(), options));
    expect(line).toContain(fault);
  });

  test('a file without a secret is no mistake', async () => {
    expect(await previewMikrotikImport(desk, '')).toMatchObject({ version: null, secrets: 0, add: 0, problems: [] });
    expect(await applyMikrotikImport(desk, '')).toMatchObject({ added: 0 });
  });

  test('a password never comes back in a message', async () => {
    const text = file(
      `add name=${prefix}a password=canary${'x'.repeat(200)}`,
      `add name=${prefix}b password=canary\\00`,
    );
    const lines = await faults(applyMikrotikImport(desk, text));
    expect(lines).toHaveLength(2);
    expect(lines.join()).not.toContain('canary');
  });
});

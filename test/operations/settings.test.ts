import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { rotateSecrets } from '#operations/rotate-secrets';
import { type SettingsSection, saveSettings, setSecretSetting } from '#operations/settings';
import { rawEventsOf, storeEvents } from '#storage/gateway-events';
import { PLACES, sealedOtherwise } from '#storage/reseal';
import { loadMasterKey, nasApiPasswordAad, whatsAppAuthAad } from '#storage/secrets';
import { readSecretSetting, readSettings, settingChanges } from '#storage/settings';
import { emptied, faults, NOW, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;
beforeAll(async () => {
  desk = await testDesk();
});

beforeEach(async () => {
  await emptied(desk);
});

describe('the settings of the company', () => {
  test('without any of them everything has a value that works', async () => {
    expect(await readSettings(desk.db)).toEqual({
      company: { name: 'Gerbang', address: '', phone: null, hours: '', zone: null },
      reminders: { endingSoonHours: 24, quotaShares: [80, 100], quietFrom: '21:00', quietTo: '07:00' },
      billing: { prefix: 'INV', tax: 'off', taxPercent: 11, dueDays: 7, autoPayDays: 1, autoPayTries: 3 },
      gateways: {
        first: 'midtrans',
        linkHours: 24,
        midtrans: { active: false, production: false, methods: [] },
        xendit: { active: false, methods: [] },
      },
      genieacs: expect.objectContaining({ url: null, username: '', informMinutes: 5 }),
      walledGarden: { hosts: [] },
      whatsapp: {
        transport: 'off',
        perMinute: 6,
        perDay: 300,
        cloud: { phoneNumberId: null, apiVersion: 'v23.0', templates: {} },
      },
    });
  });

  test('a section is saved as the form sends it: texts, lists in one field, empty for none', async () => {
    await saveSettings(desk, 'company', {
      name: ' Maju Net ',
      phone: '0812-3456-7890',
      zone: 'Asia/Makassar',
      hours: '',
    });
    await saveSettings(desk, 'reminders', {
      endingSoonHours: '48',
      quotaShares: '100, 50 80 80',
      quietFrom: '',
      quietTo: '',
    });
    await saveSettings(desk, 'walledGarden', { hosts: 'app.midtrans.com\r\n*.Example.com\r\n103.10.0.0/24, 1.1.1.1' });
    const { company, reminders, walledGarden } = await readSettings(desk.db);
    expect(company).toEqual({
      name: 'Maju Net',
      address: '',
      phone: '+6281234567890',
      hours: '',
      zone: 'Asia/Makassar',
    });
    expect(reminders).toEqual({ endingSoonHours: 48, quotaShares: [50, 80, 100], quietFrom: null, quietTo: null });
    expect(walledGarden.hosts).toEqual(['app.midtrans.com', '*.example.com', '103.10.0.0/24', '1.1.1.1']);
    await saveSettings(desk, 'company', { phone: '', zone: '' });
    expect((await readSettings(desk.db)).company).toMatchObject({ name: 'Maju Net', phone: null, zone: null });
  });

  test('fields that are not given stay, also in the group of the Cloud API', async () => {
    await saveSettings(desk, 'whatsapp', { transport: 'cloud', cloud: { phoneNumberId: '106540352242922' } });
    await saveSettings(desk, 'whatsapp', { perDay: 50, cloud: { templates: { ended: 'paket_berakhir' } } });
    expect((await readSettings(desk.db)).whatsapp).toEqual({
      transport: 'cloud',
      perMinute: 6,
      perDay: 50,
      cloud: { phoneNumberId: '106540352242922', apiVersion: 'v23.0', templates: { ended: 'paket_berakhir' } },
    });
  });

  test.each<[SettingsSection, Record<string, unknown>, RegExp]>([
    ['company', { phone: 'call me' }, /^phone "call me" is not usable; give the number of customer service/],
    ['company', { zone: 'WIB' }, /^zone "WIB" is not usable; give a zone of the tz database/],
    ['company', { name: 'a\nb' }, /^name "a\\nb" is not usable/],
    ['reminders', { endingSoonHours: '0' }, /^endingSoonHours "0" is not usable; give whole hours from 1 to 168/],
    ['reminders', { quotaShares: '80,101' }, /^quotaShares "80,101" is not usable/],
    ['reminders', { quietFrom: '24:00' }, /^quietFrom "24:00" is not usable; give a time of the day/],
    ['reminders', { quietFrom: '', quietTo: '07:00' }, /^quietFrom and quietTo go together/],
    ['reminders', { quietFrom: '21:00', quietTo: '' }, /^quietFrom and quietTo go together/],
    ['reminders', { quietFrom: '07:00' }, /^quietTo is the same as quietFrom/],
    ['walledGarden', { hosts: 'app.midtrans.com; rm -rf' }, /^hosts "app\.midtrans\.com; rm -rf" is not usable/],
    ['walledGarden', { hosts: 'a.example"]' }, /is not usable; give host names/],
    ['whatsapp', { transport: 'sms' }, /^transport "sms" is not usable; give off, baileys/],
    ['whatsapp', { perMinute: '0' }, /^perMinute "0" is not usable/],
    ['whatsapp', { cloud: { templates: { ended: 'Not A Name' } } }, /^cloud .* is not usable; give of the Cloud API/],
  ])('%s %j is refused and nothing is saved', async (section, input, line) => {
    const before = await readSettings(desk.db);
    expect(await faults(saveSettings(desk, section, input))).toEqual([expect.stringMatching(line)]);
    expect(await readSettings(desk.db)).toEqual(before);
  });

  test.each(['quietFrom', 'quietTo'] as const)(
    'quiet hours are two times: clearing %s alone clears both, and giving it alone brings the other back',
    async (field) => {
      const quiet = async () => {
        const { quietFrom, quietTo } = (await readSettings(desk.db)).reminders;
        return { quietFrom, quietTo };
      };
      await saveSettings(desk, 'reminders', { quietFrom: '22:00', quietTo: '06:00' });
      const cleared = await saveSettings(desk, 'reminders', { [field]: '' });
      expect([...cleared.changed].sort()).toEqual(['quietFrom', 'quietTo']);
      expect(await quiet()).toEqual({ quietFrom: null, quietTo: null });
      await saveSettings(desk, 'reminders', { endingSoonHours: 24 });
      expect(await quiet()).toEqual({ quietFrom: null, quietTo: null });
      await saveSettings(desk, 'reminders', { [field]: '20:00' });
      expect(await quiet()).toEqual({ quietFrom: '21:00', quietTo: '07:00', [field]: '20:00' });
    },
  );

  test('what another version stored and we cannot use has its beginning value; the rest of the section stays', async () => {
    await desk.db.query(
      `insert into setting (key, value, changed_by) values
         ('reminders', '{"endingSoonHours": "soon", "quotaShares": [50], "colour": "red"}', 'x'), ('company', '7', 'x'), ('later', '{}', 'x')`,
    );
    const { reminders, company } = await readSettings(desk.db);
    expect(reminders).toEqual({ endingSoonHours: 24, quotaShares: [50], quietFrom: '21:00', quietTo: '07:00' });
    expect(company.name).toBe('Gerbang');
  });

  test('the page can say who changed what last, and the audit what it was', async () => {
    const rina = { ...desk, actor: 'staff:rina' };
    expect(await saveSettings(rina, 'company', { name: 'Maju Net', address: '' })).toMatchObject({ changed: ['name'] });
    expect(await saveSettings({ ...desk, actor: 'staff:x' }, 'company', { name: 'Maju Net' })).toMatchObject({
      changed: [],
    });
    expect((await settingChanges(desk.db)).get('company')).toEqual({ at: NOW, by: 'staff:rina' });
    const [row] = await desk.db.query<{ detail: object }>(`select detail from audit where actor = 'staff:rina'`);
    expect(row!.detail).toEqual({ section: 'company', before: { name: 'Gerbang' }, after: { name: 'Maju Net' } });
  });
});

describe('secret settings', () => {
  test('are sealed, read back, replaced and taken out; lists only know that they are set', async () => {
    expect(await readSecretSetting(desk.db, desk.sealer, 'whatsapp.cloud.token')).toBeNull();
    await setSecretSetting(desk, 'whatsapp.cloud.token', ' EAAG-one ');
    await setSecretSetting(desk, 'whatsapp.cloud.token', 'EAAG-two');
    expect(await readSecretSetting(desk.db, desk.sealer, 'whatsapp.cloud.token')).toBe('EAAG-two');
    expect((await settingChanges(desk.db)).get('whatsapp.cloud.token')).toEqual({ at: NOW, by: 'test' });
    const [row] = await desk.db.query<{ all: string }>(
      `select (select string_agg(a::text, ' ') from audit a) || (select string_agg(s::text, ' ') from sealed_setting s) as all`,
    );
    expect(row!.all).not.toContain('EAAG');
    expect(row!.all).not.toContain(Buffer.from('EAAG').toString('hex'));
    await setSecretSetting(desk, 'whatsapp.cloud.token', null);
    expect(await readSecretSetting(desk.db, desk.sealer, 'whatsapp.cloud.token')).toBeNull();
    expect((await settingChanges(desk.db)).has('whatsapp.cloud.token')).toBe(false);
  });

  test('moved to another key they do not open', async () => {
    await setSecretSetting(desk, 'whatsapp.cloud.token', 'EAAG');
    await desk.db.query(`update sealed_setting set key = 'whatsapp.cloud.app-secret'`);
    await expect(readSecretSetting(desk.db, desk.sealer, 'whatsapp.cloud.app-secret')).rejects.toThrow(
      /belong to another row/,
    );
  });

  test('a wrong one is refused without being repeated', async () => {
    const lines = await faults(setSecretSetting(desk, 'whatsapp.cloud.token', 'two words'));
    expect(lines).toEqual([expect.stringMatching(/^secret \(not shown\) is not usable/)]);
    expect(await faults(setSecretSetting(desk, 'no.such.key' as never, 'x'))).toHaveLength(1);
  });
});

describe('a change of the master key', () => {
  test('no sealed column of the schema is forgotten', async () => {
    const columns = await desk.db.query<{ name: string }>(
      `select table_name || '.' || column_name as name from information_schema.columns
        where table_schema = 'public' and column_name like '%\\_sealed' order by name`,
    );
    expect(columns.length).toBeGreaterThan(5);
    expect(PLACES.map(({ table, column }) => `${table}.${column}`).sort()).toEqual(
      columns.map(({ name }) => name).sort(),
    );
  });

  test('every place is sealed anew under its own binding, more rows than one batch, and empty ones are left alone', async () => {
    const { db, sealer } = desk;
    await db.query(
      `insert into subscriber (id, username, password_sealed) overriding system value values (1, 'budi', $1)`,
      [sealer.seal('x', 'subscriber.password_sealed:1')],
    );
    await db.query(
      `insert into nas (id, name, address, secret_sealed, api_password_sealed) overriding system value
       values (1, 'with', '10.0.0.1', $1, $2), (2, 'without', '10.0.0.2', $3, null)`,
      [
        sealer.seal('s', 'nas.secret_sealed:1'),
        sealer.seal('api-pw', nasApiPasswordAad(1)),
        sealer.seal('s', 'nas.secret_sealed:2'),
      ],
    );
    await db.query(`insert into portal_account (subscriber_id, pin_sealed) values (1, $1)`, [
      sealer.seal('pin', 'portal_account.pin_sealed:1'),
    ]);
    await db.query(
      `insert into staff (id, username, password_hash, role, totp_sealed) overriding system value
       values (1, 'a', 'x', 'owner', $1), (2, 'b', 'x', 'owner', null)`,
      [sealer.seal('totp', 'staff.totp_sealed:1')],
    );
    await db.query(
      `insert into message (id, phone, notice, body_sealed, queued_at, due_at, expires_at) overriding system value
       values (1, '628123456789', 'ended', $1, now(), now(), now()), (2, '628123456789', 'ended', '', now(), now(), now())`,
      [sealer.seal('body', 'message.body_sealed:1')],
    );
    const said = { gateway: 'midtrans', receivedAt: NOW, source: null, orderId: 'A-1', status: 'paid' } as const;
    await storeEvents(db, sealer, [{ ...said, raw: Buffer.from('{}') }]);
    await setSecretSetting(desk, 'whatsapp.cloud.token', 'EAAG');
    const ids = Array.from({ length: 1_500 }, (_, i) => `key:${i}`);
    await db.query(
      `insert into whatsapp_auth (kind, id, value_sealed) select * from unnest($1::text[], $2::text[], $3::bytea[])`,
      [
        ids.map((_, i) => (i % 2 === 0 ? 'pre-key' : 'session')),
        ids,
        ids.map((id, i) => sealer.seal(id, whatsAppAuthAad(i % 2 === 0 ? 'pre-key' : 'session', id))),
      ],
    );

    const { resealed } = await rotateSecrets(desk, desk.masterKeyFile);
    expect(resealed).toBe(9 + 1_500);
    const fresh = loadMasterKey(desk.masterKeyFile);
    expect(await sealedOtherwise(db, fresh)).toBe(0);
    expect(await readSecretSetting(db, fresh, 'whatsapp.cloud.token')).toBe('EAAG');
    expect(await rawEventsOf(db, fresh, 'midtrans', 'A-1')).toEqual([Buffer.from('{}')]);
    const one = async (sql: string) => (await db.query<{ sealed: Buffer }>(sql))[0]!.sealed;
    expect(
      fresh.open(await one('select api_password_sealed as sealed from nas where id = 1'), nasApiPasswordAad(1)),
    ).toBe('api-pw');
    expect(fresh.open(await one('select totp_sealed as sealed from staff where id = 1'), 'staff.totp_sealed:1')).toBe(
      'totp',
    );
    expect(
      fresh.open(await one('select pin_sealed as sealed from portal_account'), 'portal_account.pin_sealed:1'),
    ).toBe('pin');
    expect(
      fresh.open(await one('select body_sealed as sealed from message where id = 1'), 'message.body_sealed:1'),
    ).toBe('body');
    for (const row of await db.query<{ kind: string; id: string; sealed: Buffer }>(
      'select kind, id, value_sealed as sealed from whatsapp_auth',
    )) {
      expect(fresh.open(row.sealed, whatsAppAuthAad(row.kind, row.id))).toBe(row.id);
    }
  });
});

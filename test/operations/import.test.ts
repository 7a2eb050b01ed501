import { beforeAll, describe, expect, test } from 'vitest';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import { importSubscribers } from '#operations/import-subscribers';
import { loadEntries } from '#storage/facts';
import { countSubscribers, findSubscriber } from '#storage/subscribers';
import { faults, PLAN, type TestDesk, testDesk } from '#test/operations/desk';

const HEADER = 'username,password,name,phone,billing,plan,covered_until,static_ip,mac';
const ALL_COLUMNS = `${HEADER},access,nas,addresses,address,notes,tags,language`;

let desk: TestDesk;
beforeAll(async () => {
  desk = await testDesk();
  await addPlan(desk, PLAN);
  await addSubscriber(desk, { username: 'taken', password: 'x', staticIp: '100.64.0.9' });
});

const entryOf = async (username: string) => {
  const found = await findSubscriber(desk.db, username);
  return (await loadEntries(desk.db, desk.sealer, [found!.id]))[0]!;
};

describe('importing subscribers', () => {
  test('a full row becomes a subscriber who may dial, with a grant up to the end of the day that is written', async () => {
    const row =
      'budi,rahasia,"Santoso, Budi",0812-3456-7890,postpaid,prepaid-20mbps,2026-12-31,100.64.0.7,aa-bb-cc-dd-ee-01';
    expect(await importSubscribers(desk, `${HEADER}\n${row}\n`)).toEqual({ subscribers: 1, grants: 1 });
    const { facts, password, line } = await entryOf('budi');
    expect(password).toBe('rahasia');
    expect(line).toMatchObject({ staticIp: '100.64.0.7', mac: 'AA:BB:CC:DD:EE:01' });
    expect(facts.billing).toBe('postpaid');
    expect(facts.grants.map((grant) => new Date(grant.until).toISOString())).toEqual(['2026-12-31T17:00:00.000Z']);
    expect(await findSubscriber(desk.db, 'budi')).toMatchObject({ name: 'Santoso, Budi', phone: '081234567890' });
  });

  test('only the user name and password must be there, and columns come in any order', async () => {
    await importSubscribers(desk, 'password,username\npw,sari\n');
    expect((await entryOf('sari')).facts).toMatchObject({ billing: 'prepaid', grants: [] });
  });

  test('a cover that has ended already is kept, so that the subscriber reads "expired"', async () => {
    await importSubscribers(desk, `${HEADER}\nlama,pw,,,,prepaid-20mbps,2026-11-01T00:00Z,,\n`);
    const [grant] = (await entryOf('lama')).facts.grants;
    expect(grant!.until).toBe(Date.parse('2026-11-01T00:00Z'));
  });

  test('every bad line is named with its reason, and nothing is changed', async () => {
    const before = await countSubscribers(desk.db);
    const file = [
      HEADER,
      'good,pw,,,,,,,',
      ',pw,,,,,,,',
      'nopassword,,,,,,,,',
      'good,pw,,,,,,,',
      'taken,pw,,,,,,,',
      'badip,pw,,,,,,300.1.1.1,',
      'sameip1,pw,,,,,,100.64.0.50,',
      'sameip2,pw,,,,,,100.64.0.50,',
      'takenip,pw,,,,,,100.64.0.9,',
      'badmac,pw,,,,,,,ZZ:00:00:00:00:00',
      'badplan,pw,,,,no-such-plan,,,',
      'noplan,pw,,,,,2026-12-31,,',
      'baddate,pw,,,,prepaid-20mbps,31/12/2026,,',
      'badbilling,pw,,,monthly,,,,',
      'badphone,pw,,call me,,,,,',
      'few,pw',
    ].join('\n');
    const lines = await faults(importSubscribers(desk, file));
    expect(lines).toEqual([
      'line 3: username: missing; give the PPPoE user name as the router sends it, at most 253 octets, for example budi.santoso',
      'line 4: password: missing; give the PPPoE password, 1 to 128 octets, for example Rumah-77-hijau',
      'line 5: username "good" is on line 2 already',
      'line 6: username "taken" is taken already',
      'line 7: static_ip "300.1.1.1" is not usable; give one IPv4 address that a subscriber can have, for example 100.64.10.7',
      'line 9: static_ip "100.64.0.50" is on line 8 already',
      'line 10: static_ip 100.64.0.9 belongs to taken already',
      'line 11: mac "ZZ:00:00:00:00:00" is not usable; give a MAC address, for example AA:BB:CC:DD:EE:FF',
      'line 12: there is no plan "no-such-plan"; there are: prepaid-20mbps',
      'line 13: covered_until without a plan: say in the column plan what the subscriber is covered by',
      'line 14: covered_until "31/12/2026" is not usable; give an ISO time with its offset, or a date (to the end of that day in Asia/Jakarta), for example 2026-12-31T18:00+07:00',
      'line 15: billing "monthly" is not usable; give prepaid or postpaid',
      'line 16: phone "call me" is not usable; give a telephone number of 6 to 15 digits, for example +6281234567890',
      'line 17: 2 fields where the header has 9; a comma inside a field needs quotes around the field',
    ]);
    expect(await countSubscribers(desk.db)).toBe(before);
  });

  test.each([
    ['', 'line 1: the file is empty; its first line has to be '],
    ['username;password\na;b\n', 'line 1: the columns are separated by ";": save the file with commas; the header is '],
    ['username,sandi\n', 'line 1: there is no column "sandi"; the header is '],
    ['name\n', 'line 1: the column username is missing; the header is '],
  ])('a wrong header is said: %j', async (file, line) => {
    expect((await faults(importSubscribers(desk, file)))[0]).toBe(`${line}${ALL_COLUMNS}`);
  });

  test('a password never comes back in a message', async () => {
    const secret = `canary-${'x'.repeat(200)}`;
    const lines = await faults(importSubscribers(desk, `username,password\nlong,${secret}\n`));
    expect(lines).toHaveLength(1);
    expect(lines.join()).not.toContain('canary');
  });

  test('thousands are marked for the directories and the loop in the same commit', async () => {
    const rows = Array.from({ length: 5_000 }, (_, at) => `bulk${at},pw${at},,,,prepaid-20mbps,2026-12-31,,`);
    await importSubscribers(desk, [HEADER, ...rows].join('\n'));
    const [row] = await desk.db.query<{ due: number; feed: number }>(
      `select (select count(*) from due join subscriber on id = subscriber_id where username like 'bulk%')::int as due,
              (select count(*) from change join subscriber on id = key where username like 'bulk%')::int as feed`,
    );
    expect(row).toEqual({ due: 5_000, feed: 5_000 });
  });
});

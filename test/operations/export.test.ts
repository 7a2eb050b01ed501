import { beforeAll, expect, test } from 'vitest';
import { addGrant } from '#operations/add-grant';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import { readCsv, writeCsv } from '#operations/csv';
import { exportSubscribers } from '#operations/export-subscribers';
import { IMPORT_COLUMNS } from '#operations/import-file';
import { importSubscribers } from '#operations/import-subscribers';
import { revokeGrant } from '#operations/revoke-grant';
import { suspend } from '#operations/suspend';
import { PLAN, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;
let csv: string;
beforeAll(async () => {
  desk = await testDesk();
  await addPlan(desk, PLAN);
  const budi = { username: 'budi', password: 'canary', name: '=HYPERLINK("http://x")', phone: '+6281234567890' };
  await addSubscriber(desk, {
    ...budi,
    mac: 'aabbccddee01',
    staticIp: '100.64.0.7',
    notes: 'roof;\n=1+1',
    tags: ['a', 'b'],
  });
  await addSubscriber(desk, { username: 'sari', password: 'canary' });
  await addGrant(desk, { username: 'budi', plan: PLAN.name, until: '2026-11-30' });
  await addGrant(desk, { username: 'budi', plan: PLAN.name, until: '2026-12-31' });
  const { id } = await addGrant(desk, { username: 'budi', plan: PLAN.name, until: '2027-12-31' });
  await revokeGrant(desk, { username: 'budi', grant: id });
  await suspend(desk, 'sari');
  csv = await whole(exportSubscribers(desk));
});

async function whole(pieces: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const piece of pieces) text += piece;
  return text;
}

const rowsOf = (text: string) => {
  const [head, ...records] = [...readCsv(text)].map(({ fields }) => fields);
  return records.map((fields) => Object.fromEntries(head!.map((column, at) => [column, fields[at]!])));
};

test('every subscriber is in the file with what is known, and no password', () => {
  const [budi, sari] = rowsOf(csv);
  expect(budi).toMatchObject({
    username: 'budi',
    name: '=HYPERLINK("http://x")',
    phone: '+6281234567890',
    billing: 'prepaid',
    plan: PLAN.name,
    covered_until: '2026-12-31T17:00:00.000Z',
    static_ip: '100.64.0.7',
    mac: 'AA:BB:CC:DD:EE:01',
    access: 'pppoe',
    tags: 'a b',
    notes: 'roof;\n=1+1',
    suspended_since: '',
  });
  expect(sari).toMatchObject({
    username: 'sari',
    plan: '',
    covered_until: '',
    suspended_since: '2026-11-21T02:00:00.000Z',
  });
  expect(csv).not.toContain('canary');
});

test('a hostile name is no formula in it', () => {
  expect(csv).toContain(`"'=HYPERLINK(""http://x"")"`);
  expect(csv).toContain(`\n'=1+1"`);
});

test('a list longer than one statement takes is whole', async () => {
  const big = await testDesk();
  const usernames = Array.from({ length: 4_100 }, (_, at) => `bulk${at}`);
  await importSubscribers(
    big,
    writeCsv(
      ['username', 'password'],
      usernames.map((username) => [username, 'x']),
    ),
  );
  expect(rowsOf(await whole(exportSubscribers(big))).map((row) => row.username)).toEqual(usernames);
});

test('with passwords put in, it imports into another company as it was', async () => {
  const other = await testDesk();
  await addPlan(other, PLAN);
  const known: readonly string[] = IMPORT_COLUMNS;
  const rows = rowsOf(csv).map((row): Record<string, string> => ({ ...row, password: 'new' }));
  const columns = Object.keys(rows[0]!).filter((column) => known.includes(column));
  await importSubscribers(
    other,
    writeCsv(
      columns,
      rows.map((row) => columns.map((column) => row[column]!)),
    ),
  );
  const again = rowsOf(await whole(exportSubscribers(other)));
  const same = (row: Record<string, string>) =>
    columns.filter((column) => column !== 'password').map((column) => row[column]);
  expect(again.map(same)).toEqual(rows.map(same));
});

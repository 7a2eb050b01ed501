import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { addNas } from '#operations/add-nas';
import { addPlan } from '#operations/add-plan';
import { addSubscriber } from '#operations/add-subscriber';
import { editSubscriber } from '#operations/edit-subscriber';
import { importSubscribers } from '#operations/import-subscribers';
import { overlaps } from '#operations/ipv4-blocks';
import { subscriberEdit } from '#policy-server/cli/subscriber';
import { readConfig } from '#policy-server/config';
import { loadEntries } from '#storage/facts';
import { subscriberProfile } from '#storage/subscriber-profile';
import { findSubscriber } from '#storage/subscribers';
import { faults, PLAN, type TestDesk, testDesk } from '#test/operations/desk';

let desk: TestDesk;
let next = 0;
beforeAll(async () => {
  desk = await testDesk();
  await addPlan(desk, PLAN);
  await addNas(desk, { name: 'north', address: '10.20.0.1', secret: 'generate' });
  await addNas(desk, { name: 'south', address: '10.20.0.2', secret: 'generate' });
});

const dialer = (more: object = {}) => {
  next += 1;
  return addSubscriber(desk, { username: `dial${next}`, password: 'rahasia-lama', ...more });
};
const line = (addresses: readonly string[], more: object = {}) => {
  next += 1;
  return addSubscriber(desk, { username: `line${next}`, access: 'static', nas: 'north', addresses, ...more });
};
const profile = async (id: number) => (await subscriberProfile(desk.db, id))!;
const addressesOf = async (id: number) =>
  (await profile(id)).staticAddresses.filter((one) => !one.removed).map((one) => one.address);
const entryOf = async (id: number) => (await loadEntries(desk.db, desk.sealer, [id]))[0]!;
const passwordOf = async (id: number) => (await entryOf(id)).password;
const audits = (id: number) =>
  desk.db.query<{ why: string; detail: Record<string, unknown> }>(
    'select why, detail from audit where subscriber_id = $1 order by id',
    [id],
  );

describe('adding a subscriber', () => {
  test('all that is known of one is kept and shown again', async () => {
    const { id } = await dialer({
      name: 'Budi',
      phone: '0812-3456-7890',
      address: 'Jl. Melati 7',
      notes: 'roof\r\nladder',
      tags: ['village-a', 'fiber', 'village-a'],
      language: 'en',
      billing: 'postpaid',
      sessionLimit: '2',
      mac: 'aabbccddee01',
    });
    expect(await profile(id)).toMatchObject({
      name: 'Budi',
      phone: '081234567890',
      address: 'Jl. Melati 7',
      notes: 'roof\nladder',
      tags: ['village-a', 'fiber'],
      language: 'en',
      billing: 'postpaid',
      access: 'pppoe',
      sessionLimit: 2,
      mac: 'AA:BB:CC:DD:EE:01',
      nas: null,
      staticAddresses: [],
      portalId: null,
      portalAccount: null,
      standingMove: null,
    });
    expect((await entryOf(id)).facts.tags).toEqual(['village-a', 'fiber']);
  });

  test('nobody has the number of nobody', async () => {
    expect(await subscriberProfile(desk.db, 999_999)).toBeNull();
  });

  test('a static line has its router and its addresses, and a password that nobody needed to think of', async () => {
    const { id } = await line(['10.30.0.9', '10.30.0.0/29', '10.30.0.10/32']);
    expect(await profile(id)).toMatchObject({ access: 'static', nas: { name: 'north' } });
    expect(await addressesOf(id)).toEqual(['10.30.0.0/29', '10.30.0.9', '10.30.0.10']);
    expect(await passwordOf(id)).toMatch(/^[A-Za-z2-9]{24}$/);
    const other = await line(['10.30.0.11']);
    expect(await passwordOf(other.id)).not.toBe(await passwordOf(id));
  });

  test.each([
    ['10.31.0.5', '10.31.0.5', '10.31.0.5'],
    ['10.31.1.0/28', '10.31.1.7', '10.31.1.7'],
    ['10.31.2.7', '10.31.2.0/28', '10.31.2.0/28'],
  ])('where one line has %s another cannot have %s', async (held, wanted, named) => {
    const { username } = await line([held]);
    expect(await faults(line([wanted]))).toEqual([`addresses: ${named} belongs to the line of ${username}`]);
  });

  test('what one line gave up, another may have', async () => {
    const { id } = await line(['10.32.0.1', '10.32.0.2']);
    await editSubscriber(desk, { id, addresses: ['10.32.0.2'] });
    const { id: other } = await line(['10.32.0.1']);
    expect(await addressesOf(other)).toEqual(['10.32.0.1']);
  });

  test.each([
    [{ access: 'static', addresses: ['10.33.0.1'] }, ['nas: missing; give the router of a static line']],
    [{ access: 'static', nas: 'north' }, ['addresses: missing; give ']],
    [{ access: 'static', nas: 'north', addresses: [] }, ['addresses [] is not usable; give ']],
    [{ access: 'static', nas: 'west', addresses: ['10.33.0.1'] }, ['there is no NAS "west"; there are: north, south']],
    [
      { access: 'static', nas: 'north', addresses: ['10.33.0.1'], staticIp: '10.33.0.2' },
      ['staticIp: only a PPPoE line has one'],
    ],
    [
      { access: 'static', nas: 'north', addresses: ['10.33.0.0/30', '10.33.0.2'] },
      ['addresses: 10.33.0.2 and 10.33.0.0/30 overlap'],
    ],
    [{ password: 'x', nas: 'north' }, ['nas: only a static line has one']],
    [{ password: 'x', addresses: ['10.33.0.1'] }, ['addresses: only a static line has them']],
    [{ phone: 'none', language: 'jv' }, ['phone "none"', 'language "jv"', 'password: missing; give ']],
    [{ password: 'x', tags: ['two words'] }, ['tags ["two words"]']],
    [{ password: 'x', notes: 'bell \u0007' }, ['notes ']],
    [{ access: 'wifi', password: 'x' }, ['access "wifi"']],
  ])('what does not fit is said: %j', async (input, lines) => {
    const said = await faults(addSubscriber(desk, { username: 'wrong', ...input }));
    expect(said).toEqual(lines.map((part) => expect.stringContaining(part)));
    expect(await findSubscriber(desk.db, 'wrong')).toBeNull();
  });

  test.each([
    '0.0.0.1',
    '127.0.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '10.0.0.0/23',
    '10.0.0.1/24',
    '10.0.0.1/33',
    '10.0.0',
    '::1',
    '10.0.0.0/24/24',
    '10.0.0.0/',
  ])('%s is no address of a line', async (address) => {
    expect(await faults(line([address]))).toHaveLength(1);
  });

  test('of a list of blocks, whatever overlaps is found, and nothing else', () => {
    const blocks = fc.array(
      fc.record({ bits: fc.constantFrom(24, 28, 30, 32), at: fc.integer({ min: 0, max: 1023 }) }),
      { maxLength: 12 },
    );
    const spanOf = ({ bits, at }: { bits: number; at: number }) => {
      const size = 2 ** (32 - bits);
      const first = Math.floor(at / size) * size;
      return { first, last: first + size - 1, text: `10.0.${first >> 8}.${first & 255}/${bits}` };
    };
    fc.assert(
      fc.property(blocks, (given) => {
        const spans = given.map(spanOf);
        const inOrder = spans.toSorted((one, other) => one.first - other.first);
        const late = inOrder.filter((one, at) => inOrder.slice(0, at).some((other) => one.first <= other.last));
        const found = overlaps(spans.map(({ text }, by) => ({ address: text, by })));
        expect(found).toHaveLength(late.length);
        for (const { by, withBy } of found) {
          expect(spans[by]!.first <= spans[withBy]!.last && spans[withBy]!.first <= spans[by]!.last).toBe(true);
        }
      }),
    );
  });
});

describe('editing a subscriber', () => {
  test('only what is given changes; the audit has before and after, and enforcement looks', async () => {
    const { id, username } = await dialer({ name: 'Budi', phone: '081234567890', tags: ['a'] });
    await desk.db.execute('delete from due where subscriber_id = $1', [id]);
    const edited = await editSubscriber(desk, { id, phone: null, tags: ['a', 'b'], name: 'Budi', sessionLimit: 3 });
    expect([...edited.changed].sort()).toEqual(['phone', 'sessionLimit', 'tags']);
    expect(await profile(id)).toMatchObject({ name: 'Budi', phone: null, tags: ['a', 'b'], sessionLimit: 3 });
    expect((await audits(id)).at(-1)).toEqual({
      why: 'edit subscriber',
      detail: {
        username,
        changes: {
          phone: { before: '081234567890', after: null },
          sessionLimit: { before: 1, after: 3 },
          tags: { before: ['a'], after: ['a', 'b'] },
        },
      },
    });
    const due = await desk.db.query('select from due where subscriber_id = $1', [id]);
    expect(due).toHaveLength(1);
  });

  test('a form that is sent back unchanged changes nothing and leaves no trace', async () => {
    const { id, username } = await dialer({ name: 'Sari' });
    const before = (await audits(id)).length;
    const same = { id, username, name: 'Sari', password: 'rahasia-lama', tags: [], notes: '', mac: null };
    expect(await editSubscriber(desk, same)).toEqual({ changed: [] });
    expect(await audits(id)).toHaveLength(before);
  });

  test('a new password dials, and no audit row holds either', async () => {
    const { id } = await dialer();
    expect(await editSubscriber(desk, { id, password: 'rahasia-baru' })).toEqual({ changed: ['password'] });
    expect(await passwordOf(id)).toBe('rahasia-baru');
    expect(JSON.stringify(await audits(id))).not.toContain('rahasia');
  });

  test('a password that does not open any more is mended by a new one', async () => {
    const { id } = await dialer();
    const other = await dialer();
    await desk.db.execute(
      'update subscriber set password_sealed = (select password_sealed from subscriber where id = $2) where id = $1',
      [id, other.id],
    );
    await editSubscriber(desk, { id, password: 'rahasia-lama' });
    expect(await passwordOf(id)).toBe('rahasia-lama');
  });

  test('a static line moves to another router with its addresses', async () => {
    const { id } = await line(['10.40.0.1', '10.40.0.8/29']);
    expect(await editSubscriber(desk, { id, nas: 'south' })).toEqual({ changed: ['nas'] });
    expect(await profile(id)).toMatchObject({ nas: { name: 'south' } });
    expect(await addressesOf(id)).toEqual(['10.40.0.1', '10.40.0.8/29']);
    expect((await audits(id)).at(-1)!.detail).toMatchObject({ changes: { nas: { before: 'north', after: 'south' } } });
    const on = await desk.db.query(
      `select from static_address join nas on nas.id = nas_id where subscriber_id = $1 and nas.name = 'south' and removed_at is null`,
      [id],
    );
    expect(on).toHaveLength(2);
  });

  test('an address of another line is refused by name, and nothing else of the edit is done', async () => {
    const { username } = await line(['10.41.0.1']);
    const { id } = await line(['10.41.0.2'], { name: 'Tono' });
    const wanted = editSubscriber(desk, { id, name: 'Other', addresses: ['10.41.0.2', '10.41.0.1'] });
    expect(await faults(wanted)).toEqual([`addresses: 10.41.0.1 belongs to the line of ${username}`]);
    expect(await profile(id)).toMatchObject({ name: 'Tono' });
    expect(await addressesOf(id)).toEqual(['10.41.0.2']);
  });

  test.each([
    [{ addresses: ['10.42.0.1'] }, /^addresses: dial\d+ is a PPPoE line$/],
    [{ nas: 'north' }, /^nas: dial\d+ is a PPPoE line$/],
    [{ username: '' }, /^username: missing; give /],
    [{ sessionLimit: 0 }, /^sessionLimit 0 is not usable; give /],
  ])('what does not fit a PPPoE line is said: %j', async (input, said) => {
    const { id } = await dialer();
    const lines = await faults(editSubscriber(desk, { id, ...input }));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(said);
  });

  test('a user name or an address that is taken is said, and nobody of that number', async () => {
    const one = await dialer({ staticIp: '100.64.1.1' });
    const { id } = await dialer();
    expect(await faults(editSubscriber(desk, { id, username: one.username }))).toEqual([
      `username "${one.username}" is taken; see: explain ${one.username}`,
    ]);
    expect(await faults(editSubscriber(desk, { id, staticIp: '100.64.1.1' }))).toEqual([
      'staticIp 100.64.1.1 belongs to another subscriber; give another address',
    ]);
    expect(await faults(editSubscriber(desk, { id: 999_999, name: 'x' }))).toEqual([
      'there is no subscriber of number 999999',
    ]);
  });

  test('two edits at the same moment both count', async () => {
    const { id } = await dialer();
    await Promise.all([editSubscriber(desk, { id, name: 'Baru' }), editSubscriber(desk, { id, address: 'Jl. Baru' })]);
    expect(await profile(id)).toMatchObject({ name: 'Baru', address: 'Jl. Baru' });
  });

  test('the command takes away what is given empty', async () => {
    const { id, username } = await dialer({ phone: '081234567890', tags: ['x'] });
    const office = { ...desk, config: readConfig({}) };
    const { text } = await subscriberEdit.run(office, {
      words: [username],
      options: { phone: '', tags: '', name: 'Ani' },
    });
    expect(text).toBe(`${username}: changed name, phone, tags.`);
    expect(await profile(id)).toMatchObject({ name: 'Ani', phone: null, tags: [] });
  });
});

describe('importing static lines', () => {
  const HEADER = 'username,password,access,nas,addresses,address,notes,tags,language';

  test('a row becomes a line with its addresses, tags and all', async () => {
    await importSubscribers(desk, `${HEADER}\nimp1,,static,north,10.50.0.1 10.50.0.8/29,"Jl. Mawar, 2",roof,a b,en\n`);
    const found = await findSubscriber(desk.db, 'imp1');
    expect(await profile(found!.id)).toMatchObject({
      access: 'static',
      nas: { name: 'north' },
      address: 'Jl. Mawar, 2',
      notes: 'roof',
      tags: ['a', 'b'],
      language: 'en',
      createdAt: expect.any(Number),
    });
    expect(await addressesOf(found!.id)).toEqual(['10.50.0.1', '10.50.0.8/29']);
    expect(await passwordOf(found!.id)).toMatch(/^[A-Za-z2-9]{24}$/);
  });

  test('every bad line is named, and nothing is changed', async () => {
    const { username } = await line(['10.51.0.1']);
    const file = [
      HEADER,
      'imp2,,static,north,10.51.1.0/30,,,,',
      'imp3,,static,north,10.51.1.2,,,,',
      'imp4,,static,north,10.51.0.0/24,,,,',
      'imp5,,static,west,10.52.0.1,,,,',
      'imp6,,static,,,,,,',
      'imp7,pw,pppoe,north,10.53.0.1,,,,',
      'imp8,,,,,,,,',
      'imp9,,static,north,10.54.0.1 300.1.1.1,,,,',
    ].join('\n');
    expect(await faults(importSubscribers(desk, file))).toEqual([
      'line 3: addresses: 10.51.1.2 overlaps with 10.51.1.0/30 of line 2',
      `line 4: addresses: 10.51.0.0/24 belongs to the line of ${username} already`,
      'line 5: there is no NAS "west"; there are: north, south',
      expect.stringMatching(/^line 6: nas: missing; give the router of a static line/),
      expect.stringMatching(/^line 6: addresses: missing; give /),
      expect.stringMatching(/^line 7: nas: only a static line has one/),
      expect.stringMatching(/^line 7: addresses: only a static line has them/),
      expect.stringMatching(/^line 8: password: missing; give the PPPoE password/),
      expect.stringMatching(/^line 9: addresses "10.54.0.1 300.1.1.1" is not usable/),
    ]);
    expect(await findSubscriber(desk.db, 'imp2')).toBeNull();
  });

  test('thousands of lines go in at once', async () => {
    const rows = Array.from({ length: 3_000 }, (_, at) => `many${at},,static,south,10.60.${at >> 8}.${at & 255},,,,`);
    expect(await importSubscribers(desk, [HEADER, ...rows].join('\n'))).toEqual({ subscribers: 3_000, grants: 0 });
    const [row] = await desk.db.query<{ count: number }>(
      `select count(*) as count from static_address join subscriber on subscriber.id = subscriber_id where username like 'many%'`,
    );
    expect(row!.count).toBe(3_000);
  });
});

import { beforeAll, describe, expect, test } from 'vitest';
import { addNas } from '#operations/add-nas';
import { addSubscriber } from '#operations/add-subscriber';
import { editSubscriber } from '#operations/edit-subscriber';
import { importSubscribers, previewImport } from '#operations/import-subscribers';
import { faults, type TestDesk, testDesk } from '#test/operations/desk';

/** An address is one line's: be it given to a PPPoE line when it dials, or routed to a static one. */

let desk: TestDesk;
let next = 0;
beforeAll(async () => {
  desk = await testDesk();
  await addNas(desk, { name: 'north', address: '10.20.0.1', secret: 'generate' });
});

const name = (kind: string) => {
  next += 1;
  return `${kind}${next}`;
};
const dialer = (staticIp: string | null) =>
  addSubscriber(desk, { username: name('dial'), password: 'rahasia', staticIp });
const line = (...addresses: string[]) =>
  addSubscriber(desk, { username: name('line'), access: 'static', nas: 'north', addresses });

describe('the address of a PPPoE line and those of static lines', () => {
  test.each([
    ['10.40.0.5', '10.40.0.5'],
    ['10.40.1.0/29', '10.40.1.7'],
  ])('where a static line has %s no PPPoE line can have %s', async (held, wanted) => {
    const { username } = await line(held);
    const refused = [`staticIp ${wanted} belongs to the line of ${username}; give another address`];
    expect(await faults(dialer(wanted))).toEqual(refused);
    const { id } = await dialer(null);
    expect(await faults(editSubscriber(desk, { id, staticIp: wanted }))).toEqual(refused);
    const file = `username,password,static_ip\n${name('row')},pw,${wanted}\n`;
    const inFile = [`line 2: static_ip ${wanted} belongs to the line of ${username} already`];
    expect((await previewImport(desk, file)).faults).toEqual(inFile);
    expect(await faults(importSubscribers(desk, file))).toEqual(inFile);
  });

  test.each([
    ['10.41.0.5', '10.41.0.5'],
    ['10.41.1.7', '10.41.1.0/29'],
    ['10.41.2.0', '10.41.2.0/29'],
    ['10.41.3.7', '10.41.3.0/29'],
  ])('where a PPPoE line has %s no static line can have %s', async (held, wanted) => {
    const { username } = await dialer(held);
    const refused = [`addresses: ${wanted} holds ${held}, which belongs to ${username}`];
    expect(await faults(line(wanted))).toEqual(refused);
    const { id } = await line(`10.42.${next}.1`);
    expect(await faults(editSubscriber(desk, { id, addresses: [wanted] }))).toEqual(refused);
    const file = `username,password,access,nas,addresses\n${name('row')},,static,north,${wanted}\n`;
    const inFile = [`line 2: addresses: ${wanted} holds ${held}, which belongs to ${username} already`];
    expect((await previewImport(desk, file)).faults).toEqual(inFile);
    expect(await faults(importSubscribers(desk, file))).toEqual(inFile);
  });

  test('what lies beside is free, and so is what a static line gave up', async () => {
    const { id } = await line('10.43.0.8/29', '10.43.1.1');
    await dialer('10.43.0.7');
    await dialer('10.43.0.16');
    await editSubscriber(desk, { id, addresses: ['10.43.0.8/29'] });
    await dialer('10.43.1.1');
    await line('10.43.0.0/30');
  });

  test('an edit that leaves its own addresses as they are is none of its business', async () => {
    const { id } = await dialer('10.44.0.1');
    expect(await editSubscriber(desk, { id, staticIp: '10.44.0.1', name: 'Budi' })).toEqual({ changed: ['name'] });
    const { id: fixed } = await line('10.44.1.0/30');
    expect(await editSubscriber(desk, { id: fixed, addresses: ['10.44.1.0/30'], name: 'Sari' })).toEqual({
      changed: ['name'],
    });
  });

  test('in one file they are set against each other too', async () => {
    const [dials, fixed] = [name('row'), name('row')];
    const file = [
      'username,password,access,nas,addresses,static_ip',
      `${dials},pw,,,,10.45.0.2`,
      `${fixed},,static,north,10.45.0.0/30,`,
    ].join('\n');
    const other = `${file.split('\n')[0]}\n${name('row')},,static,north,10.45.1.0/30,\n${name('row')},pw,,,,10.45.1.2\n`;
    expect((await previewImport(desk, other)).faults).toEqual([
      'line 3: static_ip: 10.45.1.2 overlaps with 10.45.1.0/30 of line 2',
    ]);
    expect((await previewImport(desk, file)).faults).toEqual([
      'line 3: addresses: 10.45.0.2 overlaps with 10.45.0.0/30 of line 2',
    ]);
  });

  test('at the same moment only one of the two gets it', async () => {
    for (let round = 0; round < 5; round += 1) {
      const address = `10.46.${round}.9`;
      const done = await Promise.allSettled([dialer(address), line(`10.46.${round}.8/30`)]);
      expect(done.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    }
  });
});

describe('an IPv6 address', () => {
  test.each([
    ['a PPPoE line', () => dialer('2001:db8::1'), /^staticIp "2001:db8::1" is not usable; give one IPv4 address/],
    ['a static line', () => line('2001:db8::1'), /^addresses \["2001:db8::1"\] is not usable; give the IPv4 addresses/],
    ['a static line, as a block', () => line('2001:db8::/64'), /is not usable; give the IPv4 addresses/],
    [
      'a row of a file',
      () => importSubscribers(desk, 'username,password,access,nas,addresses\nsix,,static,north,2001:db8::1\n'),
      /^line 2: addresses .*is not usable; give the IPv4 addresses/,
    ],
  ])('is refused for %s in one line that says what is meant', async (_of, work, said) => {
    expect(await faults(work())).toEqual([expect.stringMatching(said)]);
  });
});

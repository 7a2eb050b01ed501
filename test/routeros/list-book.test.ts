import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { type Connection, connectRouterOs } from '#integrations/routeros/client';
import { ListBook } from '#integrations/routeros/list-book';
import { compare } from '#integrations/routeros/look';
import { SecretText } from '#storage/secrets';
import type { StaticAddress } from '#storage/static-addresses';
import { type RouterOsApi, startRouterOsApi } from '#test/world/routeros-api';

const ACTIVE = 'prepaid-active';
const WALLED = 'prepaid-no-package';
const OURS = '0badcafe';
const THEIRS = 'deadbeef';
const open: { router: RouterOsApi; connection: Connection }[] = [];

afterEach(async () => {
  for (const { router, connection } of open.splice(0)) {
    connection.close();
    await router.stop();
  }
});

async function start(
  version = '7.20',
): Promise<{ router: RouterOsApi; book: ListBook; second: (installation?: string) => Promise<ListBook> }> {
  const router = await startRouterOsApi({ user: 'u', password: 'p', version });
  const connect = async (installation = OURS) => {
    const address = { host: '127.0.0.1', port: router.port, user: 'u', password: new SecretText('p') };
    const connection = await connectRouterOs({ ...address, tls: 'off', fingerprint: null });
    open.push({ router, connection });
    return new ListBook(connection, installation);
  };
  return { router, book: await connect(), second: connect };
}

const mine = { subscriberId: 7, address: '10.0.0.7', isNew: false };

/** What the router was told to change, without the menu. */
const changes = (router: RouterOsApi): string[] =>
  router.commands
    .filter((c) => /address-list\/(add|set|remove)/.test(c))
    .map((c) => c.replace(/^.*address-list\//, ''));

describe('one address', () => {
  test('comes into its list with our tag, moves by one set, and goes', async () => {
    const { router, book } = await start();
    expect(await book.place({ ...mine, list: WALLED })).toEqual({ is: 'done', act: 'list-add', said: 'done' });
    expect(await book.place({ ...mine, list: ACTIVE })).toEqual({ is: 'done', act: 'list-move', said: 'done' });
    expect(router.lists()).toMatchObject([{ list: ACTIVE, address: '10.0.0.7', comment: `gerbang:${OURS}:7` }]);
    expect(await book.place({ ...mine, list: null })).toEqual({ is: 'done', act: 'list-remove', said: 'done' });
    expect(router.lists()).toEqual([]);
    expect(changes(router)).toEqual([
      `add =list=${WALLED} =address=10.0.0.7 =comment=gerbang:${OURS}:7`,
      `set =.id=*1 =list=${ACTIVE}`,
      'remove =.id=*1',
    ]);
  });

  test('that is as it should be is asked about and not touched', async () => {
    const { router, book, second } = await start('6.49');
    await book.place({ ...mine, list: ACTIVE });
    expect(await book.place({ ...mine, list: ACTIVE })).toMatchObject({ is: 'done', act: null });
    expect(await (await second()).place({ ...mine, list: ACTIVE })).toMatchObject({ is: 'done', act: null });
    expect(await book.place({ ...mine, subscriberId: 8, list: null })).toMatchObject({
      is: 'done',
      act: null,
    });
    expect(changes(router)).toHaveLength(1);
  });

  test('that is new is added without a question; where it is not, it is found all the same', async () => {
    const { router, book } = await start();
    await book.place({ ...mine, list: ACTIVE, isNew: true });
    expect(router.commands).toHaveLength(2);
    router.put({ list: ACTIVE, address: '10.0.0.9', comment: `gerbang:${OURS}:9 dari cadangan` });
    expect(await book.place({ subscriberId: 9, address: '10.0.0.9', list: ACTIVE, isNew: true })).toMatchObject({
      act: null,
    });
    expect(await book.place({ subscriberId: 9, address: '10.0.0.9', list: WALLED, isNew: false })).toMatchObject({
      act: 'list-move',
    });
    expect(router.listsOf('10.0.0.9')).toEqual([WALLED]);
  });

  test('of many that another node put in is not asked for one by one', async () => {
    const { router, book, second } = await start();
    const other = await second();
    const all = Array.from({ length: 300 }, (_, n) => ({ subscriberId: n + 1, address: `10.0.${n >> 8}.${n & 255}` }));
    await Promise.all(all.map((one) => other.place({ ...one, list: ACTIVE, isNew: true })));
    for (const one of all) await book.place({ ...one, list: WALLED, isNew: false });
    expect(router.lists().every(({ list }) => list === WALLED)).toBe(true);
    expect(router.commands.filter((command) => command.includes('/print')).length).toBeLessThan(60);
  });

  test('that somebody took away behind our back is made again', async () => {
    const { router, book } = await start();
    await book.place({ ...mine, list: ACTIVE });
    router.take(() => true);
    expect(await book.place({ ...mine, list: WALLED })).toMatchObject({ is: 'done', act: 'list-add' });
    router.take(() => true);
    expect(await book.place({ ...mine, list: WALLED })).toMatchObject({ is: 'done', act: 'list-add' });
    router.take(() => true);
    expect(await book.place({ ...mine, list: null })).toMatchObject({ is: 'done' });
    expect(router.lists()).toEqual([]);
  });

  test('that another node has put there is adopted, not doubled', async () => {
    const { router, book, second } = await start();
    await book.readAll();
    const other = await second();
    await other.place({ ...mine, list: ACTIVE });
    expect(await book.place({ ...mine, list: WALLED })).toMatchObject({ is: 'done', act: 'list-move' });
    expect(router.listsOf('10.0.0.7')).toEqual([WALLED]);
    await Promise.all([book.place({ ...mine, list: ACTIVE }), other.place({ ...mine, list: ACTIVE })]);
    expect(router.listsOf('10.0.0.7')).toEqual([ACTIVE]);
  });

  test('that two ask for at once is in the list of who asked last, and in no other', async () => {
    const { router, book } = await start();
    const asked = [ACTIVE, WALLED, ACTIVE, WALLED].map((list) => book.place({ ...mine, list, isNew: true }));
    expect((await Promise.all(asked)).map(({ act }) => act)).toEqual([
      'list-add',
      'list-move',
      'list-move',
      'list-move',
    ]);
    expect(router.listsOf('10.0.0.7')).toEqual([WALLED]);
  });

  test('that a technician has disabled is enabled again', async () => {
    const { router, book } = await start();
    router.put({ list: ACTIVE, address: '10.0.0.7', comment: `gerbang:${OURS}:7`, disabled: true });
    await book.readAll();
    expect(await book.place({ ...mine, list: ACTIVE })).toMatchObject({ is: 'done', act: 'list-move' });
    expect(router.listsOf('10.0.0.7')).toEqual([ACTIVE]);
  });

  test('of a line that had it before is taken over by one set', async () => {
    const { router, book } = await start();
    await book.place({ ...mine, list: ACTIVE });
    await book.place({ ...mine, subscriberId: 9, list: WALLED });
    expect(changes(router).slice(1)).toEqual([`set =.id=*1 =list=${WALLED} =comment=gerbang:${OURS}:9`]);
    expect(await book.place({ ...mine, list: null })).toMatchObject({ is: 'done', act: null });
    expect(router.lists()).toMatchObject([{ list: WALLED, comment: `gerbang:${OURS}:9` }]);
  });

  test('in two lists at once, of ours, stays in the wanted one only', async () => {
    const { router, book } = await start();
    router.put({ list: ACTIVE, address: '10.0.0.7', comment: `gerbang:${OURS}:7` });
    router.put({ list: WALLED, address: '10.0.0.7', comment: `gerbang:${OURS}:7` });
    await book.place({ ...mine, list: WALLED });
    expect(router.listsOf('10.0.0.7')).toEqual([WALLED]);
  });

  test('that the router will not take is refused in its words', async () => {
    const { router, book } = await start();
    await router.fault({ is: 'trap', on: '/ip/firewall/address-list/add', message: 'not enough permissions (9)' });
    expect(await book.place({ ...mine, list: ACTIVE })).toEqual({
      is: 'refused',
      act: 'list-add',
      said: 'not enough permissions (9)',
    });
  });
});

describe('what others have made', () => {
  const foreign = (router: RouterOsApi) =>
    router.lists().filter(({ comment }) => !comment.startsWith(`gerbang:${OURS}:`));

  test('in the wanted list serves and is not touched', async () => {
    const { router, book } = await start();
    router.put({ list: ACTIVE, address: '10.0.0.7', comment: 'kantor' });
    const before = foreign(router);
    expect(await book.place({ ...mine, list: ACTIVE })).toEqual({
      is: 'done',
      act: null,
      said: 'there already, not made by us',
    });
    await book.place({ ...mine, list: WALLED });
    expect(await book.place({ ...mine, list: ACTIVE })).toMatchObject({ is: 'done', act: 'list-remove' });
    expect(router.listsOf('10.0.0.7')).toEqual([ACTIVE]);
    await book.place({ ...mine, list: null });
    expect(foreign(router)).toEqual(before);
  });

  test('and has disabled in the wanted list is in the way, and that is said', async () => {
    const { router, book } = await start();
    router.put({ list: ACTIVE, address: '10.0.0.7', disabled: true });
    expect(await book.place({ ...mine, list: ACTIVE })).toMatchObject({
      is: 'refused',
      said: /is disabled is in the way/,
    });
    await book.place({ ...mine, list: WALLED });
    expect(await book.place({ ...mine, list: ACTIVE })).toMatchObject({ is: 'refused' });
    expect(router.listsOf('10.0.0.7')).toEqual([WALLED]);
  });

  test('two installations on one router with the same numbers of subscribers leave each other’s entries alone', async () => {
    const { router, book, second } = await start();
    const other = await second(THEIRS);
    await book.place({ ...mine, list: ACTIVE });
    await other.place({ ...mine, address: '10.0.0.8', list: ACTIVE });
    const [ourEntry, theirEntry] = router.lists();
    expect(ourEntry!.comment).not.toBe(theirEntry!.comment);
    // What each finds that no line of its own accounts for is its own.
    await book.removeAll(compare(await book.readAll(), []).orphans);
    expect(router.lists()).toEqual([theirEntry]);
    // Neither taken over nor taken out where both know the address.
    expect(await book.place({ ...mine, address: '10.0.0.8', list: ACTIVE })).toMatchObject({ is: 'done', act: null });
    await book.place({ ...mine, address: '10.0.0.8', list: WALLED });
    await book.place({ ...mine, address: '10.0.0.8', list: null });
    expect(router.lists()).toEqual([theirEntry]);
  });

  test('for a time, by PPP or with a timeout, is not looked at', async () => {
    const { router, book } = await start();
    router.put({ list: WALLED, address: '10.0.0.7', comment: `gerbang:${OURS}:7`, dynamic: true });
    expect(await book.readAll()).toEqual([]);
    await book.place({ ...mine, list: ACTIVE });
    expect(router.lists()).toHaveLength(2);
    expect(await book.place({ ...mine, list: null })).toMatchObject({ act: 'list-remove' });
    expect(router.lists()).toMatchObject([{ dynamic: true }]);
  });
});

describe('a full look', () => {
  const row = {
    id: 1,
    subscriberId: 7,
    nasId: 1,
    address: '10.0.0.7',
    removed: false,
    wantedList: null,
    toldList: null,
  };
  const entry = { id: '*1', list: ACTIVE, address: '10.0.0.7', owner: 7, disabled: false };

  test('leaves the entry of a line that had the address before to be taken over, and removes what is nobody’s', () => {
    const before = { ...entry, owner: 3 };
    expect(compare([before], [row])).toEqual({ seen: [{ id: 1, list: null }], orphans: [] });
    const second = { ...before, id: '*2', list: WALLED };
    expect(compare([entry, second], [row])).toEqual({ seen: [{ id: 1, list: ACTIVE }], orphans: [second] });
    expect(compare([before], [])).toEqual({ seen: [], orphans: [before] });
  });

  test('finds an address in no list when it is in two, and what is to be dropped where it is', () => {
    const twice = [entry, { ...entry, id: '*2', list: WALLED }];
    expect(compare(twice, [row]).seen).toEqual([{ id: 1, list: null }]);
    expect(compare(twice, [{ ...row, removed: true }]).seen).toEqual([{ id: 1, list: ACTIVE }]);
  });
});

const addresses = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.1.0/24'];
const lists = [ACTIVE, WALLED, 'vip'];
const anEntry = fc.record({
  list: fc.constantFrom(...lists),
  address: fc.constantFrom(...addresses, '10.9.9.9'),
  comment: fc.constantFrom(
    '',
    'kantor',
    `gerbang:${OURS}:1`,
    `gerbang:${OURS}:2`,
    `gerbang:${OURS}:2 pak Budi`,
    `gerbang:${OURS}:3`,
    `gerbang:${OURS}:`,
    `xgerbang:${OURS}:1`,
    'gerbang:1',
    `gerbang:${THEIRS}:1`,
    `gerbang:${THEIRS}:2 pak Budi`,
    `gerbang:${OURS}${OURS}:1`,
  ),
  dynamic: fc.boolean(),
  disabled: fc.constantFrom(false, false, true),
});
/** Live rows have an address each (the database sees to that); removed ones may repeat it for others. */
const wantedRows = fc
  .uniqueArray(
    fc.record({
      subscriberId: fc.constantFrom(1, 2, 3),
      address: fc.constantFrom(...addresses),
      list: fc.constantFrom(ACTIVE, WALLED),
      removed: fc.boolean(),
    }),
    { selector: ({ subscriberId, address }) => `${subscriberId} ${address}`, maxLength: 8 },
  )
  .map((rows) => {
    const live = new Set<string>();
    return rows.map((row) => {
      const removed = row.removed || live.has(row.address);
      if (!removed) live.add(row.address);
      return { ...row, removed };
    });
  });

test('from any state of the lists and any wish, looking and placing converges, and touches only what is ours', async () => {
  const property = fc.asyncProperty(
    fc.array(anEntry, { maxLength: 12 }),
    wantedRows,
    fc.constantFrom('6.49', '7.20'),
    async (entries, wanted, version) => {
      const { router, book } = await start(version);
      for (const entry of entries) {
        const isThere = router.lists().some((e) => e.list === entry.list && e.address === entry.address);
        if (!isThere) router.put(entry);
      }
      const isOurs = new RegExp(`^gerbang:${OURS}:[1-9]\\d*( |$)`);
      const foreign = () => router.lists().filter((e) => e.dynamic || !isOurs.test(e.comment));
      const before = foreign();
      let rows: (StaticAddress & { list: string })[] = wanted.map((row, id) => ({
        ...row,
        id,
        nasId: 1,
        wantedList: row.list,
        toldList: null,
      }));
      const refused = new Set<number>();
      for (let round = 0; round < 4; round += 1) {
        const { seen, orphans } = compare(await book.readAll(), rows);
        rows = rows.map((row) => ({ ...row, toldList: seen.find(({ id }) => id === row.id)!.list }));
        await book.removeAll(orphans);
        const differing = rows.filter((row) => row.removed || row.toldList !== row.list);
        if (round === 3) {
          // Only what others keep from settling: an entry of theirs that is disabled or will not last.
          for (const row of differing.filter(({ removed }) => !removed)) {
            const inTheWay = before.some(
              (e) => e.list === row.list && e.address === row.address && (e.disabled || e.dynamic),
            );
            expect(inTheWay).toBe(true);
          }
        }
        const placed = await Promise.all(
          differing.map((row) =>
            book.place({ ...row, isNew: row.toldList === null, list: row.removed ? null : row.list }),
          ),
        );
        differing.forEach((row, index) => {
          if (placed[index]!.is === 'refused') refused.add(row.id);
        });
        const told = new Set(differing.filter(({ id }) => !refused.has(id)));
        rows = rows.map((row) => (told.has(row) ? { ...row, toldList: row.list } : row));
        rows = rows.filter((row) => !row.removed || refused.has(row.id));
      }
      expect(foreign()).toEqual(before);
      const ours = router.lists().filter((e) => !e.dynamic && isOurs.test(e.comment));
      for (const row of rows.filter(({ id }) => !refused.has(id))) {
        const here = ours.filter((e) => e.address === row.address);
        const theirs = before.some((e) => e.list === row.list && e.address === row.address);
        if (theirs) expect(here).toEqual([]);
        else
          expect(here).toMatchObject([
            { list: row.list, disabled: false, comment: expect.stringMatching(`^gerbang:${OURS}:${row.subscriberId}`) },
          ]);
      }
      const accounted = new Set(rows.map(({ address }) => address));
      expect(ours.filter((e) => !accounted.has(e.address))).toEqual([]);
      await router.stop();
    },
  );
  await fc.assert(property, { numRuns: 150 });
});

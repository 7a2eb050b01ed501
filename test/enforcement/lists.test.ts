import { expect, test } from 'vitest';
import { onlyPolicy } from '#domain/rollout';
import { DAY, HOUR } from '#domain/time';
import type { ListAnswer, ListDriver, ListedLine } from '#enforcement/list-driver';
import { active, eventually, network, start, stateOf, time, useLoop } from '#test/enforcement/harness';
import { POLICY, WALLED } from '#test/enforcement/network';

useLoop();

/** A way to address-lists that notes what it is asked and answers as told. */
class ScriptedLists implements ListDriver {
  readonly calls: ListedLine[] = [];
  answer: (line: ListedLine) => ListAnswer | Promise<ListAnswer> = () => ({
    is: 'done',
    act: 'list-add',
    said: 'done',
  });

  async place(line: ListedLine): Promise<ListAnswer> {
    this.calls.push(line);
    return this.answer(line);
  }
}

const silent: ListAnswer = { is: 'silent', act: null, said: 'no answer within 20 s' };

/** Lines with a grant until `until` and an address each. */
async function fixed(nasId: number, count: number, until: number | null): Promise<number[]> {
  const ids = await network.lines(nasId, count, until, null, `fixed${nasId}-`);
  await network.db.execute('delete from session where subscriber_id = any($1::bigint[])', [ids]);
  await network.db.execute(
    `insert into static_address (subscriber_id, nas_id, address) select id, $2, ('10.0.0.0'::inet + id)::cidr
     from unnest($1::bigint[]) id`,
    [ids, nasId],
  );
  return ids;
}

const told = async (list: string): Promise<number> => {
  const [row] = await network.db.query<{ count: number }>(
    'select count(*) as count from static_address where told_list = $1',
    [list],
  );
  return row!.count;
};

const failed = async (): Promise<number> =>
  (await network.db.query('select 1 from due where attempts > 0 and claimed_until is null')).length;

test('the address-lists of a router that does not answer are asked by one at a time, and its CoA goes on', async () => {
  const nas = await network.nas();
  const until = time.clock() + HOUR;
  const ids = [...(await fixed(nas, 300, until)), ...(await network.lines(nas, 20, until, active))];
  const lists = new ScriptedLists();
  const unanswered: (() => void)[] = [];
  lists.answer = () => new Promise((resolve) => unanswered.push(() => resolve(silent)));
  const loop = await start({ lists });
  time.moveTo(until);
  await network.mark(ids);
  await eventually(() => unanswered.length).toBe(128);
  // All its ways in are taken, and the sessions on the same router do not wait for them.
  await eventually(() => network.countTold(WALLED, nas)).toBe(20);
  for (const giveUp of unanswered.splice(0)) giveUp();
  await eventually(() => loop.status().lists).toMatchObject([{ nasId: nas, silent: true }]);
  await eventually(() => loop.status().held).toBeLessThanOrEqual(1);
  expect(lists.calls.length).toBeLessThan(140);
  expect(loop.status().nases).toMatchObject([{ nasId: nas, silent: false }]);
  await eventually(failed).toBeGreaterThanOrEqual(299);
  const state = await stateOf(ids[299]!);
  expect(state!.error).toBe('nas1 (address-lists) does not answer');
  lists.answer = () => ({ is: 'done', act: 'list-add', said: 'done' });
  for (const giveUp of unanswered.splice(0)) giveUp();
  await network.db.execute("update due set due_at = due_at + interval '1 hour' where attempts > 0");
  loop.listsReachable(nas);
  await eventually(() => told('prepaid-no-package')).toBe(300);
});

test('when a router can be reached again, nobody waits for the next trial', async () => {
  const nas = await network.nas();
  const ids = await fixed(nas, 10, null);
  const lists = new ScriptedLists();
  lists.answer = () => silent;
  const loop = await start({ lists, random: () => 0 });
  await network.mark(ids);
  await eventually(() => loop.status().lists).toMatchObject([{ silent: true }]);
  await eventually(failed).toBe(10);
  lists.answer = () => ({ is: 'done', act: 'list-add', said: 'done' });
  const began = performance.now();
  loop.listsReachable(nas);
  await eventually(() => told('prepaid-no-package')).toBe(10);
  // The next trial would be 2 s after the silence began, and only the one after it brings the others.
  expect(performance.now() - began).toBeLessThan(1_000);
  await eventually(async () => (await stateOf(ids[0]!))?.attempts).toBe(0);
});

test('a refusal is one line’s, and does not make the router silent', async () => {
  const nas = await network.nas();
  const ids = await fixed(nas, 20, null);
  const lists = new ScriptedLists();
  lists.answer = ({ subscriberId }) =>
    subscriberId % 2 === 0
      ? { is: 'refused', act: 'list-add', said: 'no' }
      : { is: 'done', act: 'list-add', said: 'done' };
  const loop = await start({ lists });
  await network.mark(ids);
  await eventually(() => told('prepaid-no-package')).toBe(10);
  await eventually(() => loop.status().held).toBe(0);
  expect(loop.status().lists).toMatchObject([{ silent: false }]);
  const even = ids.find((id) => id % 2 === 0)!;
  expect(await stateOf(even)).toMatchObject({ attempts: 1, error: 'nas1 (address-lists): no' });
  expect(await network.acts(even)).toEqual(['list-add → no']);
});

test('a policy may tell routers apart: each address is decided with the router it is on', async () => {
  const [north, south] = [await network.nas(), await network.nas()];
  const [budi] = await fixed(north, 1, time.clock() + DAY);
  await network.db.execute(
    "insert into static_address (subscriber_id, nas_id, address) values ($1, $2, '10.200.0.1/32')",
    [budi, south],
  );
  const lists = new ScriptedLists();
  const [suspended, ...rules] = POLICY.rules;
  const special = { ...suspended!, name: 'south', when: { is: 'nas', name: 'nas2' } } as const;
  await start({ lists, policies: async () => onlyPolicy({ ...POLICY, rules: [special, ...rules] }) });
  await network.mark([budi!]);
  await eventually(() => lists.calls.length).toBe(2);
  expect(lists.calls.map(({ nasId, list }) => [nasId, list])).toEqual([
    [north, 'prepaid-active'],
    [south, 'prepaid-no-package'],
  ]);
});

test('a loop that has no way to lists leaves static lines to others', async () => {
  const nas = await network.nas();
  const [budi] = await fixed(nas, 1, null);
  await start();
  await network.mark([budi!]);
  await eventually(async () => (await stateOf(budi!))?.dueAt).toBe(Number.POSITIVE_INFINITY);
  const [row] = await network.db.query('select wanted_list, told_list, last_error from static_address');
  expect(row).toEqual({ wanted_list: null, told_list: null, last_error: null });
});

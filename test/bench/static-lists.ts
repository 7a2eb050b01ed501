import { systemClock } from '#domain/clock';
import { SECOND } from '#domain/time';
import { startLoop } from '#enforcement/loop';
import { RouterLists } from '#integrations/routeros/routers';
import { nasApiPasswordAad } from '#storage/secrets';
import { startBench, until } from '#test/bench/enforcement-bench';
import type { Row } from '#test/bench/report';
import { type BenchRouter, startRouter, USER } from '#test/bench/static-router';
import { type Network, quiet, ScriptedDriver, testSealer } from '#test/enforcement/network';

const ADDRESSES = 10_000;
const LEAD_MS = 30 * SECOND;

/**
 * 10,000 static addresses on one router whose grants end in the same second: how long until the last of them is in the
 * other list and that is written down; before that, how long to put them all in at first; and a full look afterwards.
 */
export async function run(): Promise<Row[]> {
  const bench = await startBench(1, 500);
  const router = await startRouter();
  const { network, db } = bench;
  await bench.loop.stop();
  let onReady: (nasId: number) => void = () => undefined;
  const lists = new RouterLists({
    db,
    sealer: testSealer(),
    clock: systemClock,
    log: quiet,
    onReady: (id) => onReady(id),
  });
  const nasId = bench.nasIds[0]!;
  try {
    await setApi(network, nasId, router);
    await lists.start();
    const expiresAt = Math.ceil((Date.now() + LEAD_MS) / SECOND) * SECOND;
    const ids = await staticLines(network, nasId, expiresAt);
    const loop = await startLoop({ ...network.options(new ScriptedDriver(), { clock: systemClock }), lists });
    onReady = (id) => loop.listsReachable(id);
    try {
      const beganAt = Date.now();
      await network.mark(ids);
      await until(async () => (await told(network, 'prepaid-active')) === ADDRESSES, LEAD_MS);
      const addedMs = Date.now() - beganAt;
      const before = await router.report();
      await until(async () => Date.now() >= expiresAt - SECOND && loop.status().held === 0, LEAD_MS);
      await until(async () => (await told(network, 'prepaid-no-package')) === ADDRESSES, 120 * SECOND);
      const movedMs = Date.now() - expiresAt;
      const after = await router.report();
      const lookMs = await fullLook(network, lists);
      return [
        {
          name: `static: ${ADDRESSES} addresses put in at first`,
          value: addedMs / 1000,
          unit: 's',
          higherIsBetter: false,
        },
        {
          name: `static: ${ADDRESSES} moved and stored`,
          value: movedMs / 1000,
          unit: 's',
          goal: 60,
          higherIsBetter: false,
        },
        {
          name: 'static: addresses in the right list',
          value: after.counts['prepaid-no-package'] ?? 0,
          unit: '',
          goal: ADDRESSES,
        },
        {
          name: 'static: sets in excess of one a move',
          value: (after.commands.set ?? 0) - (before.commands.set ?? 0) - ADDRESSES,
          unit: '',
        },
        { name: 'static: a full look at the router, stored', value: lookMs / 1000, unit: 's', higherIsBetter: false },
      ];
    } finally {
      await loop.stop();
    }
  } finally {
    await lists.stop();
    await router.stop();
    await bench.stop();
  }
}

async function setApi(network: Network, nasId: number, { port }: BenchRouter): Promise<void> {
  const sealed = testSealer().seal(USER.password, nasApiPasswordAad(nasId));
  await network.db.execute(
    `update nas set api_host = '127.0.0.1', api_port = $2, api_tls = 'off', api_user = $3, api_password_sealed = $4 where id = $1`,
    [nasId, port, USER.user, sealed],
  );
}

async function staticLines(network: Network, nasId: number, expiresAt: number): Promise<number[]> {
  const ids = await network.lines(nasId, ADDRESSES, expiresAt, null);
  await network.db.execute('delete from session');
  // Ends spread over the second, as a shop's sales of one evening would.
  await network.db.execute("update grants set ends_at = ends_at + (id % 1000) * interval '1 millisecond'");
  await network.db.execute(
    `insert into static_address (subscriber_id, nas_id, address) select id, $1, ('10.0.0.0'::inet + id)::cidr from subscriber`,
    [nasId],
  );
  return ids;
}

async function told(network: Network, list: string): Promise<number> {
  const [row] = await network.db.query<{ count: number }>(
    'select count(*) as count from static_address where told_list = $1',
    [list],
  );
  return row!.count;
}

async function fullLook({ db }: Network, lists: RouterLists): Promise<number> {
  const seenSince = async (at: number) => {
    const [row] = await db.query<{ count: number }>(
      'select count(*) as count from static_address where seen_at >= $1::timestamptz',
      [new Date(at).toISOString()],
    );
    return row!.count;
  };
  const beganAt = Date.now();
  lists.look();
  await until(async () => (await seenSince(beganAt)) === ADDRESSES, LEAD_MS);
  return Date.now() - beganAt;
}

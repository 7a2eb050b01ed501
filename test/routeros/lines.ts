import { afterEach, beforeAll, beforeEach, expect } from 'vitest';
import type { Instant } from '#domain/time';
import { type Loop, type LoopOptions, startLoop } from '#enforcement/loop';
import { RouterLists, type RouterListsOptions } from '#integrations/routeros/routers';
import { change } from '#storage/change';
import type { Database } from '#storage/database';
import type { LoadedEntry } from '#storage/facts';
import { installationId } from '#storage/installation';
import { nasApiPasswordAad } from '#storage/secrets';
import { setStaticAddresses } from '#storage/static-addresses';
import { MovableTime, Network, quiet, ScriptedDriver, testSealer } from '#test/enforcement/network';
import { testDatabase } from '#test/support/database';
import { type RouterOsApi, type RouterOsApiSettings, startRouterOsApi } from '#test/world/routeros-api';

export const LISTS = { active: 'prepaid-active', walled: 'prepaid-no-package' } as const;
const USER = { user: 'gerbang', password: 'rahasia' };

/** What the tests of static lines share: fresh before each of them; everything started is stopped after it. */
export let network: Network;
export let time: MovableTime;
export let driver: ScriptedDriver;
const started: { stop(): Promise<void> }[] = [];

export function useLines(): void {
  let db: Database;
  beforeAll(async () => {
    db = await testDatabase();
  });
  beforeEach(async () => {
    network = await Network.in(db);
    time = new MovableTime();
    driver = new ScriptedDriver(time.clock);
  });
  afterEach(async () => {
    for (const one of started.splice(0).reverse()) await one.stop();
  });
}

export const eventually = <T>(read: () => T | Promise<T>, timeout = 30_000) =>
  expect.poll(read, { timeout, interval: 10 });

/** A router that runs, as it stands in the database. */
export async function router(settings: Partial<RouterOsApiSettings> = {}): Promise<{ id: number; api: RouterOsApi }> {
  const api = await startRouterOsApi({ ...USER, ...settings });
  started.push(api);
  const id = await network.nas();
  await setApi(id, api.port, settings.tls === undefined ? 'off' : 'pinned');
  return { id, api };
}

export async function setApi(
  nasId: number,
  port: number,
  tls = 'off',
  password = USER.password,
  of = network,
): Promise<void> {
  await of.db.execute(
    `update nas set api_host = '127.0.0.1', api_port = $2, api_tls = $3, api_user = $4, api_password_sealed = $5 where id = $1`,
    [nasId, port, tls, USER.user, testSealer().seal(password, nasApiPasswordAad(nasId))],
  );
}

/** An installation with a database of its own, and a router of ours as a router of its. */
export async function otherInstallation(api: RouterOsApi): Promise<{ network: Network; id: number }> {
  const db = await testDatabase();
  // Test databases are copies of one.
  await db.execute('update installation set id = default');
  const other = await Network.in(db);
  const id = await other.nas();
  await setApi(id, api.port, 'off', USER.password, other);
  return { network: other, id };
}

/** Static lines with a grant until `until` (null: none), each with one address `10.<net>.x.y`; the net is the NAS's id if not given. */
export async function lines(
  nasId: number,
  count: number,
  until: Instant | null,
  { of = network, net = nasId }: { of?: Network; net?: number } = {},
): Promise<number[]> {
  const ids = await of.lines(nasId, count, until, null, `static${nasId}-`);
  await of.db.execute('delete from session where subscriber_id = any($1::bigint[])', [ids]);
  await of.db.execute("update subscriber set access = 'static', nas_id = $2 where id = any($1::bigint[])", [
    ids,
    nasId,
  ]);
  await of.db.execute(
    `insert into static_address (subscriber_id, nas_id, address)
     select id, $2::int, ('10.' || $3::int || '.' || (i / 256) || '.' || (i % 256))::cidr
     from unnest($1::bigint[]) with ordinality as u (id, n), lateral (select (n - 1) as i) x`,
    [ids, nasId, net],
  );
  await of.mark(ids);
  return ids;
}

/** The addresses of a line are these from now on, as operations do it. */
export const setAddresses = (subscriberId: number, nasId: number, addresses: readonly string[]) =>
  change(network.db, { actor: 'test', why: 'edit' }, (tx) => setStaticAddresses(tx, subscriberId, nasId, addresses));

/** A node: the loop with the routers it reaches. */
export async function node(
  changes: Partial<RouterListsOptions> & { loop?: Partial<LoopOptions<LoadedEntry>> } = {},
): Promise<{ loop: Loop; lists: RouterLists; stop(): Promise<void> }> {
  const { loop: loopChanges, ...listChanges } = changes;
  let loop: Loop | null = null;
  const lists = new RouterLists({
    db: network.db,
    sealer: testSealer(),
    clock: time.clock,
    log: quiet,
    onReady: (nasId) => loop?.listsReachable(nasId),
    random: () => 0.999,
    patience: { connectMs: 300, silenceMs: 300 },
    everyMs: 100,
    ...listChanges,
  });
  await lists.start();
  const options = network.options(driver, time);
  loop = await startLoop({ ...options, lists, random: () => 0.999, ...loopChanges });
  let isStopped = false;
  const stop = async () => {
    if (isStopped) return;
    isStopped = true;
    await loop.stop();
    await lists.stop();
  };
  started.push({ stop });
  return { loop, lists, stop };
}

/** How the comments of an installation's entries begin. */
export const tagBegins = async (of = network): Promise<string> => `gerbang:${await installationId(of.db)}:`;

/** `10.1.0.0 prepaid-active`, of what a router holds with our tag. */
export const held = (api: RouterOsApi, tag = 'gerbang:'): string[] =>
  api
    .lists()
    .filter(({ comment, dynamic }) => comment.startsWith(tag) && !dynamic)
    .map(({ address, list }) => `${address} ${list}`)
    .sort();

export const countIn = (api: RouterOsApi, list: string): number =>
  api.lists().filter((entry) => entry.list === list).length;

export async function rows(subscriberId: number) {
  return network.db.query<{
    address: string;
    nasId: number;
    wanted: string | null;
    told: string | null;
    seen: string | null;
    error: string | null;
    removed: boolean;
  }>(
    `select host(address) as address, nas_id as "nasId", wanted_list as wanted, told_list as told, seen_list as seen,
            last_error as error, removed_at is not null as removed
     from static_address where subscriber_id = $1 order by nas_id, address`,
    [subscriberId],
  );
}

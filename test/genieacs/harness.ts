import type { Ont, OntControl } from '#domain/acs';
import { addSubscriber } from '#operations/add-subscriber';
import type { Desk } from '#operations/desk';
import { saveSettings } from '#operations/settings';
import { type AcsOptions, type AcsSide, startAcs } from '#policy-server/acs-side';
import { ontTasksOf } from '#storage/acs';
import { type GenieAcsWorld, startGenieAcs } from '#test/world/genieacs';

/** Warnings of the side, as one text each. */
export type Logged = string[];

/** GenieACS in small, set in the settings of the desk's company. */
export async function startWorld(desk: Desk): Promise<GenieAcsWorld> {
  const world = await startGenieAcs({ clock: () => desk.clock() });
  await saveSettings(desk, 'genieacs', { url: world.url });
  return world;
}

export function startSide(desk: Desk, logged: Logged = [], options: Partial<AcsOptions> = {}): AcsSide {
  const { db, sealer, clock } = desk;
  const log = { warn: (fields: object, line: string) => void logged.push(`${line} ${JSON.stringify(fields)}`) };
  return startAcs({ db, sealer, clock, log, settingsFreshMs: 0, lookEveryMs: 20, ...options } as AcsOptions);
}

let count = 0;

/** A subscriber without a portal account. */
export async function addLine(desk: Desk, username?: string): Promise<{ id: number; username: string }> {
  count += 1;
  const { id, username: name } = await addSubscriber(desk, {
    username: username ?? `garis-${count}`,
    password: 'Rumah-77',
  });
  return { id, username: name };
}

/** The ONT once it has been read; fails when it never is. */
export async function readOnt(side: AcsSide, subscriberId: number): Promise<Ont> {
  const ont = await side.control.readNow(subscriberId);
  if (ont === null || ont.reading === null) throw new Error('the ONT was not found');
  return ont;
}

/** The newest task, as pages see it. */
export async function lastTask(desk: Desk, subscriberId: number) {
  const [task] = await ontTasksOf(desk.db, subscriberId, 1);
  return task ?? null;
}

/** For a portal, which is started before the side that it asks. */
export const ontsOf = (side: () => AcsSide): OntControl => ({
  ontOf: (id) => side().control.ontOf(id),
  readNow: (id) => side().control.readNow(id),
  wake: () => side().control.wake(),
  test: () => side().control.test(),
});

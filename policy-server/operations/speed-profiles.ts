import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import { oddBurst, speedFields } from '#operations/add-plan';
import type { Desk } from '#operations/desk';
import { entityName } from '#operations/fields';
import { parseInput } from '#operations/input';
import { change } from '#storage/change';
import { violatedConstraint } from '#storage/database';
import { deleteSpeedProfileRow, findSpeedProfile, writeSpeedProfile } from '#storage/speed-profiles';

export const speedProfileSchema = z.object({ name: entityName('20 Mbps'), ...speedFields });

/**
 * Saves a speed profile, a new one when `id` is null. Plans keep the speeds they were made with: save a plan again to
 * give it the new ones.
 *
 * @throws InvalidInput for wrong fields, a name that is taken, a profile that is no more
 */
export async function saveSpeedProfile(
  desk: Desk,
  { id, ...input }: { readonly id: number | null } & Readonly<Record<string, unknown>>,
): Promise<{ readonly id: number; readonly name: string; readonly warnings: readonly string[] }> {
  const given = parseInput(speedProfileSchema, withoutBlanks(input));
  const rate = { downloadBps: given.down, uploadBps: given.up, burst: given.burst };
  const after = { name: given.name, rate, profile: given.profile };
  const detail: Record<string, unknown> = { name: given.name, after };
  try {
    const saved = await change(desk.db, { actor: desk.actor, why: 'save speed profile', detail }, async (tx) => {
      if (id !== null) detail.before = (await findSpeedProfile(tx, id, 'lock')) ?? noSuchProfile();
      return writeSpeedProfile(tx, id, after);
    });
    return { id: saved, name: given.name, warnings: oddBurst(rate) };
  } catch (error) {
    if (violatedConstraint(error) !== 'speed_profile_name_key') throw error;
    throw new InvalidInput([say`name "${given.name}" belongs to another speed profile; give another name`]);
  }
}

/**
 * Takes a speed profile away. Plans keep the speeds they were made with.
 *
 * @throws InvalidInput when it is no more
 */
export async function deleteSpeedProfile(desk: Desk, id: number): Promise<void> {
  const detail: Record<string, unknown> = {};
  await change(desk.db, { actor: desk.actor, why: 'delete speed profile', detail }, async (tx) => {
    detail.before = (await findSpeedProfile(tx, id, 'lock')) ?? noSuchProfile();
    await deleteSpeedProfileRow(tx, id);
  });
}

function noSuchProfile(): never {
  throw new InvalidInput([say`this speed profile is no more; go back to the list`]);
}

/** An empty field of a form is one that was left out. */
export function withoutBlanks(input: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== '' && value !== undefined));
}

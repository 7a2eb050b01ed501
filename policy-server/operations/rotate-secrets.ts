import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import type { Desk } from '#operations/desk';
import { change } from '#storage/change';
import { resealAll, sealedOtherwise } from '#storage/reseal';
import { addMasterKey, dropOldMasterKeys, printKeyId } from '#storage/secrets';

export type Rotated = { readonly keyId: string; readonly resealed: number };

/**
 * Puts a new master key first in the file and seals every secret of the database afresh under it while everything runs.
 * Cut short it is simply run again. The older keys stay in the file, for the directory on disk and for other nodes,
 * until `dropOldKeys`.
 */
export async function rotateSecrets(desk: Desk, masterKeyFile: string): Promise<Rotated> {
  addMasterKey(masterKeyFile);
  const resealed = await resealAll(desk.db, desk.sealer);
  const keyId = printKeyId(desk.sealer.currentKeyId);
  await change(
    desk.db,
    { actor: desk.actor, why: 'rotate secrets', detail: { keyId, resealed } },
    async () => undefined,
  );
  return { keyId, resealed };
}

/**
 * Takes the older keys out of the file.
 *
 * @throws InvalidInput while something in the database is still sealed under one of them
 */
export async function dropOldKeys(desk: Desk, masterKeyFile: string): Promise<{ keyId: string }> {
  const left = await sealedOtherwise(desk.db, desk.sealer);
  if (left > 0) {
    throw new InvalidInput([say`${left} secrets are still sealed under an older key; run first: secrets rotate`]);
  }
  dropOldMasterKeys(masterKeyFile);
  desk.sealer.refresh();
  const keyId = printKeyId(desk.sealer.currentKeyId);
  await change(desk.db, { actor: desk.actor, why: 'drop old keys', detail: { keyId } }, async () => undefined);
  return { keyId };
}

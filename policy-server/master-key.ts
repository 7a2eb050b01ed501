import { existsSync } from 'node:fs';
import { InvalidInput } from '#domain/errors';
import type { Database } from '#storage/database';
import { holdsSecrets } from '#storage/reseal';
import { createMasterKey, loadMasterKey, type Sealer } from '#storage/secrets';

/**
 * The master key of this node; at the very first start it is made. Where the database holds secrets already a missing
 * file is never replaced: a new key could not open them, and whatever it sealed would be lost to the old one.
 *
 * @throws InvalidInput when the file is missing and must not be made, SecretsFault when it cannot be used
 */
export async function masterKey(file: string, db: Database): Promise<Sealer> {
  if (!existsSync(file)) {
    if (await holdsSecrets(db)) {
      throw new InvalidInput([
        `the master key file ${file} is missing, and the database holds secrets sealed under it; put it back, or set MASTER_KEY_FILE to where it is`,
      ]);
    }
    createMasterKey(file);
  }
  return loadMasterKey(file);
}

/** The master key of this node if it has one yet; for what cannot wait for the database. */
export function existingMasterKey(file: string): Sealer | null {
  return existsSync(file) ? loadMasterKey(file) : null;
}

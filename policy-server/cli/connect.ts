import { userInfo } from 'node:os';
import { systemClock } from '#domain/clock';
import { Unavailable } from '#domain/errors';
import { firstPolicy } from '#operations/first-policy';
import type { Office } from '#policy-server/cli/command';
import { alignClock } from '#policy-server/clock-side';
import { companyZone } from '#policy-server/company-zone';
import type { Config } from '#policy-server/config';
import { masterKey } from '#policy-server/master-key';
import { openDatabase } from '#storage/database';
import { startEmbedded } from '#storage/embedded';
import { entities } from '#storage/entities';
import { lockDataDir, runningServer } from '#storage/lock';
import { migrate } from '#storage/migrate';

/**
 * Opens the database for one command: the one of a running server where there is one, else the configured one, else the
 * embedded one, started for the moment under the same lock a server takes.
 *
 * @throws Unavailable when it cannot be reached, or another command is at it
 */
export async function atDesk<Result>(config: Config, work: (office: Office) => Promise<Result>): Promise<Result> {
  const source = await databaseOf(config);
  try {
    if (!source.migrated) await migrate(source.url);
    const db = openDatabase({ url: source.url, poolSize: 4, entities });
    try {
      await alignClock(db, { info: () => undefined, warn: (says) => process.stderr.write(`${says}\n`) });
      const sealer = await masterKey(config.masterKeyFile, db);
      const actor = `cli:${userInfo().username}`;
      const { publicUrl } = config;
      const zone = await companyZone(config, db);
      const office = { db, sealer, clock: systemClock, zone, actor, publicUrl, config };
      if (!source.migrated) await firstPolicy(office);
      return await work(office);
    } finally {
      await db.close();
    }
  } finally {
    await source.leave();
  }
}

/** Finds the database in the same way and does nothing to it. Throws `Unavailable`. */
export async function atDatabase<Result>(
  config: Config,
  work: (databaseUrl: string) => Promise<Result>,
): Promise<Result> {
  const source = await databaseOf(config);
  try {
    return await work(source.url);
  } finally {
    await source.leave();
  }
}

type Source = { readonly url: string; readonly migrated: boolean; leave(): Promise<void> };

async function databaseOf(config: Config): Promise<Source> {
  const nothing = async () => undefined;
  if (config.databaseUrl !== null) return { url: config.databaseUrl, migrated: false, leave: nothing };
  const running = runningServer(config.dataDir);
  if (running !== null) {
    if (running.databaseUrl !== null) return { url: running.databaseUrl, migrated: true, leave: nothing };
    throw new Unavailable(
      `the Gerbang in ${config.dataDir} is just starting or stopping, or uses another database: try again, or set DATABASE_URL as it has it`,
    );
  }
  const lock = lockDataDir(config.dataDir);
  try {
    const embedded = await startEmbedded(config.dataDir);
    const leave = async () => {
      await embedded.stop();
      lock.release();
    };
    return { url: embedded.url, migrated: false, leave };
  } catch (error) {
    lock.release();
    throw error;
  }
}

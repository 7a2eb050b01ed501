import { printBytes, printInstant } from '#domain/print';
import type { DatabaseCommand } from '#policy-server/cli/command';
import type { Config } from '#policy-server/config';
import { existingMasterKey } from '#policy-server/master-key';
import { type BackupSummary, backUp, checkBackup, opensSecrets, restore } from '#storage/backup';
import { openDatabase } from '#storage/database';

const FILE = { name: 'FILE', help: 'the path of a backup, for example /backup/gerbang-2026-11-21.gz' };

export const backupCommand: DatabaseCommand = {
  name: 'backup',
  summary: 'Write the whole database, as of one instant, into a new file',
  positionals: [FILE],
  notes: [
    'All goes on meanwhile. It needs no programs of PostgreSQL and works on the embedded one and on any other.',
    'The master key is not in the file: keep a copy of it in another place. Without it no password in a backup opens.',
  ],
  runOn: async ({ databaseUrl, config }, { words: [file] }) => {
    const made = await backUp(databaseUrl, file!);
    return {
      text:
        `${file} is written: ${described(made, config)}, ${printBytes(made.octets)}.\n` +
        `The master key is not in it: keep a copy of ${config.masterKeyFile} in another place.`,
      json: { file, ...made, masterKeyFile: config.masterKeyFile },
    };
  },
};

export const restoreCommand: DatabaseCommand = {
  name: 'restore',
  summary: 'Put a backup into an empty database, or only check one',
  positionals: [FILE],
  options: { check: { value: 'flag', help: 'read the file to its end and check it; touch no database' } },
  notes: [
    'The database is the one of DATABASE_URL, else the embedded one of DATA_DIR; it must be empty. Stop Gerbang before.',
    'What is restored is the same installation: it acts on the same routers, so the old one must not run any more.',
  ],
  runOn: async ({ databaseUrl, config }, given) => {
    const [file] = given.words;
    if (given.options.check === true) return checked(file!, config);
    const restored = await restore(databaseUrl, file!);
    const key = await keyAdvice(databaseUrl, config);
    return {
      text: [`${file} is restored: ${described(restored, config)}.`, ...key].join('\n'),
      json: { file, ...restored, masterKey: key },
    };
  },
};

async function checked(file: string, config: Config): ReturnType<DatabaseCommand['runOn']> {
  const summary = await checkBackup(file);
  return { text: `${file} is whole: ${described(summary, config)}.`, json: { file, ...summary } };
}

/** Said now, and not by a node that refuses to start later. */
async function keyAdvice(databaseUrl: string, { masterKeyFile }: Config): Promise<string[]> {
  const sealer = existingMasterKey(masterKeyFile);
  if (sealer === null)
    return [`The master key is not in a backup: put it at ${masterKeyFile} before Gerbang is started.`];
  const db = openDatabase({ url: databaseUrl, poolSize: 1 });
  try {
    if ((await opensSecrets(db, sealer)) !== false) return [];
    return [
      `The master key in ${masterKeyFile} does not open what was restored: put the one of that time there before Gerbang is started.`,
    ];
  } finally {
    await db.close();
  }
}

function described({ tables, rows, takenAt, schema }: BackupSummary, { zone }: Config): string {
  const count = rows.toLocaleString('en');
  return `${tables} tables, ${count} rows, as of ${printInstant(takenAt, zone)}, schema ${schema}`;
}

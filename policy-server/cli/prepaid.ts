import { InvalidInput } from '#domain/errors';
import { printInstant } from '#domain/print';
import { issuePin } from '#operations/issue-pin';
import { migrateFromCsv } from '#operations/migrate-from-csv';
import { type BulkOptions, type Migrated, migrateToPrepaid } from '#operations/migrate-to-prepaid';
import { noSuchSubscriber } from '#operations/no-such-subscriber';
import { loginUrl } from '#operations/portal-credentials';
import { type MigrationPreview, previewMigration } from '#operations/preview-migration';
import { undoPrepaid } from '#operations/undo-prepaid';
import { type Command, type Given, type Office, type Outcome, textOf } from '#policy-server/cli/command';
import { readCsvFile } from '#policy-server/cli/subscriber';
import { table } from '#policy-server/cli/table';
import { findSubscriber, findSubscriberAccount, subscribersByIdentity } from '#storage/subscribers';

export const prepaidMigrate: Command = {
  name: 'prepaid migrate',
  summary: 'Move postpaid subscribers to prepaid, each with a Portal ID and a PIN',
  positionals: [{ name: 'USERNAME', help: 'whom, by PPPoE user name', many: true }],
  options: {
    csv: { value: 'FILE', help: 'whom, by a CSV file with a column username, portal_id or phone' },
    apply: { value: 'flag', help: 'do it; without it only what would happen is said' },
  },
  notes: [
    'Packages that run end now; prepaid undo gives them back. The PINs are shown this once, and sent by WhatsApp where',
    'there is a telephone number. Ctrl-C stops after those being moved; whoever was moved is listed.',
  ],
  check: (given) => (given.words.length > 0 === (textOf(given, 'csv') !== undefined) ? [WHOM] : []),
  run: async (office, given) => {
    const { preview, result } = await stoppable((options) => migrate(office, given, options));
    return result === null ? previewed(preview) : migrated(result);
  },
};

const WHOM = 'give user names, or --csv FILE, and not both';

async function migrate(
  office: Office,
  given: Given,
  options: BulkOptions,
): Promise<{ preview: MigrationPreview; result: Migrated | null }> {
  const apply = given.options.apply === true;
  const file = textOf(given, 'csv');
  if (file !== undefined) return migrateFromCsv(office, await readCsvFile(file), { apply, ...options });
  const { username } = await subscribersByIdentity(office.db, { usernames: given.words, portalIds: [], phones: [] });
  const unknown = given.words.filter((word) => !username.has(word));
  if (unknown.length > 0) throw new InvalidInput(unknown.map((word) => `there is no subscriber "${word}"`));
  const ids = given.words.map((word) => username.get(word)![0]!.id);
  const preview = await previewMigration(office, ids);
  return { preview, result: apply ? await migrateToPrepaid(office, ids, options) : null };
}

/** Says on standard error how far it is, for whoever looks, and stops between two subscribers on Ctrl-C. */
async function stoppable<Result>(work: (options: BulkOptions) => Promise<Result>): Promise<Result> {
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once('SIGINT', onSignal);
  try {
    const onProgress = (done: number) => {
      if (done % 100 === 0) console.error(`${done} done`);
    };
    return await work({ signal: stop.signal, onProgress });
  } finally {
    process.removeListener('SIGINT', onSignal);
  }
}

function previewed(preview: MigrationPreview): Outcome {
  const { willMove, alreadyPrepaid, withoutPhone, runningGrants, online } = preview;
  const text = [
    `${willMove} would be moved (${alreadyPrepaid} are prepaid already).`,
    `Of them ${online} are online, ${runningGrants} packages would end now, ${withoutPhone} have no usable telephone number.`,
    'Nothing was changed. To do it: the same with --apply',
  ].join('\n');
  return { text, json: { preview, result: null } };
}

function migrated({ moved, skipped }: Migrated): Outcome {
  const lines = [`${moved.length} are prepaid now. The PINs are shown this once:`, ''];
  lines.push(
    table(
      moved,
      [
        { title: 'username', cell: (row) => row.username },
        { title: 'name', cell: (row) => row.name },
        { title: 'Portal ID', cell: (row) => row.portalId },
        { title: 'PIN', cell: (row) => row.pin },
        { title: 'message', cell: (row) => (row.messageQueued ? `to ${row.phone}` : 'none: hand it over') },
      ],
      'nobody',
    ),
  );
  if (skipped.length > 0) lines.push('', 'Not moved:');
  lines.push(...skipped.map((one) => `${one.username || `number ${one.subscriberId}`}: ${one.why}`));
  return { text: lines.join('\n'), json: { moved, skipped } };
}

export const prepaidUndo: Command = {
  name: 'prepaid undo',
  summary: 'Make a subscriber postpaid again and give back what the move ended',
  positionals: [{ name: 'USERNAME', help: 'the PPPoE user name' }],
  run: async (office, given) => {
    const [name] = given.words as [string];
    const { id } = (await findSubscriber(office.db, name)) ?? noSuchSubscriber(name);
    const undone = await undoPrepaid(office, id);
    const lines = undone.givenBack.map(
      (grant) => `Given back: ${grant.plan} until ${printInstant(grant.until, office.zone)} (grant ${grant.id}).`,
    );
    return { text: [`${undone.username} is postpaid.`, ...lines].join('\n'), json: undone };
  },
};

export const pinIssue: Command = {
  name: 'pin issue',
  summary: 'Give a subscriber a new PIN for the portal',
  positionals: [{ name: 'USERNAME', help: 'the PPPoE user name' }],
  options: { send: { value: 'flag', help: 'send it by WhatsApp too' } },
  notes: ['The older PIN is no more, and every device has to log in again.'],
  run: async (office, given) => {
    const [username] = given.words as [string];
    const { id } = (await findSubscriber(office.db, username)) ?? noSuchSubscriber(username);
    const billing = (await findSubscriberAccount(office.db, id))?.billing;
    const send = given.options.send === true;
    const issued = await issuePin(office, id, { send });
    const sent = issued.messageQueued ? ['The message is queued.'] : ['There is no usable telephone number.'];
    const lines = [
      `Portal ID ${issued.portalId}, PIN ${issued.pin}, shown this once. Login: ${loginUrl(office, billing)}`,
      ...(send ? sent : []),
    ];
    return { text: lines.join('\n'), json: { username, ...issued } };
  },
};

import { monotonicMs } from '#domain/clock';
import { printInstant } from '#domain/print';
import { addSubscriber, addSubscriberFaults } from '#operations/add-subscriber';
import { editSubscriber, editSubscriberSchema } from '#operations/edit-subscriber';
import { IMPORT_COLUMNS } from '#operations/import-file';
import { importSubscribers } from '#operations/import-subscribers';
import { faultsOf } from '#operations/input';
import { noSuchSubscriber } from '#operations/no-such-subscriber';
import { resume } from '#operations/resume';
import { suspend } from '#operations/suspend';
import { type Command, type Given, textOf } from '#policy-server/cli/command';
import { readSecret } from '#policy-server/cli/secret-input';
import { readTextFile } from '#policy-server/cli/text-file';
import { findSubscriber } from '#storage/subscribers';

const addInput = (given: Given) => ({
  username: textOf(given, 'username'),
  password: textOf(given, 'password'),
  name: textOf(given, 'name'),
  phone: textOf(given, 'phone'),
  billing: textOf(given, 'billing'),
  mac: textOf(given, 'mac'),
  staticIp: textOf(given, 'ip'),
  access: textOf(given, 'access'),
  nas: textOf(given, 'nas'),
  addresses: wordsOf(given, 'addresses'),
  address: textOf(given, 'address'),
  notes: textOf(given, 'notes'),
  tags: wordsOf(given, 'tags'),
  language: textOf(given, 'language'),
});

/** An option that holds several values. */
const wordsOf = (given: Given, option: string): string[] | undefined =>
  textOf(given, option)
    ?.split(/[\s,]+/)
    .filter((word) => word !== '');

/** Options that adding and editing share. */
const ABOUT = {
  name: { value: 'NAME', help: "the person's name" },
  phone: { value: 'NUMBER', help: 'for example +6281234567890' },
  mac: { value: 'MAC', help: 'only this device may dial' },
  ip: { value: 'ADDRESS', help: 'always the same IPv4 address' },
  nas: { value: 'NAME', help: 'of a static line: its router, see: nas list' },
  addresses: { value: 'ADDRESS,ADDRESS', help: 'of a static line: its addresses, or blocks of at most a /24' },
  address: { value: 'TEXT', help: 'where the person lives' },
  notes: { value: 'TEXT', help: 'anything staff should know' },
  tags: { value: 'WORD,WORD', help: 'words that policies and lists go by' },
  language: { value: 'id|en', help: 'of the messages to this subscriber' },
} as const;

export const subscriberAdd: Command = {
  name: 'subscriber add',
  summary: 'Add a subscriber, who may dial at once',
  options: {
    username: { value: 'USERNAME', help: 'the PPPoE user name' },
    password: { value: 'PASSWORD', help: 'the PPPoE password; "-" reads it from standard input' },
    billing: { value: 'prepaid|postpaid', help: 'prepaid if not given' },
    access: { value: 'pppoe|static', help: 'pppoe if not given; a static line needs --nas and --addresses' },
    ...ABOUT,
  },
  fields: { staticIp: 'ip' },
  notes: ['Without a grant a subscriber is accepted at 128k and led to the portal.'],
  check: (given) => addSubscriberFaults(addInput(given)),
  run: async (desk, given) => {
    const input = addInput(given);
    const added = await addSubscriber(desk, { ...input, password: await readSecret(input.password) });
    const text = `Subscriber ${added.username} is added.\nNext: gerbang grant add --username ${added.username} --plan PLAN`;
    return { text, json: added };
  },
};

const editInput = (given: Given, id: number) => ({
  ...Object.fromEntries(
    ['username', 'password', 'name', 'address', 'notes', 'language', 'nas'].map((field) => [
      field,
      textOf(given, field),
    ]),
  ),
  id,
  sessionLimit: textOf(given, 'session-limit'),
  phone: emptyIsNone(textOf(given, 'phone')),
  mac: emptyIsNone(textOf(given, 'mac')),
  staticIp: emptyIsNone(textOf(given, 'ip')),
  addresses: wordsOf(given, 'addresses'),
  tags: wordsOf(given, 'tags'),
});
const emptyIsNone = (text: string | undefined): string | null | undefined => (text === '' ? null : text);

export const subscriberEdit: Command = {
  name: 'subscriber edit',
  summary: 'Change what is given of a subscriber, nothing else',
  positionals: [{ name: 'USERNAME', help: 'the PPPoE user name' }],
  options: {
    username: { value: 'USERNAME', help: 'another user name from now on' },
    password: { value: 'PASSWORD', help: 'another PPPoE password; "-" reads it from standard input' },
    'session-limit': { value: 'NUMBER', help: 'how many sessions may be live at once' },
    ...ABOUT,
  },
  fields: { staticIp: 'ip', sessionLimit: 'session-limit' },
  notes: ['An empty value takes away: --phone "" --mac "" --ip "" --tags "".'],
  check: (given) => faultsOf(editSubscriberSchema, editInput(given, 1)),
  run: async (desk, given) => {
    const [username] = given.words as [string];
    const { id } = (await findSubscriber(desk.db, username)) ?? noSuchSubscriber(username);
    const password = await readSecret(textOf(given, 'password'));
    const { changed } = await editSubscriber(desk, { ...editInput(given, id), password });
    const text =
      changed.length === 0 ? `Nothing of ${username} is different.` : `${username}: changed ${changed.join(', ')}.`;
    return { text, json: { username, changed } };
  },
};

export const subscriberImport: Command = {
  name: 'subscriber import',
  summary: 'Add every subscriber of a CSV file, or none',
  positionals: [{ name: 'FILE', help: 'a CSV file in UTF-8' }],
  notes: [
    `The first line is ${IMPORT_COLUMNS.join(',')}; only username and password must be filled.`,
    'A static line (access static) needs nas and addresses instead of a password; addresses and tags are separated by spaces.',
    'A plan makes a grant: to covered_until (a date alone: to the end of that day), or for its period from now.',
    'Every bad line is named, and then nothing is changed.',
  ],
  run: async (desk, given) => {
    const [file] = given.words;
    const csv = await readCsvFile(file!);
    const began = monotonicMs();
    const imported = await importSubscribers(desk, csv);
    const seconds = (monotonicMs() - began) / 1000;
    const text = `${imported.subscribers} subscribers are added, ${imported.grants} of them with a grant (${seconds.toFixed(1)} s).`;
    return { text, json: { ...imported, seconds } };
  },
};

/** @throws InvalidInput when it cannot be read, or is not UTF-8 */
export const readCsvFile = (file: string): Promise<string> => readTextFile(file, 'save it as "CSV UTF-8"');

export const suspendCommand: Command = {
  name: 'suspend',
  summary: 'End the session and reject dials until resume',
  positionals: [{ name: 'USERNAME', help: 'the PPPoE user name' }],
  run: async (desk, given) => {
    const [username] = given.words as [string];
    const { changed, since } = await suspend(desk, username);
    const when = printInstant(since, desk.zone);
    const text = changed
      ? `${username} is suspended: the session is ended, dials are rejected.\nTo undo: gerbang resume ${username}`
      : `${username} is suspended already, since ${when}; nothing was changed.`;
    return { text, json: { username, changed, since } };
  },
};

export const resumeCommand: Command = {
  name: 'resume',
  summary: 'Lift a suspension',
  positionals: [{ name: 'USERNAME', help: 'the PPPoE user name' }],
  run: async (desk, given) => {
    const [username] = given.words as [string];
    const { changed } = await resume(desk, username);
    const text = changed
      ? `${username} may dial again. What they get now: gerbang explain ${username}`
      : `${username} is not suspended; nothing was changed.`;
    return { text, json: { username, changed } };
  },
};

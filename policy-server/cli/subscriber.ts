import { readFile } from 'node:fs/promises';
import { monotonicMs } from '#domain/clock';
import { InvalidInput } from '#domain/errors';
import { printInstant } from '#domain/print';
import { addSubscriber, addSubscriberSchema } from '#operations/add-subscriber';
import { IMPORT_COLUMNS } from '#operations/import-file';
import { importSubscribers } from '#operations/import-subscribers';
import { faultsOf } from '#operations/input';
import { resume } from '#operations/resume';
import { suspend } from '#operations/suspend';
import { type Command, type Given, textOf } from '#policy-server/cli/command';
import { readSecret } from '#policy-server/cli/secret-input';

const addInput = (given: Given) => ({
  username: textOf(given, 'username'),
  password: textOf(given, 'password'),
  name: textOf(given, 'name'),
  phone: textOf(given, 'phone'),
  billing: textOf(given, 'billing'),
  mac: textOf(given, 'mac'),
  staticIp: textOf(given, 'ip'),
});

export const subscriberAdd: Command = {
  name: 'subscriber add',
  summary: 'Add a subscriber, who may dial at once',
  options: {
    username: { value: 'USERNAME', help: 'the PPPoE user name' },
    password: { value: 'PASSWORD', help: 'the PPPoE password; "-" reads it from standard input' },
    name: { value: 'NAME', help: "the person's name" },
    phone: { value: 'NUMBER', help: 'for example +6281234567890' },
    billing: { value: 'prepaid|postpaid', help: 'prepaid if not given' },
    mac: { value: 'MAC', help: 'only this device may dial' },
    ip: { value: 'ADDRESS', help: 'always the same IPv4 address' },
  },
  fields: { staticIp: 'ip' },
  notes: ['Without a grant a subscriber is accepted at 128k and led to the portal.'],
  check: (given) => faultsOf(addSubscriberSchema, addInput(given)),
  run: async (desk, given) => {
    const input = addInput(given);
    const added = await addSubscriber(desk, { ...input, password: await readSecret(input.password) });
    const text = `Subscriber ${added.username} is added.\nNext: gerbang grant add --username ${added.username} --plan PLAN`;
    return { text, json: added };
  },
};

export const subscriberImport: Command = {
  name: 'subscriber import',
  summary: 'Add every subscriber of a CSV file, or none',
  positionals: [{ name: 'FILE', help: 'a CSV file in UTF-8' }],
  notes: [
    `The first line is ${IMPORT_COLUMNS.join(',')}; only username and password must be filled.`,
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

async function readCsvFile(file: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new InvalidInput([`the file ${file} cannot be read (${why})`]);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new InvalidInput([`the file ${file} is not UTF-8; save it as "CSV UTF-8"`]);
  }
}

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

import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import { HOUR, type Instant, MINUTE } from '#domain/time';
import { actingSubscriber, type Desk } from '#operations/desk';
import { rowNumber } from '#operations/fields';
import { parseInput } from '#operations/input';
import { noSubscriberOfNumber } from '#operations/no-such-subscriber';
import { insertOntTask, type KnownOnt, knownOnt, type OntTaskKind, ontTasksSince } from '#storage/acs';
import { type ChangeTransaction, change } from '#storage/change';
import type { Queryable } from '#storage/database';
import { readSettings } from '#storage/settings';
import { lockSubscriberRecord } from '#storage/subscribers';

/** What a subscriber may change by himself in an hour: enough for typing errors, too little to wear a modem out. */
const MOST_AN_HOUR = 6;

const SSID = say`a WiFi name of 1 to 32 octets, for example Rumah Budi`;
const PASSWORD = say`a WiFi password of 8 to 63 letters, digits and signs, without accents`;

const wifiSchema = z.object({
  subscriberId: rowNumber('a subscriber'),
  ssid: z
    .string()
    .trim()
    // IEEE 802.11: octets, not characters.
    .refine((ssid) => ssid !== '' && Buffer.byteLength(ssid) <= 32 && !/\p{Cc}/u.test(ssid))
    .optional()
    .describe(SSID),
  // IEEE 802.11, annex J.4: a passphrase is 8 to 63 of the characters 32 to 126. Blanks at its ends nobody sees.
  password: z
    .string()
    .regex(/^[\x21-\x7e][\x20-\x7e]{6,61}[\x21-\x7e]$/)
    .optional()
    .describe(PASSWORD),
});

/**
 * Has the name or the password of a subscriber's WiFi changed, or both. It is done in the background (`ontTasksOf` tells how
 * far it is). The audit says what was changed, and the new name; never the password.
 *
 * @throws InvalidInput for fields that cannot be, when nothing is given, when there is no such subscriber or no modem of
 * theirs is known, it cannot be changed from here, or it was changed too often
 */
export async function changeWifi(
  desk: Desk,
  input: Readonly<Record<string, unknown>>,
): Promise<{ readonly taskId: number }> {
  const { subscriberId, ssid, password } = parseInput(wifiSchema, input);
  if (ssid === undefined && password === undefined)
    throw new InvalidInput([say`give a new WiFi name or a new WiFi password`]);
  const self = actingSubscriber(desk);
  if (self !== null && self !== subscriberId) noSubscriberOfNumber(subscriberId);
  const body = { ...(ssid === undefined ? {} : { ssid }), ...(password === undefined ? {} : { password }) };
  const detail = { ...(ssid === undefined ? {} : { ssid }), fields: Object.keys(body) };
  return change(desk.db, { actor: desk.actor, why: 'change wifi', subscriberId, detail }, async (tx) => {
    const { deviceId, reading } = await lockOnt(tx, subscriberId);
    if (
      (ssid !== undefined && reading?.ssidPaths.length === 0) ||
      (password !== undefined && reading?.passwordPaths.length === 0)
    )
      throw new InvalidInput([say`the WiFi of this modem cannot be changed from here`]);
    if (self !== null) await refuseTooMany(tx, subscriberId, desk.clock());
    return { taskId: await insert(tx, desk, { subscriberId, deviceId, kind: 'wifi', body }) };
  });
}

/**
 * Has a subscriber's ONT restarted, or read anew.
 *
 * @throws InvalidInput when there is no such subscriber, no modem of theirs is known, or the same is on its way already
 */
export async function orderOnt(
  desk: Desk,
  subscriberId: number,
  kind: Exclude<OntTaskKind, 'wifi'>,
): Promise<{ readonly taskId: number }> {
  const why = kind === 'reboot' ? 'restart modem' : 'read modem';
  return change(desk.db, { actor: desk.actor, why, subscriberId }, async (tx) => {
    const { deviceId } = await lockOnt(tx, subscriberId);
    const { open } = await ontTasksSince(tx, subscriberId, kind, desk.clock() - HOUR);
    if (open) throw new InvalidInput([say`this is on its way to the modem already`]);
    return { taskId: await insert(tx, desk, { subscriberId, deviceId, kind, body: {} }) };
  });
}

type KnownDevice = KnownOnt & { readonly deviceId: string };

/** The subscriber's row is locked: orders of one subscriber are counted one after another. */
async function lockOnt(tx: ChangeTransaction, subscriberId: number): Promise<KnownDevice> {
  const { genieacs } = await readSettings(tx);
  if (genieacs.url === null) throw new InvalidInput([say`the address of GenieACS is not set`]);
  const subscriber = await lockSubscriberRecord(tx, subscriberId);
  const known = subscriber === null ? null : await knownOnt(tx, subscriberId);
  if (known === null) noSubscriberOfNumber(subscriberId);
  const { deviceId } = known;
  if (deviceId === null) throw new InvalidInput([say`no modem of this line is known to GenieACS`]);
  return { ...known, deviceId };
}

async function refuseTooMany(q: Queryable, subscriberId: number, now: Instant): Promise<void> {
  const { count, first } = await ontTasksSince(q, subscriberId, 'wifi', now - HOUR);
  if (count < MOST_AN_HOUR || first === null) return;
  const minutes = Math.max(1, Math.ceil((first + HOUR - now) / MINUTE));
  throw new InvalidInput([say`the WiFi was changed ${count} times in an hour; again in ${minutes} minutes`]);
}

const insert = (
  tx: ChangeTransaction,
  { sealer, clock, actor }: Desk,
  task: Omit<Parameters<typeof insertOntTask>[2], 'at' | 'by'>,
): Promise<number> => insertOntTask(tx, sealer, { ...task, at: clock(), by: actor });

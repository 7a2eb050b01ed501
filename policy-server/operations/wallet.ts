import { z } from 'zod';
import { InvalidInput, Unavailable } from '#domain/errors';
import { GATEWAYS, GatewayRefusal, type Gateways, type SavedMethod, type WalletLink } from '#domain/gateway';
import { internationalDigits } from '#domain/phone';
import { say } from '#domain/say';
import { DAY, HOUR, type Instant, MINUTE } from '#domain/time';
import { actingSubscriber, type Desk } from '#operations/desk';
import { parsedBy, rowNumber } from '#operations/fields';
import { parseInput } from '#operations/input';
import { noSubscriberOfNumber } from '#operations/no-such-subscriber';
import { type ChangeTransaction, change } from '#storage/change';
import { violatedConstraint } from '#storage/database';
import { keepMethod } from '#storage/saved-methods';
import { findSubscriberAccount } from '#storage/subscribers';
import {
  countWalletLinks,
  endWalletLink,
  insertWalletLink,
  lockWalletLink,
  lookAtWalletLater,
  openWalletLinks,
  type StoredWalletLink,
  setWalletLinked,
  storeWalletAccount,
  type WalletAccount,
  walletAccountOf,
} from '#storage/wallet-links';

const MOST_AN_HOUR = 5;
/** Longer than a gateway's client waits: whoever asked for a link and has none by then is dead. */
const CLAIM_MS = 2 * MINUTE;
/** A customer who has not agreed by then does not mean to. */
const ASKED_FOR_MS = DAY;
const AT_ONCE = 100;

const beginWalletSchema = z.object({
  subscriberId: rowNumber('a subscriber'),
  gateway: z.enum(GATEWAYS),
  phone: parsedBy((text) => {
    const digits = internationalDigits(text);
    return digits?.startsWith('628') ? digits : null;
  }, say`an Indonesian mobile number, for example 0812-3456-7890`),
  returnUrl: z.string(),
});

/**
 * Begins the linking of an e-wallet: the customer agrees at `url`, and what came of it is learned by `lookAtWallets`. One that
 * was begun before and waits is not wanted any more. Only for themselves when a subscriber acts in person.
 *
 * @throws InvalidInput for a number that is none, tried too often, or a wallet that is another subscriber's; GatewayRefusal when
 * the wallet has no such number; Unavailable
 */
export async function beginWallet(
  desk: Desk,
  gateways: Gateways,
  input: Readonly<Record<string, unknown>>,
): Promise<{ readonly url: string }> {
  const { subscriberId, gateway, phone, returnUrl } = parseInput(beginWalletSchema, input);
  const wallets = (await gateways.named(gateway))?.wallets;
  if (wallets === undefined) throw new InvalidInput([say`this gateway links no e-wallets`]);
  // Committed first: each attempt counts, and whoever dies from here on leaves nothing that could be charged.
  const id = await begun(desk, subscriberId, gateway, wallets.brand);
  try {
    const link = await wallets.link({ phone, returnUrl });
    await store(desk, id, subscriberId, link);
    return { url: link.url };
  } catch (error) {
    await desk.db.transaction((tx) => endWalletLink(tx, id, desk.clock()));
    if (violatedConstraint(error) !== 'wallet_link_account') throw error;
    throw new InvalidInput([say`this e-wallet is linked for another line; remove it there first`]);
  }
}

function begun(
  desk: Desk,
  subscriberId: number,
  gateway: StoredWalletLink['gateway'],
  wallet: string,
): Promise<number> {
  const why = { actor: desk.actor, why: 'begin linking e-wallet', subscriberId, detail: { gateway, wallet } };
  return change(desk.db, why, async (tx) => {
    const isTheirs = (actingSubscriber(desk) ?? subscriberId) === subscriberId;
    const found = isTheirs ? await findSubscriberAccount(tx, subscriberId, 'lock') : null;
    if (found === null) noSubscriberOfNumber(subscriberId);
    const now = desk.clock();
    // Each asks the wallet about a number that anybody can type.
    if ((await countWalletLinks(tx, subscriberId, now - HOUR)) >= MOST_AN_HOUR) {
      throw new InvalidInput([say`linking was tried too often; try again in an hour`]);
    }
    return insertWalletLink(tx, { subscriberId, gateway }, now, now + CLAIM_MS, desk.actor);
  });
}

const store = (desk: Desk, id: number, subscriberId: number, link: WalletLink): Promise<void> =>
  desk.db.transaction(async (tx) => {
    await findSubscriberAccount(tx, subscriberId, 'lock');
    const stored = await lockWalletLink(tx, id);
    if (stored?.state !== 'waiting') throw new InvalidInput([say`linking was begun once more meanwhile; go on there`]);
    await storeWalletAccount(tx, desk.sealer, stored, link, desk.clock());
  });

/** How many are linked now, and how many are not (any more). */
export type WalletLook = { readonly linked: number; readonly ended: number };

/**
 * Asks the gateways about wallets that are being linked (for a day) and keeps each that is, once; and unlinks those that were
 * removed, until the gateway says that they are. Those that it is time for, or all of one subscriber.
 */
export async function lookAtWallets(
  desk: Desk,
  gateways: Gateways,
  whose?: { readonly subscriberId: number },
): Promise<WalletLook> {
  const came = { linked: 0, ended: 0, later: 0 };
  const mistakes: unknown[] = [];
  for (const link of await openWalletLinks(desk.db, whose ?? { dueAt: desk.clock() }, AT_ONCE)) {
    came[await look(desk, gateways, link, mistakes)] += 1;
  }
  if (mistakes.length > 0) throw mistakes[0];
  return { linked: came.linked, ended: came.ended };
}

type Came = 'linked' | 'ended' | 'later';

async function look(desk: Desk, gateways: Gateways, link: StoredWalletLink, mistakes: unknown[]): Promise<Came> {
  let came: Came = 'later';
  try {
    came = await ask(desk, gateways, link);
  } catch (error) {
    // The gateway is away or does not take our keys: it is asked again. What else is wrong with one keeps no other waiting.
    if (!(error instanceof Unavailable || error instanceof GatewayRefusal)) mistakes.push(error);
  }
  if (came === 'later') {
    await desk.db.transaction((tx) => lookAtWalletLater(tx, link.id, nextLook(link, desk.clock())));
  }
  return came;
}

/** Nobody waits for what is unlinked; who just came back from the wallet does. */
function nextLook({ state, createdAt }: StoredWalletLink, now: Instant): Instant {
  return now + (state === 'waiting' ? Math.min(HOUR, Math.max(MINUTE, (now - createdAt) / 2)) : HOUR);
}

async function ask(desk: Desk, gateways: Gateways, link: StoredWalletLink): Promise<Came> {
  const account = await walletAccountOf(desk.db, desk.sealer, link.id);
  const age = desk.clock() - link.createdAt;
  if (account === null) return age < CLAIM_MS ? 'later' : end(desk, link);
  const wallets = (await gateways.named(link.gateway))?.wallets;
  if (wallets === undefined) return 'later';
  if (link.methodId === null) {
    const state = await wallets.stateOf(account.token);
    if (state === 'ended') return end(desk, link);
    if (state === 'pending' && age < ASKED_FOR_MS) return 'later';
    if (state === 'linked' && link.state === 'waiting') return keep(desk, link, account);
  }
  await wallets.unlink(account.token);
  return end(desk, link);
}

/** Where it still waits, a wallet that is linked is kept. */
async function keep(desk: Desk, link: StoredWalletLink, { token }: WalletAccount): Promise<Came> {
  const saved: SavedMethod = { kind: 'e-wallet', label: link.label!, token, expiresAt: null };
  return decide(desk, link, 'link e-wallet', 'linked', async (tx) => {
    const { subscriberId, gateway } = link;
    const methodId = await keepMethod(tx, desk.sealer, subscriberId, gateway, saved, desk.clock());
    await setWalletLinked(tx, link.id, methodId);
  });
}

const end = (desk: Desk, link: StoredWalletLink): Promise<Came> =>
  decide(desk, link, link.state === 'waiting' ? 'e-wallet not linked' : 'unlink e-wallet', 'ended', (tx) =>
    endWalletLink(tx, link.id, desk.clock()),
  );

/** One commit with its audit, unless it stands otherwise by now: then there is another look at it. */
async function decide(
  desk: Desk,
  { id, subscriberId, gateway, label, state }: StoredWalletLink,
  verb: string,
  came: Came,
  work: (tx: ChangeTransaction) => Promise<void>,
): Promise<Came> {
  const detail = { gateway, ...(label === null ? {} : { method: label }) };
  const why = { actor: desk.actor, why: verb, subscriberId, detail, nothing: false };
  return change(desk.db, why, async (tx) => {
    await findSubscriberAccount(tx, subscriberId, 'lock');
    why.nothing = (await lockWalletLink(tx, id))?.state !== state;
    if (why.nothing) return 'later';
    await work(tx);
    return came;
  });
}

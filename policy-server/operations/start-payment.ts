import { randomBytes } from 'node:crypto';
import type { Rupiah } from '#domain/billing';
import { InvalidInput, Unavailable } from '#domain/errors';
import { type Gateway, type GatewayName, GatewayRefusal, type Gateways, type PaymentLink } from '#domain/gateway';
import { say } from '#domain/say';
import { HOUR, type Instant, MINUTE, SECOND } from '#domain/time';
import { askGateway } from '#operations/ask-gateway';
import { offerStands } from '#operations/change-offer';
import { actingSubscriber, type Desk } from '#operations/desk';
import { noSubscriberOfNumber } from '#operations/no-such-subscriber';
import { settleFromCredit } from '#operations/receive-payment';
import { type ChangeTransaction, change } from '#storage/change';
import type { Queryable } from '#storage/database';
import { type Invoice, invoiceOf, lockInvoice } from '#storage/invoices';
import { creditOf } from '#storage/ledger';
import {
  closeIntent,
  countAttempts,
  insertIntent,
  linksOf,
  openIntentOf,
  openTopUpOf,
  type PaymentIntent,
  setClaim,
  storeLink,
} from '#storage/payment-intents';
import { paymentLinkAad, type Sealer } from '#storage/secrets';
import { readSettings } from '#storage/settings';
import { findSubscriberAccount } from '#storage/subscribers';

/** What is to be paid: an invoice, by the id that addresses show, or credit for later. */
export type Payable =
  | { readonly subscriberId: number; readonly invoice: string }
  | { readonly subscriberId: number; readonly topUpRupiah: Rupiah };

export type PaymentChoice = {
  /** Left out: the one whose link is there, else the first one. */
  readonly gateway?: GatewayName;
  /** The customer wants the card or wallet kept. */
  readonly save?: boolean;
  /** Where the browser goes when it is done. */
  readonly returnUrl: string;
};

export type StartedPayment = {
  readonly url: string;
  readonly orderId: string;
  readonly gateway: GatewayName;
  readonly expiresAt: Instant;
  /** The link was there already. */
  readonly reused: boolean;
};

/** There is nothing to pay: no such invoice of this subscriber, or it is settled, or void. */
export class NotPayable extends InvalidInput {
  override name = 'NotPayable';
  readonly is: 'not-found' | 'settled' | 'void';

  constructor(is: NotPayable['is'], fault: string) {
    super([fault]);
    this.is = is;
  }
}

/** No gateway is switched on, or not the one that was chosen. */
export class NoGateway extends Error {
  override name = 'NoGateway';
}

/** Longer than a gateway's client waits for it: whoever has claimed an attempt and still is silent is dead. */
const CLAIM_MS = 20 * SECOND;
const WAIT_MS = 25 * SECOND;
const LOOK_EVERY_MS = 100;
/** A link that ends sooner is of no use to somebody who has yet to open it. */
const USEFUL_MS = 2 * MINUTE;
/** Order ids that may be somebody else's, and links that may have to be closed, before we give up for now. */
const MOST_ROUNDS = 8;

/**
 * A link at which a customer pays. Of an invoice there is one at a time: asked again, also at the same moment, it is the
 * same link; where it has run out, or another gateway or amount is due, the earlier one is closed at its gateway first. What is asked
 * is what is owed less the customer's credit; where the credit is enough the invoice is settled with it.
 *
 * @throws NotPayable, NoGateway; Unavailable when the gateway does not answer; GatewayRefusal when it refuses
 */
export async function startPayment(
  desk: Desk,
  gateways: Gateways,
  payable: Payable,
  choice: PaymentChoice,
): Promise<StartedPayment> {
  if ((actingSubscriber(desk) ?? payable.subscriberId) !== payable.subscriberId) notFound();
  const at = { desk, gateways, payable, choice, active: await gateways.active() };
  if (choice.gateway !== undefined && !at.active.some(({ name }) => name === choice.gateway)) noGateway();
  if (at.active.length === 0) noGateway();
  let waited = 0;
  for (let round = 0; round < MOST_ROUNDS; ) {
    const next = await look(at);
    if (next.do === 'take') return started(desk, next.intent, true);
    if (next.do === 'wait') {
      if (waited >= WAIT_MS) break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      waited += LOOK_EVERY_MS;
      continue;
    }
    round += 1;
    if (next.do === 'close') {
      await closeEarlier(at, next.intent);
      continue;
    }
    const made = await create(at, next.intent);
    if (made !== null) return made;
  }
  throw new Unavailable(say`the payment gateway is still being asked for the link`);
}

type At = {
  readonly desk: Desk;
  readonly gateways: Gateways;
  readonly payable: Payable;
  readonly choice: PaymentChoice;
  readonly active: readonly Gateway[];
};

type Next =
  /** Its link is good. */
  | { readonly do: 'take'; readonly intent: PaymentIntent }
  /** Somebody else asks for its link just now. */
  | { readonly do: 'wait' }
  /** It is ours to ask for its link. */
  | { readonly do: 'create'; readonly intent: PaymentIntent }
  | { readonly do: 'close'; readonly intent: PaymentIntent };

/** What is to be done now. Reads only, where nothing has to be written. */
async function look(at: At): Promise<Next> {
  const { desk, payable } = at;
  const [intent, amount] = await standing(at, desk.db);
  const next = intent === null ? null : judge(at, intent, amount);
  if (next !== null && next.do !== 'create') return next;
  const detail: Record<string, unknown> = { ...payable };
  const why = { actor: desk.actor, why: 'start payment', subscriberId: payable.subscriberId, detail };
  const claimed = await change(desk.db, why, async (tx): Promise<Next | 'settled'> => {
    const [now, owed] = await standing(at, tx, 'lock');
    if (owed <= 0) return settleNow(at, tx);
    const again = now === null ? null : judge(at, now, owed);
    if (again !== null && again.do !== 'create') return again;
    const mine = now === null ? await begin(at, tx, owed) : now;
    if (now !== null) await setClaim(tx, now.id, desk.clock() + CLAIM_MS);
    Object.assign(detail, { orderId: mine.orderId, gateway: mine.gateway, amountRupiah: mine.amountRupiah });
    return { do: 'create', intent: mine };
  });
  return claimed === 'settled' ? paidByCredit() : claimed;
}

/** The open attempt, if there is one, and what is to be paid. */
async function standing({ desk, payable }: At, q: Queryable, lock?: 'lock'): Promise<[PaymentIntent | null, Rupiah]> {
  const { subscriberId } = payable;
  if ('topUpRupiah' in payable) {
    if (lock === 'lock') await findSubscriberAccount(q, subscriberId, 'lock');
    return [await openTopUpOf(q, subscriberId, payable.topUpRupiah), payable.topUpRupiah];
  }
  const invoice = payableNow(await invoiceFor(q, subscriberId, payable.invoice, lock));
  if (!(await offerStands(q, desk, invoice))) {
    throw new NotPayable(
      'void',
      say`what invoice ${invoice.number} gives back is used up by now; change the package again`,
    );
  }
  const credit = Math.max(0, await creditOf(q, subscriberId));
  return [await openIntentOf(q, invoice.id), invoice.owedRupiah - credit];
}

async function invoiceFor(q: Queryable, subscriberId: number, publicId: string, lock?: 'lock'): Promise<Invoice> {
  const invoice = (await invoiceOf(q, subscriberId, publicId)) ?? notFound();
  return lock === 'lock' ? (await lockInvoice(q, invoice.id))! : invoice;
}

function payableNow(invoice: Invoice): Invoice {
  if (invoice.settledAt !== null) throw new NotPayable('settled', say`invoice ${invoice.number} is paid already`);
  if (invoice.voidedAt !== null) throw new NotPayable('void', say`invoice ${invoice.number} is void: nothing is owed`);
  return invoice;
}

/** What an open attempt is good for. */
function judge({ desk, choice, active }: At, intent: PaymentIntent, amount: Rupiah): Next {
  const now = desk.clock();
  const { linkSealed, expiresAt, claimedUntil, gateway } = intent;
  const wanted = choice.gateway ?? (active.some(({ name }) => name === gateway) ? gateway : undefined);
  const fits =
    gateway === wanted && intent.amountRupiah === amount && (choice.save ?? intent.saveMethod) === intent.saveMethod;
  if (linkSealed !== null) {
    return { do: fits && expiresAt !== null && expiresAt > now + USEFUL_MS ? 'take' : 'close', intent };
  }
  // A saved method is being charged for it: a link beside that could be paid too.
  if (intent.methodId !== null) {
    throw new Unavailable(say`auto-pay is charging this invoice just now; look again in a few minutes`);
  }
  if (claimedUntil !== null && claimedUntil > now) return { do: 'wait' };
  return { do: fits ? 'create' : 'close', intent };
}

/** A new attempt, in the caller's transaction, the subscriber locked. */
async function begin({ desk, payable, choice, active }: At, tx: ChangeTransaction, amount: Rupiah) {
  const gateway = choice.gateway ?? active[0]!.name;
  const { subscriberId } = payable;
  const invoice = 'invoice' in payable ? await invoiceFor(tx, subscriberId, payable.invoice) : null;
  if (invoice === null && (await findSubscriberAccount(tx, subscriberId)) === null) noSubscriberOfNumber(subscriberId);
  const createdAt = desk.clock();
  return insertIntent(tx, {
    orderId:
      invoice === null
        ? `TOPUP-${randomBytes(10).toString('hex')}`
        : `${invoice.number.replaceAll('/', '-')}-${(await countAttempts(tx, invoice.id)) + 1}`,
    gateway,
    subscriberId,
    invoiceId: invoice?.id ?? null,
    amountRupiah: amount,
    createdAt,
    createdBy: desk.actor,
    claimedUntil: createdAt + CLAIM_MS,
    saveMethod: choice.save ?? false,
  });
}

async function settleNow({ desk, payable }: At, tx: ChangeTransaction): Promise<'settled'> {
  if (!('invoice' in payable)) throw new InvalidInput([say`a top-up is of more than Rp 0`]);
  await settleFromCredit(tx, desk, await invoiceFor(tx, payable.subscriberId, payable.invoice, 'lock'));
  return 'settled';
}

/** Asks the gateway for the link; null when the order's id is taken there, so that the next attempt has to be made. */
async function create(at: At, intent: PaymentIntent): Promise<StartedPayment | null> {
  const { desk, active } = at;
  const gateway = active.find(({ name }) => name === intent.gateway)!;
  let link: PaymentLink;
  try {
    link = await gateway.createPayment(await requestOf(at, intent));
  } catch (error) {
    const taken = await giveUp(desk, intent, error);
    if (taken) return null;
    throw error;
  }
  const sealed = desk.sealer.seal(link.url, paymentLinkAad(intent.id));
  return started(desk, await storeLink(desk.db, intent, { sealed, ...link }), false);
}

async function requestOf({ desk, payable, choice }: At, intent: PaymentIntent) {
  const [{ gateways }, subscriber] = await Promise.all([
    readSettings(desk.db),
    findSubscriberAccount(desk.db, intent.subscriberId),
  ]);
  const { name, username, phone, language } = subscriber!;
  const invoice = 'invoice' in payable ? await invoiceFor(desk.db, payable.subscriberId, payable.invoice) : null;
  const indonesian = language === 'id';
  const topUp = indonesian ? 'Isi saldo' : 'Top-up';
  return {
    orderId: intent.orderId,
    amountRupiah: intent.amountRupiah,
    description: invoice === null ? topUp : `${indonesian ? 'Tagihan' : 'Invoice'} ${invoice.number}`,
    customer: { name: name || username, phone },
    expiresAt: desk.clock() + gateways.linkHours * HOUR,
    returnUrl: choice.returnUrl,
    save: intent.saveMethod ? { customerRef: `subscriber-${intent.subscriberId}` } : null,
  };
}

/** No link came of it. Returns whether the id of the order is somebody else's. */
async function giveUp(desk: Desk, { id }: PaymentIntent, error: unknown): Promise<boolean> {
  if (!(error instanceof GatewayRefusal)) {
    // It may be made at the gateway all the same: whoever asks next asks for the same order.
    await setClaim(desk.db, id, null);
    return false;
  }
  await closeIntent(desk.db, id, { state: 'failed', answer: error.code, asking: false, at: desk.clock() });
  return error.code === 'order-taken';
}

/** Nobody may pay by the earlier link once there is another one. Where it was paid meanwhile, that is applied. */
async function closeEarlier({ desk, gateways, choice, active }: At, intent: PaymentIntent): Promise<void> {
  const at = desk.clock();
  const state = intent.expiresAt !== null && intent.expiresAt <= at ? 'expired' : 'cancelled';
  const closing = { state, answer: state, asking: false, at } as const;
  const gateway = await gateways.named(intent.gateway);
  try {
    if (gateway === null || (await gateway.close(intent))) return await closeIntent(desk.db, intent.id, closing);
    await askGateway(desk, gateways, intent.orderId);
  } catch (error) {
    const elsewhere = (choice.gateway ?? active[0]!.name) !== intent.gateway;
    if (!(error instanceof Unavailable) || !elsewhere) throw error;
    // Its gateway is away, which may be why another one is chosen; what is paid by it all the same becomes credit.
  }
  await closeIntent(desk.db, intent.id, { ...closing, state: null, answer: 'not-closed', asking: true });
}

function started({ sealer }: Desk, intent: PaymentIntent, reused: boolean): StartedPayment {
  const { id, orderId, gateway, expiresAt, linkSealed } = intent;
  return { url: sealer.open(linkSealed!, paymentLinkAad(id)), orderId, gateway, expiresAt: expiresAt!, reused };
}

/** The links that a customer can pay at now, by the id of the invoice. */
export async function openLinks(
  q: Queryable,
  sealer: Sealer,
  subscriberId: number,
  now: Instant,
): Promise<ReadonlyMap<number, { readonly url: string; readonly gateway: GatewayName; readonly expiresAt: Instant }>> {
  const links = await linksOf(q, subscriberId, now);
  return new Map(
    links.map(({ id, invoiceId, gateway, linkSealed, expiresAt }) => [
      invoiceId,
      { url: sealer.open(linkSealed, paymentLinkAad(id)), gateway, expiresAt },
    ]),
  );
}

function notFound(): never {
  throw new NotPayable('not-found', say`there is no such invoice`);
}

function noGateway(): never {
  throw new NoGateway('no payment gateway is switched on');
}

function paidByCredit(): never {
  throw new NotPayable('settled', say`this invoice was paid from the balance`);
}

import { assert } from '#domain/assert';
import type { Rupiah } from '#domain/billing';
import { printRupiah } from '#domain/money';
import { type Language, printLocalDateTime } from '#domain/print-local';
import type { Instant } from '#domain/time';
import type { Desk } from '#operations/desk';
import { queueNotice } from '#operations/queue-notice';
import { afterQuietHours } from '#operations/queue-reminders';
import type { Queryable } from '#storage/database';
import { type Invoice, linesOf } from '#storage/invoices';
import type { Recipient } from '#storage/messages';
import type { PaymentIntent } from '#storage/payment-intents';
import { labelOfMethod } from '#storage/saved-methods';
import { readSettings } from '#storage/settings';

/** Why auto-pay could not pay; pages have words for each. */
export const AUTO_PAY_FAULTS = [
  'balance',
  'declined',
  'refused',
  'keys',
  'method-gone',
  'method-expired',
  'plan-gone',
  'order',
] as const;
export type AutoPayFault = (typeof AUTO_PAY_FAULTS)[number];

/** What trying again does not help with. */
export const isFinal = (fault: AutoPayFault): boolean =>
  fault === 'method-gone' || fault === 'method-expired' || fault === 'plan-gone';

/** Each a sentence inside of a message. */
const WHY: Readonly<Record<AutoPayFault, Readonly<Record<Language, string>>>> = {
  balance: { id: 'saldo Anda belum cukup.', en: 'there is not enough in your balance.' },
  declined: {
    id: 'bank atau dompet digital Anda menolaknya.',
    en: 'your bank or e-wallet declined it.',
  },
  refused: {
    id: 'penyedia pembayaran tidak menerimanya.',
    en: 'the payment provider did not accept it.',
  },
  keys: {
    id: 'penyedia pembayaran sedang tidak bisa kami pakai.',
    en: 'we cannot use the payment provider just now.',
  },
  'method-gone': {
    id: 'kartu atau dompet digital itu tidak tersimpan lagi.',
    en: 'that card or e-wallet is no longer saved.',
  },
  'method-expired': { id: 'masa berlaku kartu Anda sudah habis.', en: 'your card has expired.' },
  'plan-gone': { id: 'paket itu tidak dijual lagi.', en: 'that package is no longer sold.' },
  order: { id: 'pesanannya tidak bisa dibuat.', en: 'the order could not be made.' },
};

/** What is paid, in the reader's words; a plan or an invoice. */
export type PaidFor = { readonly plan: string } | { readonly number: string };

export function printPaidFor(what: PaidFor, language: Language): string {
  if ('plan' in what) return language === 'id' ? `paket ${what.plan}` : `the package ${what.plan}`;
  return language === 'id' ? `tagihan ${what.number}` : `invoice ${what.number}`;
}

/** `methodId` null: the balance. */
export type Charged = {
  readonly subscriberId: number;
  readonly methodId: number | null;
  readonly what: PaidFor;
  readonly amountRupiah: Rupiah;
};

/** A day before: what, how much, when, and where to stop it. Each amount for each end is told once. */
export async function tellSoon(
  tx: Queryable,
  desk: Desk,
  charged: Charged,
  key: string,
  when: Instant,
): Promise<boolean> {
  const { common, dueAt } = await prepare(tx, desk, charged);
  const { subscriberId, amountRupiah } = charged;
  return queueNotice(tx, desk, {
    subscriberId,
    notice: 'auto-pay-soon',
    values: (to) => ({ ...common(to), when: printLocalDateTime(when, desk.zone, to.language) }),
    onceKey: `auto-pay-soon:${subscriberId}:${key}:${amountRupiah}`,
    dueAt,
  });
}

/** What an invoice is for: the package that it sells, or itself. */
export async function paidFor(q: Queryable, { id, kind, number }: Invoice): Promise<PaidFor> {
  const line = kind === 'package' ? (await linesOf(q, id)).find((one) => one.kind === 'plan') : undefined;
  return line === undefined ? { number } : { plan: line.description };
}

/** A saved method was charged for an invoice, as it was before that settled it; in the commit of the payment. */
export async function tellCharged(
  tx: Queryable,
  desk: Desk,
  { subscriberId, methodId, amountRupiah }: Pick<PaymentIntent, 'subscriberId' | 'methodId' | 'amountRupiah'>,
  invoice: Invoice | null,
): Promise<void> {
  assert(invoice !== null, 'only invoices are charged');
  const charged = { subscriberId, methodId, what: await paidFor(tx, invoice), amountRupiah };
  await tellPaid(tx, desk, charged, `${invoice.id}:${invoice.settlements + 1}`);
}

/** It is paid. `key` names what was: an invoice, and which of its settlements. */
export async function tellPaid(tx: Queryable, desk: Desk, charged: Charged, key: string): Promise<boolean> {
  const { common: values, dueAt } = await prepare(tx, desk, charged);
  const { subscriberId } = charged;
  return queueNotice(tx, desk, {
    subscriberId,
    notice: 'auto-pay-done',
    values,
    onceKey: `auto-pay-done:${key}`,
    dueAt,
  });
}

/** It could not be paid; `again` null: it is not tried again by itself. */
export async function tellFailed(
  tx: Queryable,
  desk: Desk,
  charged: Charged,
  fault: AutoPayFault,
  again: Instant | null,
): Promise<boolean> {
  const { common, dueAt } = await prepare(tx, desk, charged);
  const { subscriberId } = charged;
  return queueNotice(tx, desk, {
    subscriberId,
    notice: 'auto-pay-failed',
    values: (to) => ({ ...common(to), because: WHY[fault][to.language], next: printNext(desk, again, to.language) }),
    onceKey: `auto-pay-failed:${subscriberId}:${desk.clock()}`,
    dueAt,
  });
}

function printNext({ zone }: Desk, again: Instant | null, language: Language): string {
  if (again === null) {
    return language === 'id'
      ? 'Bayar otomatis kami jeda; tidak ada yang ditagih lagi sampai Anda mengaktifkannya.'
      : 'We have paused auto-pay; nothing more is charged until you switch it on again.';
  }
  const when = printLocalDateTime(again, zone, language);
  return language === 'id' ? `Kami coba lagi ${when}.` : `We try again on ${when}.`;
}

/** What all three say, and when it may be said. */
async function prepare(tx: Queryable, desk: Desk, { methodId, what, amountRupiah }: Charged) {
  const label = methodId === null ? null : await labelOfMethod(tx, methodId);
  const { reminders } = await readSettings(tx);
  const common = ({ addressee, language }: Recipient) => ({
    name: addressee,
    for: printPaidFor(what, language),
    amount: printRupiah(amountRupiah),
    method: label ?? (language === 'id' ? 'saldo Anda' : 'your balance'),
    moreUrl: `${desk.publicUrl}/customer/autopay`,
  });
  return { common, dueAt: afterQuietHours(desk.clock(), reminders, desk.zone) };
}

import { type InvoiceLine, invoiceState } from '#domain/billing';
import { printInstant, printRupiah } from '#domain/print';
import { noSuchPlan } from '#operations/add-grant';
import { type ChangePreview, placeChange, previewChange } from '#operations/change-package';
import { faultsOf } from '#operations/input';
import { noSuchSubscriber } from '#operations/no-such-subscriber';
import { endSubscription, lastDay, subscribe, subscribeSchema } from '#operations/subscriptions';
import { type Command, type Given, type Office, textOf } from '#policy-server/cli/command';
import { type Column, table } from '#policy-server/cli/table';
import { type Invoice, invoicesOf } from '#storage/invoices';
import { creditOf } from '#storage/ledger';
import { findPlan } from '#storage/plans';
import { findSubscriber } from '#storage/subscribers';
import { lastSubscription, subscriptionOf } from '#storage/subscriptions';

const INVOICES_SHOWN = 12;
const USERNAME = { value: 'USERNAME', help: 'the PPPoE user name', required: true } as const;
const PLAN = { value: 'PLAN', help: 'the name of a plan', required: true } as const;

async function subscriberId({ db }: Office, username: string | undefined): Promise<number> {
  return ((await findSubscriber(db, username ?? '')) ?? noSuchSubscriber(username ?? '')).id;
}

async function planId({ db }: Office, given: Given): Promise<number> {
  const name = textOf(given, 'plan') ?? '';
  return ((await findPlan(db, { name })) ?? (await noSuchPlan(db, name))).planId;
}

export const subscriptionStart: Command = {
  name: 'subscription start',
  summary: 'Bill a subscriber for a plan, month after month (postpaid)',
  options: {
    username: USERNAME,
    plan: PLAN,
    'billing-day': {
      value: 'DAY',
      help: 'the day of the month of the invoice, 1 to 31; the day it starts, if not given',
    },
    'starts-on': { value: 'DATE', help: 'today, if not given' },
  },
  notes: [
    'In a month that has no such day the invoice comes on its last day.',
    'What is between the start and the first billing day is asked for as a share of the month, at once.',
    'A prepaid subscriber becomes postpaid.',
  ],
  check: (given) =>
    faultsOf(subscribeSchema.pick({ billingDay: true, startsOn: true }), {
      billingDay: textOf(given, 'billing-day'),
      startsOn: textOf(given, 'starts-on'),
    }),
  run: async (office, given) => {
    const started = await subscribe(office, {
      subscriberId: await subscriberId(office, textOf(given, 'username')),
      planId: await planId(office, given),
      billingDay: textOf(given, 'billing-day'),
      startsOn: textOf(given, 'starts-on'),
    });
    const text = `${started.username} has a subscription to ${started.plan} from ${started.startsOn}; the next invoice is on ${started.nextOn}.`;
    return { text, json: started };
  },
};

export const subscriptionEnd: Command = {
  name: 'subscription end',
  summary: 'End a subscription at the end of its period',
  options: {
    username: USERNAME,
    now: { value: 'flag', help: 'at once instead; the rest of the period becomes credit of the subscriber' },
  },
  run: async (office, given) => {
    const ended = await endSubscription(office, {
      subscriberId: await subscriberId(office, textOf(given, 'username')),
      when: given.options.now === true ? 'now' : 'period-end',
    });
    const { username, plan, until, creditRupiah } = ended;
    const covered =
      until === null ? 'it had not begun' : `the line is covered until ${printInstant(until, office.zone)}`;
    const credit = creditRupiah > 0 ? `; ${printRupiah(creditRupiah)} became credit` : '';
    return { text: `The subscription of ${username} to ${plan} is ended: ${covered}${credit}.`, json: ended };
  },
};

export const subscriptionShow: Command = {
  name: 'subscription show',
  summary: 'Show the subscription of a subscriber, its newest invoices and the credit',
  positionals: [{ name: 'USERNAME', help: 'the PPPoE user name' }],
  run: async (office, given) => {
    const { db, zone } = office;
    const [username] = given.words as [string];
    const id = await subscriberId(office, username);
    const [subscription, last, invoices, creditRupiah] = await Promise.all([
      subscriptionOf(db, id),
      lastSubscription(db, id),
      invoicesOf(db, id, INVOICES_SHOWN),
      creditOf(db, id),
    ]);
    const lines: string[] = [];
    if (subscription !== null) {
      const day = lastDay(subscription);
      const covered = day === null ? 'not begun yet' : `covered up to and with ${day}`;
      lines.push(
        `${subscription.plan}, billed on day ${subscription.billingDay}; ${covered}; next invoice ${subscription.nextOn}.`,
      );
    } else if (last !== null) {
      lines.push(
        `None. The last one, to ${last.plan}, was ended ${printInstant(last.endedAt, zone)} by ${last.endedBy}.`,
      );
    } else lines.push('None.');
    lines.push(`Credit: ${printRupiah(creditRupiah)}.`, '', table(invoices, columns(office), 'no invoices'));
    return { text: lines.join('\n'), json: { subscription, creditRupiah, invoices } };
  },
};

const columns = ({ clock, zone }: Office): Column<Invoice>[] => [
  { title: 'invoice', cell: (row) => row.number },
  { title: 'issued', cell: (row) => printInstant(row.issuedAt, zone) },
  { title: 'due', cell: (row) => row.dueOn },
  { title: 'total', cell: (row) => printRupiah(row.totalRupiah), align: 'right' },
  { title: 'state', cell: (row) => invoiceState(row, clock()) },
];

export const subscriptionChange: Command = {
  name: 'subscription change',
  summary: 'Change the package: shows what it costs; with --accept, orders it',
  options: {
    username: USERNAME,
    plan: PLAN,
    promo: { value: 'CODE', help: 'a promo code' },
    accept: { value: 'RUPIAH', help: 'the total as it was shown; without it nothing is changed' },
  },
  fields: { expectedTotalRupiah: 'accept', promoCode: 'promo' },
  notes: [
    'Of a subscription the rest of the period is charged for the new plan and given back for the old one.',
    'Prepaid: the new package begins anew, less what is left of the old one by time, or by data where less of that is left.',
    'It happens when its invoice is paid; where nothing is to be paid, at once.',
  ],
  run: async (office, given) => {
    const ask = {
      subscriberId: await subscriberId(office, textOf(given, 'username')),
      planId: await planId(office, given),
      promoCode: textOf(given, 'promo'),
    };
    const accepted = textOf(given, 'accept');
    const preview = await previewChange(office, ask);
    if (accepted === undefined) return { text: printPreview(preview, office), json: preview };
    const placed = await placeChange(office, { ...ask, expectedTotalRupiah: accepted });
    const { purchaseNumber, totalRupiah } = placed;
    const text =
      totalRupiah === 0
        ? `Changed to ${preview.to.plan}.`
        : `Ordered (${purchaseNumber}): ${preview.to.plan} begins when ${printRupiah(totalRupiah)} is paid; see: purchase settle`;
    return { text, json: placed };
  },
};

function printPreview(
  { from, to, lines, taxRupiah, totalRupiah, creditRupiah, until, next }: ChangePreview,
  { zone }: Office,
) {
  const rows: Pick<InvoiceLine, 'description' | 'amountRupiah'>[] = [...lines];
  if (taxRupiah > 0) rows.push({ description: 'tax in the total', amountRupiah: taxRupiah });
  rows.push({ description: 'to be paid', amountRupiah: totalRupiah });
  if (creditRupiah > 0) rows.push({ description: 'becomes credit', amountRupiah: creditRupiah });
  const printed = table(
    rows,
    [
      { title: 'line', cell: (row) => row.description },
      { title: 'amount', cell: (row) => printRupiah(row.amountRupiah), align: 'right' },
    ],
    'nothing',
  );
  const now = from === null ? 'nothing runs' : `${from.plan} until ${printInstant(from.until, zone)}`;
  const later = next === null ? '' : `; next invoice ${next.on}: ${printRupiah(next.rupiah)}`;
  return `Now: ${now}.\nNew: ${to.plan} until ${printInstant(until, zone)}${later}.\n\n${printed}\n\nTo order it: --accept ${totalRupiah}`;
}

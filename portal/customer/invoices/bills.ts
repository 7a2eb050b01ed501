import { type InvoiceState, startOf } from '#domain/billing';
import type { GatewayName } from '#domain/gateway';
import type { Instant } from '#domain/time';
import { openLinks } from '#operations/start-payment';
import type { Context } from '#portal/shared/context';
import { gatewayName } from '#portal/shared/methods';
import { type Invoice, stateOf } from '#storage/invoices';

/** What the partial `_pay-online` shows: a link that is there, or the way to one. */
export type PayOnline = {
  readonly publicId: string;
  /** Where it can be paid at once; null = a link has to be made first. */
  readonly url: string | null;
  /** Whose link that is. */
  readonly by: GatewayName | null;
  /** From whom a link can be had, the preferred one first; none = the company takes no money online. */
  readonly gateways: readonly { readonly name: GatewayName; readonly shown: string }[];
  /** There is something to choose. */
  readonly several: boolean;
};

/** An invoice as customers see it. */
export type Bill = {
  readonly publicId: string;
  readonly number: string;
  /** The local day by whose end it is to be paid. */
  readonly dueAt: Instant;
  readonly rupiah: number;
  readonly state: InvoiceState;
  /** Key of the word, colour and picture of the state. */
  readonly words: string;
  readonly is: 'good' | 'warn' | 'bad' | '';
  readonly icon: string;
  readonly settledAt: Instant | null;
  /** Only of what is still to be paid. */
  readonly pay: PayOnline | null;
};

const STATES: Readonly<Record<InvoiceState, Pick<Bill, 'words' | 'is' | 'icon'>>> = {
  paid: { words: 'invoices-customer.paid', is: 'good', icon: 'check' },
  unpaid: { words: 'invoices-customer.unpaid', is: 'warn', icon: 'clock' },
  overdue: { words: 'invoices-customer.overdue', is: 'bad', icon: 'warning' },
  void: { words: 'invoices-customer.void', is: '', icon: 'cross' },
};

/** It goes into pages: what is no address of the web is none of a gateway. */
export const isWebAddress = (url: string): boolean => /^https?:\/\//.test(url);

export const isOpen = (state: InvoiceState): boolean => state === 'unpaid' || state === 'overdue';

/** Invoices of whoever is logged in, with the way to pay what is open. */
export async function billsOf(context: Context, invoices: readonly Invoice[]): Promise<Bill[]> {
  const { db, opened, subscriberId, now } = context;
  const anyOpen = invoices.some((invoice) => isOpen(stateOf(invoice, now)));
  const [links, active] = anyOpen
    ? await Promise.all([openLinks(db, opened.sealer, subscriberId, now), opened.gateways.active()])
    : [new Map<number, { readonly url: string; readonly gateway: GatewayName }>(), []];
  const gateways = active.map(({ name }) => ({ name, shown: gatewayName(name) }));
  return invoices.map((invoice) => {
    const { id, publicId, number, dueOn, owedRupiah, settledAt } = invoice;
    const state = stateOf(invoice, now);
    const found = links.get(id);
    const link = found !== undefined && isWebAddress(found.url) ? found : null;
    const way = { url: link?.url ?? null, by: link?.gateway ?? null, gateways, several: gateways.length > 1 };
    const pay = isOpen(state) ? { publicId, ...way } : null;
    const dueAt = startOf(dueOn, context.parts.zone);
    return { publicId, number, dueAt, rupiah: owedRupiah, state, ...STATES[state], settledAt, pay };
  });
}

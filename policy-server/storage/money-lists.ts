import type { InvoiceState, LocalDate, Rupiah } from '#domain/billing';
import type { Span } from '#domain/calendar';
import type { GatewayName } from '#domain/gateway';
import type { Instant } from '#domain/time';
import { type Queryable, timestamp } from '#storage/database';
import type { InvoiceKind } from '#storage/invoices';
import { Bound, conditions, countUpTo, type Listed, type Page, slice } from '#storage/paging';
import type { IntentState } from '#storage/payment-intents';
import type { RefundKind } from '#storage/payments';
import { moneyIn } from '#storage/reports';
import { subscriberCondition } from '#storage/sales-lists';

/** An invoice with whose it is, as the list of staff shows it. */
export type ListedInvoice = {
  readonly id: number;
  readonly publicId: string;
  readonly number: string;
  readonly kind: InvoiceKind;
  readonly subscriberId: number;
  readonly username: string;
  readonly name: string;
  readonly issuedAt: Instant;
  readonly dueOn: LocalDate;
  readonly dueAt: Instant;
  readonly totalRupiah: Rupiah;
  /** The total less what credit notes took off it. */
  readonly owedRupiah: Rupiah;
  readonly settledAt: Instant | null;
  readonly voidedAt: Instant | null;
  readonly state: InvoiceState;
};

/** As staff looks for them: first what may need somebody. */
export const INVOICE_STATES = ['unpaid', 'overdue', 'paid', 'void'] as const satisfies readonly InvoiceState[];

export type InvoiceFilter = {
  /** The number of an invoice, or what finds its subscriber (`searchCondition`). */
  readonly search?: string;
  readonly state?: InvoiceState;
  readonly subscriberId?: number;
};

const OPEN = 'i.settled_at is null and i.voided_at is null';

/** The newest first; the overdue by how long they are. */
export async function listInvoices(
  q: Queryable,
  options: InvoiceFilter & Page & { readonly now: Instant },
): Promise<Listed<ListedInvoice>> {
  const bound = new Bound();
  const now = `${bound.add(timestamp(options.now))}::timestamptz`;
  const is: Readonly<Record<InvoiceState, string>> = {
    unpaid: `${OPEN} and i.due_at > ${now}`,
    overdue: `${OPEN} and i.due_at <= ${now}`,
    paid: 'i.settled_at is not null',
    void: 'i.voided_at is not null',
  };
  // The instant stands in every form of the statement, so that its type is always known.
  const where = [`${now} is not null`];
  if (options.state !== undefined) where.push(is[options.state]);
  if (options.subscriberId !== undefined) where.push(`i.subscriber_id = ${bound.add(options.subscriberId)}`);
  const number = options.search?.trim().toUpperCase() ?? '';
  if (/^[A-Z0-9]{1,10}-\d{4}-\d+$/.test(number)) where.push(`i.number = ${bound.add(number)}`);
  else {
    const whose = subscriberCondition(bound, options.search, 'i.subscriber_id');
    if (whose !== null) where.push(whose);
  }
  const from = `invoice i ${conditions(where)}`;
  const counted = await countUpTo(q, from, bound.values);
  const order = options.state === 'overdue' ? 'i.due_at, i.id' : 'i.id desc';
  const rows = await q.query<ListedInvoice>(
    `select i.id, i.public_id as "publicId", i.number, i.kind, i.subscriber_id as "subscriberId", s.username, s.name,
            i.issued_at as "issuedAt", i.due_on as "dueOn", i.due_at as "dueAt", i.total_rupiah as "totalRupiah",
            i.total_rupiah - i.credited_rupiah as "owedRupiah", i.settled_at as "settledAt", i.voided_at as "voidedAt",
            case when i.voided_at is not null then 'void' when i.settled_at is not null then 'paid'
                 when i.due_at <= ${now} then 'overdue' else 'unpaid' end as state
       from (select i.id from ${from} order by ${order} ${slice(options)}) page
            join invoice i on i.id = page.id join subscriber s on s.id = i.subscriber_id
      order by ${order}`,
    bound.values,
  );
  return { rows, ...counted };
}

/** What is owed to us, and what of it is overdue. */
export async function owedToUs(
  q: Queryable,
  now: Instant,
): Promise<{
  readonly open: number;
  readonly openRupiah: Rupiah;
  readonly overdue: number;
  readonly overdueRupiah: Rupiah;
}> {
  const [row] = await q.query<{ open: number; openRupiah: number; overdue: number; overdueRupiah: number }>(
    `select count(*) as open, coalesce(sum(owed), 0)::bigint as "openRupiah", count(*) filter (where late) as overdue,
            coalesce(sum(owed) filter (where late), 0)::bigint as "overdueRupiah"
       from (select total_rupiah - credited_rupiah as owed, due_at <= $1::timestamptz as late
               from invoice i where ${OPEN}) every`,
    [timestamp(now)],
  );
  return row!;
}

/** An attempt to have an invoice paid at a gateway, as staff sees it. */
export type ListedIntent = {
  readonly orderId: string;
  readonly gateway: GatewayName;
  readonly state: IntentState;
  readonly amountRupiah: Rupiah;
  readonly createdAt: Instant;
  readonly createdBy: string;
  readonly expiresAt: Instant | null;
  readonly closedAt: Instant | null;
  readonly askedAt: Instant | null;
  readonly lastAnswer: string | null;
};

/** The newest first. */
export const intentsOf = (q: Queryable, invoiceId: number): Promise<ListedIntent[]> =>
  q.query<ListedIntent>(
    `select order_id as "orderId", gateway, state, amount_rupiah as "amountRupiah", created_at as "createdAt",
            created_by as "createdBy", expires_at as "expiresAt", closed_at as "closedAt", last_asked_at as "askedAt",
            last_answer as "lastAnswer"
       from payment_intent where invoice_id = $1 order by id desc`,
    [invoiceId],
  );

/** A payment with whose it is and what of it went back. */
export type ListedPayment = {
  readonly id: number;
  readonly subscriberId: number;
  readonly username: string;
  readonly name: string;
  readonly invoiceNumber: string | null;
  readonly invoicePublicId: string | null;
  readonly method: string;
  /** null: by hand. */
  readonly gateway: GatewayName | null;
  readonly gatewayRef: string | null;
  readonly orderId: string | null;
  readonly amountRupiah: Rupiah;
  readonly backRupiah: Rupiah;
  readonly receivedAt: Instant;
  readonly receivedBy: string;
  readonly note: string;
};

/** Where money came in by: a gateway, or by hand. */
export const PAYMENT_WAYS = ['midtrans', 'xendit', 'cash', 'transfer'] as const;
export type PaymentWay = (typeof PAYMENT_WAYS)[number];

export type PaymentFilter = {
  /** The gateway's number of a payment, an invoice's, an order's, or what finds its subscriber (`searchCondition`). */
  readonly search?: string;
  readonly way?: PaymentWay;
  /** Only those of which something went back, or is to go back and waits for its gateway. */
  readonly back?: 'yes' | 'waiting';
  /** Received from … until just before … */
  readonly from?: Instant;
  readonly to?: Instant;
  readonly invoiceId?: number;
};

const BACK = 'coalesce((select sum(amount_rupiah) from refund where payment_id = p.id), 0)::bigint';

const PAYMENT = (page: string): string =>
  `select p.id, p.subscriber_id as "subscriberId", s.username, s.name, i.number as "invoiceNumber", i.public_id as "invoicePublicId",
          p.method, p.gateway, p.gateway_ref as "gatewayRef", intent.order_id as "orderId", p.amount_rupiah as "amountRupiah",
          ${BACK} as "backRupiah", p.received_at as "receivedAt", p.received_by as "receivedBy", p.note
     from (${page}) page join payment p on p.id = page.id join subscriber s on s.id = p.subscriber_id
          left join invoice i on i.id = p.invoice_id left join payment_intent intent on intent.id = p.intent_id
    order by p.id desc`;

/** The last received first. */
export async function listPayments(q: Queryable, options: PaymentFilter & Page): Promise<Listed<ListedPayment>> {
  const bound = new Bound();
  const from = `payment p ${conditions(paymentConditions(bound, options))}`;
  const counted = await countUpTo(q, from, bound.values);
  const page = `select p.id from ${from} order by p.id desc ${slice(options)}`;
  return { rows: await q.query<ListedPayment>(PAYMENT(page), bound.values), ...counted };
}

/** What the payments of a filter come to, and what of them went back since. */
export async function sumPayments(
  q: Queryable,
  filter: PaymentFilter,
): Promise<{ readonly rupiah: Rupiah; readonly backRupiah: Rupiah }> {
  const bound = new Bound();
  const where = conditions(paymentConditions(bound, filter));
  const [row] = await q.query<{ rupiah: number; backRupiah: number }>(
    `select coalesce(sum(p.amount_rupiah), 0)::bigint as rupiah, coalesce(sum(back.rupiah), 0)::bigint as "backRupiah"
       from payment p left join (select payment_id, sum(amount_rupiah)::bigint as rupiah from refund group by 1) back
            on back.payment_id = p.id ${where}`,
    bound.values,
  );
  return row!;
}

function paymentConditions(bound: Bound, filter: PaymentFilter): string[] {
  const where: string[] = [];
  const { way, search, from, to, invoiceId } = filter;
  if (way === 'cash' || way === 'transfer') where.push(`p.gateway is null and p.method = ${bound.add(way)}`);
  else if (way !== undefined) where.push(`p.gateway = ${bound.add(way)}`);
  if (filter.back === 'yes') where.push('p.id in (select payment_id from refund)');
  if (filter.back === 'waiting') where.push('p.id in (select payment_id from refund_order where ended_at is null)');
  if (from !== undefined) where.push(`p.received_at >= ${bound.add(timestamp(from))}::timestamptz`);
  if (to !== undefined) where.push(`p.received_at < ${bound.add(timestamp(to))}::timestamptz`);
  if (invoiceId !== undefined) where.push(`p.invoice_id = ${bound.add(invoiceId)}`);
  const typed = search?.trim() ?? '';
  // Numbers of gateways, invoices and orders are long and have digits; names of people do not.
  if (/^(?=.*\d)[A-Za-z0-9._~:-]{12,64}$/.test(typed)) {
    const given = bound.add(typed);
    where.push(`p.id = any(array(
      select id from payment where gateway_ref = ${given} and gateway in ('midtrans', 'xendit')
      union select payment.id from payment join invoice on invoice.id = invoice_id where invoice.number = upper(${given})
      union select payment.id from payment join payment_intent on payment_intent.id = intent_id where order_id = ${given}))`);
  } else {
    const whose = subscriberCondition(bound, search, 'p.subscriber_id');
    if (whose !== null) where.push(whose);
  }
  return where;
}

export async function paymentById(q: Queryable, id: number): Promise<ListedPayment | null> {
  const [row] = await q.query<ListedPayment>(PAYMENT('select $1::bigint as id'), [id]);
  return row ?? null;
}

/** What went back of a payment, the oldest first. */
export type ListedRefund = {
  readonly kind: RefundKind;
  readonly amountRupiah: Rupiah;
  readonly at: Instant;
  readonly by: string;
  readonly reason: string;
};

export const refundsOf = (q: Queryable, paymentId: number): Promise<ListedRefund[]> =>
  q.query<ListedRefund>(
    'select kind, amount_rupiah as "amountRupiah", at, by, reason from refund where payment_id = $1 order by id',
    [paymentId],
  );

/** Money that came in, less what went back, in each of these spans, by where it came in; `bank` is a transfer by hand. */
export async function moneyInBySpan(
  q: Queryable,
  spans: readonly Span[],
): Promise<(Span & { readonly ways: Readonly<Record<'midtrans' | 'xendit' | 'cash' | 'bank', Rupiah>> })[]> {
  const [first, last] = [spans[0], spans.at(-1)];
  if (first === undefined || last === undefined) return [];
  const rows = await q.query<{ place: number; way: string; rupiah: number }>(
    `select width_bucket(at, $1::timestamptz[]) as place,
            coalesce(gateway, case method when 'cash' then 'cash' else 'bank' end) as way, sum(amount_rupiah)::bigint as rupiah
       from ${moneyIn('$2', '$3')} group by 1, 2`,
    [spans.map(({ from }) => timestamp(from)), timestamp(first.from), timestamp(last.until)],
  );
  const found = Map.groupBy(rows, (row) => row.place);
  return spans.map((span, at) => {
    const of = Object.fromEntries((found.get(at + 1) ?? []).map(({ way, rupiah }) => [way, rupiah]));
    return { ...span, ways: { midtrans: 0, xendit: 0, cash: 0, bank: 0, ...of } };
  });
}

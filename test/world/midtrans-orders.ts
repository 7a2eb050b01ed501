import { createHash, randomUUID } from 'node:crypto';

/** An order at the simulated Midtrans, and how its state is told: as the Core API answers and as notifications say. */
export type MidtransStatus =
  | 'pending'
  | 'settlement'
  | 'capture'
  | 'authorize'
  | 'deny'
  | 'cancel'
  | 'expire'
  | 'failure'
  | 'refund'
  | 'partial_refund'
  | 'chargeback'
  | 'partial_chargeback';

export type MidtransOrder = {
  readonly orderId: string;
  readonly amount: number;
  /** The newest link; one made before it is void. */
  token: string;
  pageUntil: number;
  readonly finish: string | null;
  readonly methods: readonly string[];
  readonly savesCard: boolean;
  readonly customField1: string | null;
  /** All below is null until a method was chosen. */
  method: string | null;
  transactionId: string | null;
  status: MidtransStatus | null;
  fraud: 'accept' | 'challenge' | 'deny' | null;
  chosenAt: number;
  settledAt: number | null;
  readonly refunds: { refund_key: string; refund_amount: string; reason: string }[];
};

/** Ways to pay that the page offers where the merchant names none. */
export const METHODS = ['qris', 'bank_transfer', 'credit_card', 'gopay', 'shopeepay', 'dana', 'cstore', 'echannel'];

/** Of these the status has the transaction's id where the order's should be. */
const SWAPPED = new Set(['dana', 'bsi', 'danamon', 'seabank', 'saqu']);
const NO_FRAUD_STATUS = new Set(['bca_klikbca', 'cimb_clicks', 'cstore']);

export const cents = (amount: number): string => `${amount}.00`;

/** Of `status_code`: what the state was answered with. */
export function codeOf(status: MidtransStatus): string {
  return { pending: '201', authorize: '201', deny: '202', expire: '407' }[status as string] ?? '200';
}

/** As the Core API says it, all of it text. */
export function statusOf(order: MidtransOrder, status = order.status!): Record<string, unknown> {
  const { method, transactionId, amount, refunds } = order;
  const bank = method === 'bank_transfer' ? { va_numbers: [{ bank: 'bca', va_number: '70012345678' }] } : {};
  const card = method === 'credit_card' ? { masked_card: '48111111-1114', bank: 'bni', card_type: 'credit' } : {};
  const total = refunds.reduce((sum, one) => sum + Number.parseInt(one.refund_amount, 10), 0);
  const code = order.fraud === 'challenge' && status === 'capture' ? '201' : codeOf(status);
  return {
    status_code: code,
    status_message: code === '407' ? 'Success, transaction is found (expired)' : 'Success, transaction is found',
    transaction_id: transactionId,
    order_id: SWAPPED.has(method!) ? transactionId : order.orderId,
    merchant_id: 'G123456789',
    gross_amount: cents(amount),
    currency: 'IDR',
    payment_type: method,
    transaction_time: wib(order.chosenAt),
    transaction_status: status,
    ...(NO_FRAUD_STATUS.has(method!) ? {} : { fraud_status: order.fraud ?? 'accept' }),
    ...(order.settledAt === null ? {} : { settlement_time: wib(order.settledAt) }),
    ...(refunds.length === 0 ? {} : { refund_amount: cents(total), refunds }),
    ...(order.customField1 === null ? {} : { custom_field1: order.customField1 }),
    ...bank,
    ...card,
  };
}

/** The body of a notification of that state. It has the order's own number, and a card that was kept. */
export function notificationOf(order: MidtransOrder, status: MidtransStatus, serverKey: string): string {
  const fields = { ...statusOf(order, status), order_id: order.orderId };
  const saved =
    order.savesCard && order.method === 'credit_card'
      ? { saved_token_id: `481111${order.token.slice(0, 12)}1114`, saved_token_id_expired_at: '2031-12-31 07:00:00' }
      : {};
  const { order_id, status_code, gross_amount } = fields as Record<string, unknown>;
  const signature = createHash('sha512').update(`${order_id}${status_code}${gross_amount}${serverKey}`).digest('hex');
  return JSON.stringify({ ...fields, ...saved, signature_key: signature });
}

export function newOrder(given: Pick<MidtransOrder, 'orderId' | 'amount'> & Partial<MidtransOrder>): MidtransOrder {
  return {
    token: randomUUID(),
    pageUntil: Number.POSITIVE_INFINITY,
    finish: null,
    methods: METHODS,
    savesCard: false,
    customField1: null,
    method: null,
    transactionId: null,
    status: null,
    fraud: null,
    chosenAt: 0,
    settledAt: null,
    refunds: [],
    ...given,
  };
}

const wib = (at: number): string => new Date(at + 7 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');

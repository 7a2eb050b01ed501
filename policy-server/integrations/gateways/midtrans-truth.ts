import type { GatewayTruth, SavedMethod } from '#domain/gateway';
import type { Instant } from '#domain/time';
import { type Fields, isFields, textOf, wholeRupiah } from '#integrations/gateways/reading';

/** A status as the Core API gives it (docs.midtrans.com: transaction status cycle, GET status). It says nothing of fees. */
export function truthFrom(status: Fields): GatewayTruth {
  const amountRupiah = wholeRupiah(status.gross_amount);
  const refundedRupiah = refundedOf(status);
  const state = stateOf(status, refundedRupiah);
  return {
    state,
    gatewayRef: textOf(status.transaction_id),
    amountRupiah,
    refundedRupiah: state === 'refunded' && refundedRupiah === 0 ? (amountRupiah ?? 0) : refundedRupiah,
    // Left out where there is only one.
    currency: textOf(status.currency) ?? 'IDR',
    paidAt: wibInstant(status.settlement_time) ?? wibInstant(status.transaction_time),
    method: textOf(status.payment_type),
    feeRupiah: null,
    saved: savedFrom(status),
  };
}

function stateOf(status: Fields, refundedRupiah: number): GatewayTruth['state'] {
  switch (status.transaction_status) {
    case 'settlement':
    case 'capture':
      return takenOf(status);
    // The money is only held: somebody has to capture it.
    case 'authorize':
    case 'pending':
      return 'pending';
    case 'deny':
      return 'denied';
    case 'cancel':
      return 'cancelled';
    case 'expire':
      return 'expired';
    case 'failure':
      return 'failed';
    case 'refund':
      return 'refunded';
    case 'partial_refund':
      return 'partly-refunded';
    case 'chargeback':
      return 'charged-back';
    // Without the amount nobody could say what is gone: a person has to look.
    case 'partial_chargeback':
      return refundedRupiah > 0 ? 'partly-refunded' : 'review';
    // What is not known never counts as paid.
    default:
      return 'review';
  }
}

/** `fraud_status` is absent with KlikBCA, CIMB Clicks and Indomaret, which is as good as "accept". */
function takenOf({ status_code, fraud_status }: Fields): GatewayTruth['state'] {
  if (fraud_status === 'deny') return 'denied';
  const accepted = fraud_status === undefined || fraud_status === null || fraud_status === 'accept';
  return accepted && status_code === '200' ? 'paid' : 'review';
}

function refundedOf({ refund_amount, refunds }: Fields): number {
  const total = wholeRupiah(refund_amount);
  if (total !== null) return total;
  const each = Array.isArray(refunds) ? refunds.filter(isFields) : [];
  return each.reduce((sum, one) => sum + (wholeRupiah(one.refund_amount) ?? 0), 0);
}

/** Times of Midtrans are WIB and do not say so. */
function wibInstant(text: unknown): Instant | null {
  const [, date, time] = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)$/.exec(textOf(text) ?? '') ?? [];
  const at = Date.parse(`${date}T${time}+07:00`);
  return Number.isNaN(at) ? null : at;
}

/** As Midtrans wants it written: `2026-11-21 09:00:00 +0700`. */
export const wibText = (at: Instant): string =>
  `${new Date(at + 7 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ')} +0700`;

/** A card that was kept: it is in the first notification of a payment, and in the status where that has it. */
export function savedFrom(fields: Fields): SavedMethod | null {
  const token = textOf(fields.saved_token_id);
  if (token === null) return null;
  const masked = textOf(fields.masked_card) ?? '';
  const last = /\d{4}$/.exec(masked)?.[0];
  const label = `${brandOf(masked)} •••• ${last ?? ''}`.trim();
  return { kind: 'card', label, token, expiresAt: wibInstant(fields.saved_token_id_expired_at) };
}

/** By the first digits (ISO/IEC 7812 ranges of the schemes that Midtrans takes). */
function brandOf(masked: string): string {
  if (/^4/.test(masked)) return 'VISA';
  if (/^(5[1-5]|2[2-7])/.test(masked)) return 'Mastercard';
  if (/^35/.test(masked)) return 'JCB';
  if (/^3[47]/.test(masked)) return 'AMEX';
  return 'Card';
}

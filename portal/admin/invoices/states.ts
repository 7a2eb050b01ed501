import type { InvoiceState } from '#domain/billing';
import type { IntentState } from '#storage/payment-intents';

export const INVOICE_TONES: Readonly<Record<InvoiceState, string>> = {
  unpaid: 'warn',
  overdue: 'bad',
  paid: 'good',
  void: '',
};

export const INTENT_TONES: Readonly<Record<IntentState, string>> = {
  created: '',
  pending: 'warn',
  review: 'warn',
  paid: 'good',
  expired: '',
  denied: 'bad',
  cancelled: '',
  failed: 'bad',
  reversed: 'bad',
};

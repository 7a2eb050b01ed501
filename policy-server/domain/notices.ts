import type { Language } from '#domain/print-local';
import { DAY, MINUTE } from '#domain/time';

/** What the company writes to a subscriber by itself. */
export const NOTICES = [
  'portal-pin',
  'account-pin',
  'ending-soon',
  'ended',
  'activated',
  'quota-80',
  'quota-100',
  'payment-received',
  'invoice-issued',
  'invoice-due',
  'invoice-overdue',
  'refunded',
  'auto-pay-soon',
  'auto-pay-done',
  'auto-pay-failed',
  'test',
] as const;
export type Notice = (typeof NOTICES)[number];

/** The kind of a message that staff wrote by hand: it has no template. */
export const BY_HAND = 'by-hand';

/** The fields that the text of each notice may use. */
export const NOTICE_FIELDS = {
  'portal-pin': ['name', 'portalId', 'pin', 'loginUrl'],
  'account-pin': ['name', 'portalId', 'pin', 'loginUrl'],
  'ending-soon': ['name', 'plan', 'until', 'portalUrl'],
  ended: ['name', 'plan', 'until', 'portalUrl'],
  activated: ['name', 'plan', 'until', 'quota'],
  'quota-80': ['name', 'plan', 'used', 'quota', 'portalUrl'],
  'quota-100': ['name', 'plan', 'used', 'quota', 'portalUrl'],
  'payment-received': ['name', 'amount', 'for', 'moreUrl'],
  'invoice-issued': ['name', 'number', 'amount', 'dueOn', 'moreUrl'],
  'invoice-due': ['name', 'number', 'amount', 'dueOn', 'moreUrl'],
  'invoice-overdue': ['name', 'number', 'amount', 'dueOn', 'moreUrl'],
  refunded: ['name', 'amount', 'for', 'moreUrl'],
  'auto-pay-soon': ['name', 'for', 'amount', 'method', 'when', 'moreUrl'],
  'auto-pay-done': ['name', 'for', 'amount', 'method', 'moreUrl'],
  'auto-pay-failed': ['name', 'for', 'amount', 'method', 'because', 'next', 'moreUrl'],
  test: ['company'],
} as const satisfies Readonly<Record<Notice, readonly string[]>>;

/** A value for each field, already printed in the reader's language. */
export type NoticeValues<N extends Notice> = Readonly<Record<(typeof NOTICE_FIELDS)[N][number], string>>;

/** They tell a PIN: to who is prepaid, and to who is billed afterwards. */
export const PIN_NOTICES = ['portal-pin', 'account-pin'] as const satisfies readonly Notice[];

/** Whether the text says what nobody else may read. */
export const isSecret = (notice: string): boolean => PIN_NOTICES.some((one) => one === notice);

/** What was done with somebody's money they want to know days later too. */
const OF_MONEY = new Set<string>([
  'payment-received',
  'invoice-issued',
  'invoice-overdue',
  'refunded',
  'auto-pay-done',
  'auto-pay-failed',
] satisfies Notice[]);

/**
 * How long after its time a message still is of use; later it is dropped instead of sent. A PIN is worth having days
 * later; that a package ends tomorrow is not.
 */
export function usefulForMs(notice: string): number {
  if (isSecret(notice)) return 7 * DAY;
  if (OF_MONEY.has(notice)) return 3 * DAY;
  return notice === 'test' ? 30 * MINUTE : DAY;
}

/** What the fields look like, for a preview. */
export const EXAMPLE_VALUES: Readonly<Record<Language, Readonly<Record<string, string>>>> = {
  id: {
    name: 'Budi Santoso',
    portalId: '12345678',
    pin: '481920',
    loginUrl: 'https://portal.example.net/prepaid/portal/login',
    portalUrl: 'https://portal.example.net/prepaid/portal',
    plan: '20GB - 20Mbps',
    until: '20 Nov 2026 18.00 WIB',
    quota: '20 GB',
    used: '16 GB',
    amount: 'Rp 150.000',
    for: 'tagihan INV-2026-042',
    number: 'INV-2026-042',
    dueOn: '7 Des 2026',
    method: 'VISA •••• 1111',
    when: '19 Nov 2026 18.00 WIB',
    because: 'saldo Anda kurang.',
    next: 'Kami coba lagi 20 Nov 2026 00.00 WIB.',
    moreUrl: 'https://portal.example.net/customer/invoices/inv_8Kq2ZpT4xYcW0aLm7RbN',
    company: 'Contoh Net',
  },
  en: {
    name: 'Budi Santoso',
    portalId: '12345678',
    pin: '481920',
    loginUrl: 'https://portal.example.net/prepaid/portal/login',
    portalUrl: 'https://portal.example.net/prepaid/portal',
    plan: '20GB - 20Mbps',
    until: '20 Nov 2026 18.00 WIB',
    quota: '20 GB',
    used: '16 GB',
    amount: 'Rp 150.000',
    for: 'invoice INV-2026-042',
    number: 'INV-2026-042',
    dueOn: '7 Dec 2026',
    method: 'VISA •••• 1111',
    when: '19 Nov 2026 18.00 WIB',
    because: 'there is not enough in your balance.',
    next: 'We try again on 20 Nov 2026 00.00 WIB.',
    moreUrl: 'https://portal.example.net/customer/invoices/inv_8Kq2ZpT4xYcW0aLm7RbN',
    company: 'Example Net',
  },
};

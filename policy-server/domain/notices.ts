import type { Language } from '#domain/print-local';
import { DAY, MINUTE } from '#domain/time';

/** What the company writes to a subscriber by itself. */
export const NOTICES = ['portal-pin', 'ending-soon', 'ended', 'activated', 'quota-80', 'quota-100', 'test'] as const;
export type Notice = (typeof NOTICES)[number];

/** The kind of a message that staff wrote by hand: it has no template. */
export const BY_HAND = 'by-hand';

/** The fields that the text of each notice may use. */
export const NOTICE_FIELDS = {
  'portal-pin': ['name', 'portalId', 'pin', 'loginUrl'],
  'ending-soon': ['name', 'plan', 'until', 'portalUrl'],
  ended: ['name', 'plan', 'until', 'portalUrl'],
  activated: ['name', 'plan', 'until', 'quota'],
  'quota-80': ['name', 'plan', 'used', 'quota', 'portalUrl'],
  'quota-100': ['name', 'plan', 'used', 'quota', 'portalUrl'],
  test: ['company'],
} as const satisfies Readonly<Record<Notice, readonly string[]>>;

/** A value for each field, already printed in the reader's language. */
export type NoticeValues<N extends Notice> = Readonly<Record<(typeof NOTICE_FIELDS)[N][number], string>>;

/** Whether the text says what nobody else may read. */
export const isSecret = (notice: string): boolean => notice === 'portal-pin';

/**
 * How long after its time a message still is of use; later it is dropped instead of sent. A PIN is worth having days
 * later; that a package ends tomorrow is not.
 */
export function usefulForMs(notice: string): number {
  if (notice === 'portal-pin') return 7 * DAY;
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
    company: 'Example Net',
  },
};

/** The texts as shipped. */
export const SHIPPED_TEXTS: Readonly<Record<Notice, Readonly<Record<Language, string>>>> = {
  'portal-pin': {
    id: `Halo {{name}},

Akun Anda telah dimigrasi ke sistem Prepaid.

Portal ID: {{portalId}}
PIN: {{pin}}

Silakan login di:
{{loginUrl}}

Untuk membeli paket internet.

Terima kasih.`,
    en: `Hello {{name}},

Your account has been moved to the Prepaid system.

Portal ID: {{portalId}}
PIN: {{pin}}

Please log in at:
{{loginUrl}}

There you can buy an internet package.

Thank you.`,
  },
  'ending-soon': {
    id: `Halo {{name}},

Paket internet Anda {{plan}} akan berakhir pada {{until}}.

Beli paket lagi sebelum berakhir agar internet tetap aktif:
{{portalUrl}}

Terima kasih.`,
    en: `Hello {{name}},

Your internet package {{plan}} ends on {{until}}.

Buy the next package before then to stay online:
{{portalUrl}}

Thank you.`,
  },
  ended: {
    id: `Halo {{name}},

Paket internet Anda {{plan}} telah berakhir pada {{until}}.

Untuk internet kembali aktif, silakan beli paket di:
{{portalUrl}}

Terima kasih.`,
    en: `Hello {{name}},

Your internet package {{plan}} ended on {{until}}.

To be online again, please buy a package at:
{{portalUrl}}

Thank you.`,
  },
  activated: {
    id: `Halo {{name}},

Paket internet Anda {{plan}} sudah aktif.

Kuota: {{quota}}
Berlaku sampai: {{until}}

Selamat menikmati internet. Terima kasih.`,
    en: `Hello {{name}},

Your internet package {{plan}} is active.

Quota: {{quota}}
Valid until: {{until}}

Enjoy your internet. Thank you.`,
  },
  'quota-80': {
    id: `Halo {{name}},

Kuota paket {{plan}} Anda sudah terpakai {{used}} dari {{quota}}.

Lihat sisa kuota atau beli paket di:
{{portalUrl}}

Terima kasih.`,
    en: `Hello {{name}},

You have used {{used}} of the {{quota}} of your package {{plan}}.

See what is left or buy a package at:
{{portalUrl}}

Thank you.`,
  },
  'quota-100': {
    id: `Halo {{name}},

Kuota paket {{plan}} Anda sebesar {{quota}} sudah habis (terpakai {{used}}).

Untuk internet kembali aktif, silakan beli paket di:
{{portalUrl}}

Terima kasih.`,
    en: `Hello {{name}},

The quota of {{quota}} of your package {{plan}} is spent (used {{used}}).

To be online again, please buy a package at:
{{portalUrl}}

Thank you.`,
  },
  test: {
    id: `Ini pesan uji coba dari {{company}}. WhatsApp sudah tersambung dengan benar.`,
    en: `This is a test message from {{company}}. WhatsApp is connected properly.`,
  },
};

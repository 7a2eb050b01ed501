import type { Notice } from '#domain/notices';
import type { Language } from '#domain/print-local';

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
  'account-pin': {
    id: `Halo {{name}},

Ini Portal ID dan PIN untuk akun internet Anda.

Portal ID: {{portalId}}
PIN: {{pin}}

Silakan login di:
{{loginUrl}}

Untuk melihat dan membayar tagihan.

Terima kasih.`,
    en: `Hello {{name}},

These are the Portal ID and the PIN of your internet account.

Portal ID: {{portalId}}
PIN: {{pin}}

Please log in at:
{{loginUrl}}

There you can see and pay your invoices.

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
  'payment-received': {
    id: `Halo {{name}},

Pembayaran Anda {{amount}} untuk {{for}} sudah kami terima.

Lihat rinciannya di:
{{moreUrl}}

Terima kasih.`,
    en: `Hello {{name}},

We have received your payment of {{amount}} for {{for}}.

See the details at:
{{moreUrl}}

Thank you.`,
  },
  'invoice-issued': {
    id: `Halo {{name}},

Tagihan {{number}} sebesar {{amount}} sudah terbit.

Mohon dibayar paling lambat {{dueOn}}. Lihat dan bayar di:
{{moreUrl}}

Terima kasih.`,
    en: `Hello {{name}},

Your invoice {{number}} of {{amount}} is ready.

Please pay it by {{dueOn}}. See and pay it at:
{{moreUrl}}

Thank you.`,
  },
  'invoice-due': {
    id: `Halo {{name}},

Tagihan {{number}} sebesar {{amount}} jatuh tempo {{dueOn}}.

Bayar sebelum itu agar internet tetap aktif:
{{moreUrl}}

Abaikan pesan ini bila Anda sudah membayar. Terima kasih.`,
    en: `Hello {{name}},

Your invoice {{number}} of {{amount}} is due on {{dueOn}}.

Pay it by then to stay online:
{{moreUrl}}

If you have paid already, please ignore this message. Thank you.`,
  },
  'invoice-overdue': {
    id: `Halo {{name}},

Tagihan {{number}} sebesar {{amount}} sudah lewat jatuh tempo ({{dueOn}}).

Bayar sekarang agar internet tidak terhenti:
{{moreUrl}}

Abaikan pesan ini bila Anda sudah membayar. Terima kasih.`,
    en: `Hello {{name}},

Your invoice {{number}} of {{amount}} was due on {{dueOn}} and is not paid yet.

Pay it now so that your internet is not stopped:
{{moreUrl}}

If you have paid already, please ignore this message. Thank you.`,
  },
  refunded: {
    id: `Halo {{name}},

Kami mengembalikan {{amount}} untuk {{for}}.

Uangnya kembali lewat cara Anda membayar, biasanya dalam beberapa hari kerja. Riwayat pembayaran Anda:
{{moreUrl}}

Terima kasih.`,
    en: `Hello {{name}},

We have refunded {{amount}} for {{for}}.

The money comes back the way you paid, usually within a few working days. Your payments:
{{moreUrl}}

Thank you.`,
  },
  'auto-pay-soon': {
    id: `Halo {{name}},

Bayar otomatis: {{amount}} untuk {{for}} akan ditagih dari {{method}} pada {{when}}.

Anda tidak perlu melakukan apa-apa. Untuk mengubah atau menghentikannya:
{{moreUrl}}

Terima kasih.`,
    en: `Hello {{name}},

Auto-pay: {{amount}} for {{for}} will be charged to {{method}} on {{when}}.

You need not do anything. To change or stop it:
{{moreUrl}}

Thank you.`,
  },
  'auto-pay-done': {
    id: `Halo {{name}},

Bayar otomatis berhasil: {{amount}} untuk {{for}} sudah dibayar dari {{method}}.

Untuk melihat, mengubah, atau menghentikannya:
{{moreUrl}}

Terima kasih.`,
    en: `Hello {{name}},

Auto-pay has paid {{amount}} for {{for}} from {{method}}.

To see, change or stop it:
{{moreUrl}}

Thank you.`,
  },
  'auto-pay-failed': {
    id: `Halo {{name}},

Bayar otomatis {{amount}} untuk {{for}} dari {{method}} belum berhasil: {{because}}

{{next}}

Anda bisa membayar sendiri atau mengubah cara bayar di:
{{moreUrl}}

Terima kasih.`,
    en: `Hello {{name}},

Auto-pay could not pay {{amount}} for {{for}} from {{method}} yet: {{because}}

{{next}}

You can pay it yourself or choose another way to pay at:
{{moreUrl}}

Thank you.`,
  },
  test: {
    id: `Ini pesan uji coba dari {{company}}. WhatsApp sudah tersambung dengan benar.`,
    en: `This is a test message from {{company}}. WhatsApp is connected properly.`,
  },
};

import { z } from 'zod';
import { internationalDigits } from '#domain/phone';
import { say } from '#domain/say';
import { isZone } from '#domain/time';

/**
 * What the company decides about itself, in sections that are stored, read and edited each as a whole. Every field has
 * a value to begin with, so that a database without any setting works.
 */
export type Settings = { readonly [Section in SettingsSection]: z.output<(typeof SETTINGS)[Section]> };
export type SettingsSection = keyof typeof SETTINGS;

const text = (longest: number, example: string) =>
  z
    .string()
    .trim()
    .regex(/^[^\p{Cc}]*$/u)
    .max(longest)
    .describe(say`a text of at most ${longest} characters, for example ${example}`);

/** An empty field of a form means "none". */
const emptyIsNull = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess((given) => (typeof given === 'string' && given.trim() === '' ? null : given), schema.nullable());

/** Forms send a list as one text; commas, blanks and line ends part its entries. */
const listed = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess(
    (given) => (typeof given === 'string' ? given.split(/[\s,;]+/).filter((one) => one !== '') : given),
    schema,
  );

const e164 = z
  .string()
  .transform((given) => internationalDigits(given))
  .refine((digits) => digits !== null)
  .transform((digits) => `+${digits}`);

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/);

/** `*.example.com` stands for every host below it (RouterOS 7). */
const hostName = z.string().regex(/^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/i);

const QUIET = say`a time of the day as HH:MM, for example 21:00; empty = no quiet hours`;

/** The hosts a customer's browser needs to pay (docs.midtrans.com, docs.xendit.co); banks and e-wallets cannot all be listed. */
const PAYMENT_HOSTS = ['app.midtrans.com', 'api.midtrans.com', 'checkout.xendit.co', 'api.xendit.co', 'js.xendit.co'];

export const SETTINGS = {
  company: z.object({
    name: text(100, 'Maju Net').default('Gerbang'),
    address: text(300, 'Jl. Melati 7, Malang').default(''),
    phone: emptyIsNull(e164)
      .default(null)
      .describe(say`the number of customer service, for example +6281234567890 or 081234567890; empty = none`),
    hours: text(100, 'Senin–Sabtu 08.00–20.00').default(''),
    zone: emptyIsNull(z.string().refine(isZone))
      .default(null)
      .describe(
        say`a zone of the tz database, for example Asia/Jakarta, Asia/Makassar or Asia/Jayapura; empty = as set up`,
      ),
  }),
  reminders: z.object({
    endingSoonHours: z.coerce
      .number()
      .int()
      .min(1)
      .max(168)
      .default(24)
      .describe(say`whole hours from 1 to 168, for example 24`),
    quotaShares: listed(
      z
        .array(z.coerce.number().int().min(1).max(100))
        .max(10)
        .transform((shares) => [...new Set(shares)].sort((one, other) => one - other)),
    )
      .default([80, 100])
      .describe(say`shares of the quota in percent, 1 to 100, at most ten, for example 80, 100`),
    quietFrom: emptyIsNull(timeOfDay).default('21:00').describe(QUIET),
    quietTo: emptyIsNull(timeOfDay).default('07:00').describe(QUIET),
  }),
  walledGarden: z.object({
    hosts: listed(
      z
        .array(z.union([hostName.toLowerCase(), z.ipv4(), z.cidrv4()]))
        .max(200)
        .transform((hosts) => [...new Set(hosts)]),
    )
      .default(PAYMENT_HOSTS)
      .describe(say`host names, *.names, IPv4 addresses or blocks, at most 200, for example app.midtrans.com`),
  }),
  whatsapp: z.object({
    transport: z
      .enum(['off', 'baileys', 'cloud'])
      .default('off')
      .describe(say`off, baileys (a linked phone) or cloud (WhatsApp Cloud API)`),
    // Messages to people who never wrote get a number restricted, at 15 to 20 a day already when it is new.
    perMinute: z.coerce
      .number()
      .int()
      .min(1)
      .max(600)
      .default(6)
      .describe(say`messages a minute, 1 to 600, for example 6`),
    perDay: z.coerce
      .number()
      .int()
      .min(1)
      .max(100_000)
      .default(300)
      .describe(say`messages a day, 1 to 100000, for example 300`),
    cloud: z
      .object({
        phoneNumberId: emptyIsNull(z.string().regex(/^\d{5,25}$/)).default(null),
        apiVersion: z
          .string()
          .regex(/^v\d{1,3}\.\d$/)
          .default('v23.0'),
        templates: z.record(z.string().max(50), z.string().regex(/^[a-z0-9_]{1,512}$/)).default({}),
      })
      .prefault({})
      .describe(
        say`of the Cloud API: the phone number ID (digits), the API version (such as v23.0), and for each notice the name of its approved template (small letters, digits, _)`,
      ),
  }),
} as const;

export const SETTINGS_SECTIONS = Object.keys(SETTINGS) as SettingsSection[];

/**
 * One section out of what is stored of it. What is missing, or is nothing this program can use (stored by another
 * version of it), has the value it begins with: a page must not fail for a setting.
 */
export function readSection<Section extends SettingsSection>(section: Section, stored: unknown): Settings[Section] {
  const schema: z.ZodObject = SETTINGS[section];
  const given: Readonly<Record<string, unknown>> = typeof stored === 'object' && stored !== null ? { ...stored } : {};
  const usable = Object.entries(schema.shape).flatMap(([field, of]) => {
    const parsed = z.safeParse(of, given[field]);
    return parsed.success ? [[field, parsed.data]] : [];
  });
  return schema.parse(Object.fromEntries(usable)) as Settings[Section];
}

/** What may be kept sealed, by key; pages only learn whether it is set. */
export const SECRET_SETTINGS = [
  'whatsapp.cloud.token',
  'whatsapp.cloud.app-secret',
  'whatsapp.cloud.verify-token',
] as const;
export type SecretSetting = (typeof SECRET_SETTINGS)[number];

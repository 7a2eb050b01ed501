import { addSubscriberFaults } from '#operations/add-subscriber';
import type { Context } from '#portal/shared/context';
import { type Form, field } from '#portal/shared/forms';
import { hasWords } from '#portal/shared/words';

/** The fields of a subscriber's form, as typed. */
export const TYPED = [
  'username',
  'password',
  'name',
  'phone',
  'address',
  'notes',
  'tags',
  'language',
  'billing',
  'access',
  'mac',
  'sessionLimit',
  'staticIp',
  'nas',
  'addresses',
] as const;
export type Typed = Readonly<Record<(typeof TYPED)[number], string>>;

export function typedIn(form: Form): Typed {
  const typed = Object.fromEntries(TYPED.map((name) => [name, field(form, name)])) as Record<keyof Typed, string>;
  // As typed: a password may begin or end with a blank.
  typed.password = typeof form.password === 'string' ? form.password : '';
  return typed;
}

/** For `addSubscriber`; the fields of the other kind of line, which the page hides, are left out. */
export function additionOf(typed: Typed): Record<string, unknown> {
  const isStatic = typed.access === 'static';
  return {
    ...common(typed),
    billing: typed.billing,
    access: typed.access,
    username: typed.username,
    ...(typed.password === '' ? {} : { password: typed.password }),
    ...(isStatic
      ? { nas: typed.nas === '' ? null : typed.nas, addresses: addressesIn(typed.addresses) }
      : { mac: emptyIsNull(typed.mac), staticIp: emptyIsNull(typed.staticIp), sessionLimit: typed.sessionLimit }),
  };
}

/** For `editSubscriber`. An empty password stays what it is; the kind of line cannot be changed. */
export function editOf(id: number, access: 'pppoe' | 'static', typed: Typed): Record<string, unknown> {
  return {
    ...common(typed),
    id,
    username: typed.username,
    ...(typed.password === '' ? {} : { password: typed.password }),
    ...(access === 'static'
      ? { nas: typed.nas, addresses: addressesIn(typed.addresses) ?? [] }
      : { mac: emptyIsNull(typed.mac), staticIp: emptyIsNull(typed.staticIp), sessionLimit: typed.sessionLimit }),
  };
}

const common = ({ name, phone, address, notes, tags, language }: Typed) => ({
  name,
  phone: emptyIsNull(phone),
  address,
  notes,
  tags: tags.split(/[\s,]+/).filter((tag) => tag !== ''),
  language,
});

const emptyIsNull = (text: string): string | null => (text === '' ? null : text);
const addressesIn = (text: string): string[] | null => {
  const given = text.split(/[\s,;]+/).filter((one) => one !== '');
  return given.length === 0 ? null : given;
};

export type FormFaults = { readonly of: Readonly<Record<string, string>>; readonly others: readonly string[] };

/** What is wrong with an addition as far as it shows without the database, in the reader's words; null when nothing is. */
export function additionFaults(context: Context, input: Readonly<Record<string, unknown>>): FormFaults | null {
  const lines = addSubscriberFaults(input);
  return lines.length === 0 ? null : inWords(context, lines);
}

/** The lines of an operation beside their fields; what we have no words of our own for is shown as it comes. */
export function inWords(context: Context, lines: readonly string[]): FormFaults {
  const of: Record<string, string> = {};
  const others: string[] = [];
  for (const line of lines) {
    const name = line.split(/\W/, 1)[0]!;
    const taken = /is taken|belongs to/.test(line) ? '-taken' : '';
    const key = `customers.fault-${name}${taken}`;
    if ((TYPED as readonly string[]).includes(name) && hasWords(context.language, key)) of[name] = context.t(key);
    else others.push(line);
  }
  return { of, others };
}

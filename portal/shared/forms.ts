import { InvalidInput } from '#domain/errors';

/** What a form sent, as texts; a field that is there several times as a list. Anything else than a form is an empty one. */
export type Form = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The fields of a request's body or query. */
export function formOf(body: unknown): Form {
  if (typeof body !== 'object' || body === null) return {};
  const form: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(body)) {
    if (typeof value === 'string') form[name] = storable(value);
    else if (Array.isArray(value)) form[name] = value.filter((one) => typeof one === 'string').map(storable);
  }
  return form;
}

/** PostgreSQL holds every character but this one. */
const storable = (text: string): string => text.replaceAll('\0', '');

/** One field as text without blanks around it; '' when it is not there. Of several, the last. */
export function field(form: Form, name: string): string {
  const value = form[name];
  return (typeof value === 'string' ? value : (value?.at(-1) ?? '')).trim();
}

/** Every value of a field. */
export function fields(form: Form, name: string): readonly string[] {
  const value = form[name];
  return value === undefined ? [] : typeof value === 'string' ? [value] : value;
}

/** A whole number of a field or of a part of the address; null when it is none. */
export function wholeNumber(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** The number of a row whose numbers are of 31 bits (plans, routers, staff); null when it can be none. */
export function rowNumber(text: string | undefined): number | null {
  const number = wholeNumber(text);
  return number === null || number > 2 ** 31 - 1 ? null : number;
}

/**
 * Does the work of a form. What cannot be taken (`InvalidInput`) is given back as its faults, to be shown beside the form
 * with what was typed; everything else is thrown on.
 */
export async function attempt<Result>(
  work: () => Promise<Result>,
): Promise<{ readonly done: Result; readonly faults?: undefined } | { readonly faults: readonly string[] }> {
  try {
    return { done: await work() };
  } catch (error) {
    if (error instanceof InvalidInput) return { faults: error.faults };
    throw error;
  }
}

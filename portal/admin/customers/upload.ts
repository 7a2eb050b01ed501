import type { Tasks } from '#portal/admin/jobs/tasks';
import type { Context } from '#portal/shared/context';

/** Octets of a file with what a form adds to it. */
export const UPLOAD_BYTES = 20 * 2 ** 20 + 64 * 1024;

/** The text of a file that a form sent: null when none was chosen, or it is not UTF-8 (a spreadsheet, an old code page). */
export function uploadedText(
  body: unknown,
  name: string,
): { readonly text: string } | { readonly fault: 'no-file' | 'not-text' } {
  const given: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined;
  const bytes = Buffer.isBuffer(given) ? given : typeof given === 'string' ? Buffer.from(given) : null;
  if (bytes === null || bytes.length === 0) return { fault: 'no-file' };
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.includes('\0') ? { fault: 'not-text' } : { text };
  } catch (error) {
    if (error instanceof TypeError) return { fault: 'not-text' };
    throw error;
  }
}

/** What an upload could not be, in the reader's words. */
export const uploadFault = (context: Context, fault: 'no-file' | 'not-text'): string =>
  context.t(`customers.upload-${fault}`);

/** Why what was uploaded with this key is not there, in the reader's words. */
export function uploadGone(context: Context, tasks: Tasks, key: string): string {
  const there = tasks.elsewhere(key);
  return there === null ? context.t('customers.upload-gone') : context.t('customers.upload-elsewhere', { there });
}

/** Lines of faults that a page shows; a file of 10,000 wrong lines has one mistake. */
export const FAULTS_SHOWN = 50;

export function firstFaults(faults: readonly string[]): {
  readonly faults: readonly string[];
  readonly moreFaults: number;
} {
  return { faults: faults.slice(0, FAULTS_SHOWN), moreFaults: Math.max(0, faults.length - FAULTS_SHOWN) };
}

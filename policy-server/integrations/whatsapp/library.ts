import { createRequire } from 'node:module';
import { inspect } from 'node:util';

/** The package `@whiskeysockets/baileys`. It stands on libsignal, which is under the GPL 3.0, so it is an optional part that is loaded only when the company chooses it. */
export type Baileys = typeof import('@whiskeysockets/baileys');

/** Null when the optional package is not installed. */
export async function loadBaileys(): Promise<Baileys | null> {
  try {
    const baileys = await import('@whiskeysockets/baileys');
    hideSessionKeys();
    return baileys;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') return null;
    throw error;
  }
}

type SignalLibrary = { readonly SessionRecord: { createEntry(): object } };

/** libsignal 6.0 writes whole sessions to the console when it closes them, private keys and all: they print as their name instead. */
function hideSessionKeys(): void {
  const require = createRequire(import.meta.resolve('@whiskeysockets/baileys'));
  const signal: SignalLibrary = require('libsignal');
  const session: object = Object.getPrototypeOf(signal.SessionRecord.createEntry());
  Object.defineProperty(session, inspect.custom, { value: () => '[session]', configurable: true });
}

const nothing = (): void => undefined;

/** What the library logs holds keys, numbers and texts of messages: none of it goes anywhere. */
export const silentLogger = {
  level: 'silent',
  child: () => silentLogger,
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
};

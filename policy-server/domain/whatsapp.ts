import type { Instant } from '#domain/time';

/** Where the company's WhatsApp line stands. `missing`: the optional package is not installed; `elsewhere`: another node holds it. */
export const WHATSAPP_STATES = [
  'off',
  'missing',
  'unpaired',
  'pairing',
  'connecting',
  'connected',
  'logged-out',
  'replaced',
  'blocked',
  'elsewhere',
] as const;
export type WhatsAppState = (typeof WHATSAPP_STATES)[number];

export type WhatsAppStatus = {
  readonly transport: 'off' | 'baileys' | 'cloud';
  readonly state: WhatsAppState;
  /** What the QR that is to be scanned says; null when there is none. */
  readonly qr: string | null;
  /** Eight characters to be typed on the phone; null when none was asked for. */
  readonly pairingCode: string | null;
  /** Our own number, digits with country code, once linked. */
  readonly me: string | null;
  /** Since when the state is what it is. */
  readonly since: Instant | null;
  /** Nothing is sent before this instant to people who never wrote to us, because WhatsApp refused; null = free. */
  readonly breakerUntil: Instant | null;
  /** Why it is as it is: a code, then perhaps `: ` and more. */
  readonly reason: string | null;
  readonly sentToday: number;
};

/** Where no transport is chosen, or nothing is known of it yet. */
export const WHATSAPP_OFF: WhatsAppStatus = {
  transport: 'off',
  state: 'off',
  qr: null,
  pairingCode: null,
  me: null,
  since: null,
  breakerUntil: null,
  reason: null,
  sentToday: 0,
};

/**
 * For the page that links the company's number. Commands reach the node that holds the line, wherever they are given, and
 * answer whether it carried them out in time; the status is then the one that came of it.
 */
export type WhatsAppControl = {
  status(): WhatsAppStatus;
  pairByQr(): Promise<boolean>;
  /** `phone` is the company's own number, digits with country code. */
  pairByCode(phone: string): Promise<boolean>;
  /** Logs out and forgets the link. */
  unpair(): Promise<boolean>;
  reconnect(): Promise<boolean>;
};

/**
 * Why a message waits or never will be sent: one of these codes, in some cases followed by `: ` and what WhatsApp said.
 * Pages have words for each.
 */
export const MESSAGE_REASONS = [
  'not-on-whatsapp', // the number has no WhatsApp account
  'no-devices', // WhatsApp names no device of the number
  'reach-out-lock-463', // WhatsApp does not let us write to people who never wrote to us
  'rate-limited', // WhatsApp says we send too much
  'no-answer', // handed over, no answer came; it is repeated as the same message
  'unconfirmed', // handed over, no answer came, and repeating could send it twice
  'not-connected', // no connection just then
  'logged-out', // our access was taken away
  'server-error', // WhatsApp had trouble of its own
  'no-template', // the Cloud API sends notices only as an approved template, and none is named for this notice
  'outside-24-hours', // the Cloud API sends free text only within 24 hours of what the subscriber wrote
  'rejected', // WhatsApp refuses this message
  'expired', // too late to be of use
  'unreadable', // what was queued can no longer be opened
] as const;
export type MessageReason = (typeof MESSAGE_REASONS)[number];

/** The code of a stored reason. */
export const reasonCode = (reason: string): string => reason.split(':', 1)[0]!;

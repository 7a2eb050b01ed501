import type { Language } from '#domain/print-local';
import type { Instant } from '#domain/time';
import type { WhatsAppState, WhatsAppStatus } from '#domain/whatsapp';

/** A message on its way to a transport. */
export type Outgoing = {
  /** Of our choosing, the same at each try. */
  readonly transportId: string;
  /** Digits with country code. */
  readonly phone: string;
  readonly notice: string;
  readonly text: string;
  readonly language: Language;
  /** The fields of the notice, for an approved template. */
  readonly values: Readonly<Record<string, string>>;
  /** When the receiver last wrote to us; null = never. */
  readonly lastWroteAt: Instant | null;
  /** How many tries there were, this one included. */
  readonly attempts: number;
};

/** What came of a try. Reasons are those of `MESSAGE_REASONS`. */
export type SendOutcome =
  /** `theirId`: what WhatsApp calls it from now on, if not by our id. */
  | { readonly is: 'sent'; readonly theirId?: string }
  /** Never will be. */
  | { readonly is: 'failed'; readonly reason: string }
  /** Not this time. `inDoubt`: or perhaps it was, and no answer came. */
  | { readonly is: 'later'; readonly reason: string; readonly inDoubt: boolean }
  /** WhatsApp restricts us: nothing at all should be sent for a while. The message was not sent. */
  | { readonly is: 'restricted'; readonly reason: string };

export type TransportState = Pick<WhatsAppStatus, 'qr' | 'pairingCode' | 'me' | 'since' | 'reason'> & {
  readonly state: WhatsAppState;
};

/** One way to WhatsApp. The outbox alone calls `send`, one message at a time. */
export type Transport = {
  readonly name: 'baileys' | 'cloud';
  /** Whether a message that may have been sent can be sent again and is still one message to its receiver. */
  readonly repeatable: boolean;
  state(): TransportState;
  newId(): string;
  /** Whether the number is on WhatsApp; null when there is no way to know. Throws when nobody answers. */
  isRegistered(phone: string): Promise<boolean | null>;
  /** Never throws: trouble is an outcome. */
  send(message: Outgoing): Promise<SendOutcome>;
  /** The link survives it. */
  stop(): Promise<void>;
  pairByQr(): Promise<void>;
  pairByCode(phone: string): Promise<void>;
  unpair(): Promise<void>;
  reconnect(): Promise<void>;
};

/** What a transport hears without having asked. */
export type TransportEvents = {
  /** The state is another one, or the QR is. */
  onState(): void;
  onReceipt(transportId: string, is: 'sent' | 'delivered' | 'read', at: Instant): void;
  onWrote(phone: string, at: Instant): void;
  /** WhatsApp says by itself until when we may not write to people who never wrote to us. */
  onRestricted(reason: string, until: Instant | null): void;
};

export type IntegrationLog = {
  debug(fields: object, line: string): void;
  info(fields: object, line: string): void;
  warn(fields: object, line: string): void;
};

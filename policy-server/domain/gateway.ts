import type { Rupiah } from '#domain/billing';
import type { Instant } from '#domain/time';

export const GATEWAYS = ['midtrans', 'xendit'] as const;
export type GatewayName = (typeof GATEWAYS)[number];

/** What a gateway says of an order when it is asked: the truth, where its events are hints. */
export type GatewayTruth = {
  /**
   * unknown: it knows no such order (of Snap: no method was chosen yet). review: it looks at a card itself.
   * denied and failed are of one try; the same link may still be paid.
   */
  readonly state:
    | 'unknown'
    | 'pending'
    | 'paid'
    | 'review'
    | 'denied'
    | 'failed'
    | 'cancelled'
    | 'expired'
    | 'partly-refunded'
    | 'refunded'
    | 'charged-back';
  /** The gateway's own number of the payment; null where it has none yet. */
  readonly gatewayRef: string | null;
  readonly amountRupiah: Rupiah | null;
  /** Of `amountRupiah`, what it gave back so far. */
  readonly refundedRupiah: Rupiah;
  readonly currency: string | null;
  readonly paidAt: Instant | null;
  /** Such as `bank_transfer`, `qris`, `credit_card`; for people to read. */
  readonly method: string | null;
  /** What it keeps of the money, where it says so. */
  readonly feeRupiah: Rupiah | null;
  /** A card or wallet that the customer asked to be kept; the token is a secret. */
  readonly saved: SavedMethod | null;
};

export type SavedMethod = {
  readonly kind: 'card' | 'e-wallet';
  /** `VISA •••• 1111`. */
  readonly label: string;
  readonly token: string;
  readonly expiresAt: Instant | null;
};

/** What a customer is asked to pay. */
export type PaymentRequest = {
  readonly orderId: string;
  readonly amountRupiah: Rupiah;
  /** What it is for, in one line. */
  readonly description: string;
  readonly customer: { readonly name: string; readonly phone: string | null };
  readonly expiresAt: Instant;
  /** Where the customer's browser goes when it is done. */
  readonly returnUrl: string;
  /** The customer wants the card or wallet kept for later charges; `customerRef` groups what is kept. */
  readonly save: { readonly customerRef: string } | null;
};

export type PaymentLink = { readonly url: string; readonly gatewayId: string; readonly expiresAt: Instant };

/** What of an event could be read before anything is believed; `verified` says whether it is the gateway's. */
export type ReadEvent = {
  readonly verified: boolean;
  readonly orderId: string | null;
  readonly status: string | null;
  /** Where the event says it and the truth may not (Midtrans): what the customer asked to be kept. A secret. */
  readonly saved?: SavedMethod | null;
};

/** An e-wallet that is being linked: the customer agrees to it at `url`. */
export type WalletLink = {
  readonly url: string;
  /** By what it is asked about, unlinked, and once it is linked charged (`Gateway.charge`); a secret. */
  readonly token: string;
  /** `GoPay •••• 5678`. */
  readonly label: string;
};

/** pending: the customer has not said yes yet. ended: they said no, took too long, or unlinked it. */
export type WalletState = 'pending' | 'linked' | 'ended';

/** E-wallets that customers link, to be charged later without their hand. Deadlines and errors as of `Gateway`. */
export interface Wallets {
  /** `GoPay`. */
  readonly brand: string;
  /** `phone`: digits with the country code, as the customer has it at the wallet. Nobody is asked before `url` is opened. */
  link(request: { readonly phone: string; readonly returnUrl: string }): Promise<WalletLink>;
  stateOf(token: string): Promise<WalletState>;
  /** One that is not linked (any more) is as good as unlinked. */
  unlink(token: string): Promise<void>;
}

/**
 * One payment gateway. Every method settles within its deadline; what fails outside is `Unavailable` (ask again), what the
 * gateway refuses is `GatewayRefusal` (asking again does not help). Errors never contain a key.
 */
export interface Gateway {
  readonly name: GatewayName;
  /** It keeps cards for later charges when it is asked to (`PaymentRequest.save`); left out: it keeps nothing. */
  readonly keepsMethods?: boolean;
  /** Left out: it links none. */
  readonly wallets?: Wallets;
  /**
   * A link at which the customer pays. Asked again for the same `orderId`, also after a time-out, it must not make a second
   * one that could be paid too: it finds the first or throws `GatewayRefusal` with code `order-taken`.
   */
  createPayment(request: PaymentRequest): Promise<PaymentLink>;
  truthOf(order: { readonly orderId: string; readonly gatewayId: string | null }): Promise<GatewayTruth>;
  /** Closes a link that was not paid; true when it is closed now, false when it cannot be (paid meanwhile). */
  close(order: { readonly orderId: string; readonly gatewayId: string | null }): Promise<boolean>;
  /** Gives money back; `key` makes it happen once. */
  refund(order: {
    readonly orderId: string;
    readonly gatewayRef: string;
    readonly key: string;
    readonly amountRupiah: Rupiah;
    readonly reason: string;
  }): Promise<void>;
  /** Charges a saved method; the outcome is learned by `truthOf`. */
  charge(request: PaymentRequest & { readonly token: string }): Promise<void>;
  /** Asks something harmless with the keys; null = they work, else what is wrong, in words without any key. */
  test(): Promise<string | null>;
  /** Reads an event without believing it. `raw` is the body octet for octet. */
  readEvent(headers: Readonly<Record<string, string | undefined>>, raw: Buffer): ReadEvent;
}

/** The gateways of the company, as the settings have them now. */
export interface Gateways {
  /** Those that a customer may choose from, the preferred one first. */
  active(): Promise<readonly Gateway[]>;
  /**
   * Also one that is switched off: what was begun with it is brought to its end. null = its keys are not set. `fresh`: as
   * the settings are this moment, for whoever may just have changed them.
   */
  named(name: GatewayName, how?: 'fresh'): Promise<Gateway | null>;
}

/** A gateway that says no. */
export class GatewayRefusal extends Error {
  override name = 'GatewayRefusal';
  readonly code: 'order-taken' | 'refused' | 'keys';

  constructor(code: GatewayRefusal['code'], message: string) {
    super(message);
    this.code = code;
  }
}

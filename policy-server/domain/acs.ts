import { type Instant, MINUTE } from '#domain/time';

/** What an ONT last told its ACS. What it did not tell, or what cannot be read, is null. */
export type OntReading = {
  readonly manufacturer: string | null;
  readonly model: string | null;
  readonly lastInform: Instant | null;
  readonly rxPowerDbm: number | null;
  readonly temperatureC: number | null;
  readonly uptimeSeconds: number | null;
  readonly connectedDevices: number | null;
  readonly ssid: string | null;
  readonly ssidEnabled: boolean | null;
  readonly pppUsername: string | null;
  readonly pppIp: string | null;
  /** Where it takes the name and the password of its WiFi, one path for each radio; empty = not to be changed from here. */
  readonly ssidPaths: readonly string[];
  readonly passwordPaths: readonly string[];
  /** The paths of all that was read, to be asked for anew. */
  readonly readPaths: readonly string[];
};

/** An ONT as the ACS has it. */
export type FoundOnt = {
  readonly deviceId: string;
  readonly reading: OntReading;
  /** Further devices with the same PPPoE user name; of all this one was heard of last. Null: it was not looked for any. */
  readonly others: number | null;
  /** Of the others, those that are online too: then nobody knows whose this one is. */
  readonly othersOnline: number;
};

/** Informs that may fail to come before an ONT counts as offline. */
const INFORMS = 2.5;

export const isOntOnline = (lastInform: Instant | null, now: Instant, informMinutes: number): boolean =>
  lastInform !== null && now - lastInform < INFORMS * informMinutes * MINUTE;

export type Signal = 'good' | 'weak' | 'bad';

/**
 * How good the light is that an ONT receives. ITU-T G.984.2, class B+: it hears down to −27 dBm and is dazzled above −8;
 * 2 dB of it are kept for a bent cord and a warm day.
 */
export function signalOf(rxPowerDbm: number): Signal {
  if (rxPowerDbm < -27 || rxPowerDbm > -8) return 'bad';
  return rxPowerDbm < -25 ? 'weak' : 'good';
}

/** What an ACS is asked to do at a device. */
export type AcsOrder =
  | { readonly is: 'set'; readonly values: readonly (readonly [path: string, value: string])[] }
  /** Reads the paths anew; none = all that it computes of a device. */
  | { readonly is: 'refresh'; readonly paths: readonly string[] }
  | { readonly is: 'reboot' };

/**
 * What became of an order: done; waiting, until the device is heard of again; faulted, by the device's own word; gone, it
 * knows no such device (any more).
 */
export type AcsOutcome =
  | { readonly is: 'done' }
  | { readonly is: 'waiting'; readonly acsId: string }
  | { readonly is: 'faulted'; readonly acsId: string; readonly code: string; readonly message: string }
  | { readonly is: 'gone' };

/**
 * An ACS (auto configuration server, TR-069), where ONTs report and are told. Every method settles within its deadline;
 * what fails outside is `Unavailable` (ask again), what the ACS refuses is `AcsRefusal` (asking again does not help).
 */
export interface Acs {
  /** The ONT of a PPPoE user name, by the device it was last seen at where that still is its; null = there is none. */
  find(username: string, knownDeviceId: string | null): Promise<FoundOnt | null>;
  /**
   * Has the order carried out, at once if the device can be reached. Lasts up to minutes. `key` tells the order from others:
   * given again, it takes the place of the one that still waits. After `expirySeconds` a waiting order is dropped.
   */
  give(deviceId: string, order: AcsOrder, key: string, expirySeconds: number): Promise<AcsOutcome>;
  /** The id of the order with this key that still waits or has faulted; null = there is none. */
  waitingOrder(deviceId: string, key: string): Promise<string | null>;
  /** What became of an order that waited. */
  outcomeOf(deviceId: string, acsId: string): Promise<AcsOutcome>;
  /** Takes back an order that waits; false while the device is just being talked to. */
  takeBack(acsId: string): Promise<boolean>;
  /** Asks something harmless; null = it answers as it should, else what is wrong. */
  test(): Promise<string | null>;
}

/** An ACS that says no. */
export class AcsRefusal extends Error {
  override name = 'AcsRefusal';
}

/** What is known of a subscriber's ONT, as pages show it. */
export type Ont = {
  /** Null: the ACS has none of this subscriber, or was not asked yet (`readAt` null). */
  readonly deviceId: string | null;
  readonly others: number;
  readonly reading: OntReading | null;
  readonly readAt: Instant | null;
  readonly online: boolean;
  /** Why it could not be read again since. */
  readonly error: string | null;
};

/** What pages may ask of ONTs. */
export interface OntControl {
  /** At once what was last read, which is read again in the background; the first time after 300 ms at the latest. Null: there is no ACS. */
  ontOf(subscriberId: number): Promise<Ont | null>;
  /** Reads it now, for whoever pressed a button; after a few seconds what was there before. */
  readNow(subscriberId: number): Promise<Ont | null>;
  /** There are tasks to be done. */
  wake(): void;
  /** Asks the ACS as it is set now, and says in words what came of it. */
  test(): Promise<{ readonly ok: boolean; readonly says: string }>;
}

/** Where there is no ACS. */
export const NO_ONTS: Omit<OntControl, 'test'> = {
  ontOf: async () => null,
  readNow: async () => null,
  wake: () => undefined,
};

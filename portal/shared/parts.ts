import type { OntControl } from '#domain/acs';
import type { Clock } from '#domain/clock';
import type { Gateways } from '#domain/gateway';
import type { Dictionary } from '#domain/policy-document';
import type { ReplyOf } from '#domain/policy-impact';
import type { WhatsAppControl } from '#domain/whatsapp';
import type { NasProbe } from '#operations/check-nas';
import type { Settings } from '#operations/settings';
import type { Database } from '#storage/database';
import type { Sealer } from '#storage/secrets';

/** What the pages stand on, put together in `main.ts`. */
export type PortalParts = {
  /** This node, as the operator tells it from others: host name and port. */
  readonly node: string;
  /** Where browsers reach us, without a slash at the end; null when nobody said, then the address of the request counts. */
  readonly publicUrl: string | null;
  /** The company's zone in force. */
  readonly zone: string;
  /** COMPANY_TIMEZONE is set, so the page of settings cannot change the zone. */
  readonly zoneIsSet: boolean;
  readonly clock: Clock;
  /** Null until the database has been reached: pages then say that we are starting. */
  readonly opened: () => Opened | null;
  readonly log: PortalLog;
};

export type PortalLog = {
  info(fields: object, line: string): void;
  warn(fields: object, line: string): void;
  error(fields: object, line: string): void;
};

/** What is there once the database is. */
export type Opened = {
  readonly db: Database;
  readonly sealer: Sealer;
  /** At most two seconds old. */
  readonly settings: () => Promise<Settings>;
  readonly live: Live;
  readonly gateways: Gateways;
};

/** The running parts of this node, as far as pages ask or command them. */
export type Live = {
  /** Something was changed that the loop should look at now. */
  wakeEnforcement(): void;
  /** Each part that has to work, by name. */
  readiness(): Promise<Readonly<Record<string, { readonly ok: boolean; readonly says: string }>>>;
  /** Ports and counts of RADIUS on this node; null while it starts. */
  radius(): { readonly authPort: number; readonly acctPort: number; readonly subscribers: number | null } | null;
  /** Sessions that are not as decided, at most `most`. */
  drift(most: number): Promise<readonly DriftLine[]>;
  readonly whatsapp: WhatsAppControl;
  readonly routers: RouterControl;
  readonly probeNas: NasProbe;
  readonly onts: OntControl;
  readonly policy: PolicyWords;
};

/** What RADIUS knows of policies: which attributes there are, and what a router is told of a decision. */
export type PolicyWords = { readonly dictionary: Dictionary; readonly replyOf: ReplyOf };

export type DriftLine = {
  readonly subscriberId: number | null;
  readonly username: string;
  readonly nasId: number;
  readonly is: 'differs' | 'unconfirmed' | 'ending';
  readonly told: string | null;
  readonly decided: string;
  readonly reason: string;
};

/** The RouterOS API connections that keep the address-lists of static lines. */
export type RouterControl = {
  states(): readonly RouterState[];
  /** Logs in and reads; says in words what came of it. */
  test(nasId: number): Promise<{ readonly ok: boolean; readonly says: string; readonly fingerprint?: string | null }>;
};

export type RouterState = {
  readonly nasId: number;
  readonly name: string;
  readonly state: 'connected' | 'connecting' | 'silent' | 'failing' | 'unconfigured';
  readonly error: string | null;
  readonly lastSeenAt: number | null;
  /** Addresses that should stand in a list there, and how many do not as yet. */
  readonly wanted: number;
  readonly differing: number;
};

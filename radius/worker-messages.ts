import type { NasSigns } from '#domain/nas-signs';
import type { Policies } from '#domain/rollout';
import type { Instant } from '#domain/time';
import type { DirectoryEntry, SubscriberSessions } from '#radius/directory';
import type { NasEntry } from '#radius/nas-table';

/**
 * What the main thread and a RADIUS worker say to each other. Types only. Order matters between messages of one kind
 * (they arrive in the order sent); `subscribers` may come before, between or after `nases` and `policy`.
 */

/** Handed to the worker thread when it is started (`workerData`). */
export type RadiusWorkerSettings = {
  /** 0, 1, … : names this worker's journal folder and its part of the metrics. */
  readonly worker: number;
  /** Addresses to listen on. A wildcard is spread over the machine's addresses, so that replies leave from the address asked. */
  readonly hosts: readonly string[];
  /** 0 = any free port (tests); the chosen ones are in `ready`. */
  readonly authPort: number;
  readonly acctPort: number;
  /** More than one worker shares the ports: the kernel spreads sources over them. */
  readonly reusePort: boolean;
  /** Folder of this worker's accounting journal; made if it does not exist. */
  readonly journalFolder: string;
  /** How long a Reject waits before it leaves (draft-ietf-radext-deprecating-radius asks ≥ 1 s; RouterOS asks again after 1.1 s). */
  readonly rejectDelayMs?: { readonly least: number; readonly most: number };
  /** The HTTP door for FreeRADIUS' rlm_rest; null = closed. */
  readonly rest?: RestDoorAt | null;
};

/** Where FreeRADIUS asks and what it has to show. */
export type RestDoorAt = { readonly host: string; readonly port: number; readonly token: string };

/** main → worker */
export type ToRadiusWorker =
  /** The whole table, replacing the one before. */
  | { readonly kind: 'nases'; readonly nases: readonly NasEntry[] }
  | { readonly kind: 'policy'; readonly policies: Policies }
  /** Put these subscribers; one with an older `facts.version` than what is held is ignored. */
  | { readonly kind: 'subscribers'; readonly subscribers: readonly DirectoryEntry[] }
  /** These subscribers are no more. */
  | { readonly kind: 'forget'; readonly subscriberIds: readonly number[] }
  /** The live sessions of these subscribers, replacing what was held for each. Send again when one is heard of. */
  | { readonly kind: 'sessions'; readonly subscribers: readonly SubscriberSessions[] }
  /** What is held may be of a history that did not happen (another primary): it serves until `snapshotDone`, and no longer. */
  | { readonly kind: 'doubt' }
  /** Every subscriber has been put: from here an unknown user is rejected, until then we stay silent about them. */
  | { readonly kind: 'snapshotDone' }
  /** Ask for the directory's chunks (see `directory-file.ts`; they are not sealed yet); answered by `exported` messages. */
  | { readonly kind: 'export' }
  /** A chunk from disk, as `exported` gave it. Whoever is known already stays as known. */
  | { readonly kind: 'import'; readonly chunk: Uint8Array }
  /** Close the sockets, flush the journal, answer `stopped`. */
  | { readonly kind: 'stop' };

/** worker → main */
export type FromRadiusWorker =
  | {
      readonly kind: 'ready';
      readonly authPort: number;
      readonly acctPort: number;
      /** null = closed. */
      readonly restPort: number | null;
      readonly addresses: readonly string[];
    }
  /** Accounting up to here is on disk: the intake may read it. At most one a few milliseconds. */
  | { readonly kind: 'journalled'; readonly journal: string; readonly segment: number; readonly offset: number }
  /** A dial was refused because this many sessions are live already: probe them (once a second a subscriber at most). */
  | { readonly kind: 'limitReached'; readonly subscriberId: number }
  /** Under `auto`: this NAS signs its requests, so from now on it must. Store it. */
  | { readonly kind: 'learnedMessageAuthenticator'; readonly nasId: number }
  /** Refused dials of the last second, at most 200 of them (`more` = how many are not listed). */
  | { readonly kind: 'rejected'; readonly dials: readonly RejectedDial[]; readonly more: number }
  /** What was seen of each router since the last time, every few seconds; none where nothing was. */
  | { readonly kind: 'nasSigns'; readonly signs: readonly NasSigns[] }
  /** Counters since the worker's start, once a second. */
  | { readonly kind: 'metrics'; readonly worker: number; readonly metrics: RadiusMetrics }
  | { readonly kind: 'exported'; readonly chunk: Uint8Array; readonly last: boolean }
  | { readonly kind: 'stopped' }
  /** A line for the log; already limited in rate. Never holds a secret or a credential. */
  | { readonly kind: 'log'; readonly level: 'warn' | 'error'; readonly line: string };

export type RejectedDial = {
  readonly username: string;
  readonly nasId: number;
  readonly mac: string | null;
  readonly reason: RejectReason;
  readonly at: Instant;
};

/** Every way in which "we know, and no" comes about. */
export const REJECT_REASONS = [
  'unknown-user',
  'wrong-password',
  /** No credential at all, or one of a kind we do not take (EAP, a State without a conversation). */
  'no-credential',
  'several-credentials',
  'unsupported-credential',
  'malformed-credential',
  /** The decision says `denied`: suspended, or a rule of the policy. */
  'denied',
  'mac-mismatch',
  'session-limit',
  /** Authorize-Only or Call-Check: asks for another's rights without a credential (RFC 5080 2.1.1). */
  'authorize-only',
  /** Neither NAS-IP-Address, NAS-IPv6-Address nor NAS-Identifier (RFC 2865 4.1). */
  'no-nas-identity',
] as const;
export type RejectReason = (typeof REJECT_REASONS)[number];

/** Every way in which we stay silent. */
export const DROP_REASONS = [
  'unknown-source',
  'malformed',
  'unwanted-code',
  'message-authenticator-wrong',
  'message-authenticator-missing',
  'proxy-state-unsigned',
  'request-authenticator-wrong',
  /** A proxy asks for a router that is not in the table. */
  'unknown-router',
  /** The same request is being answered: its reply is on the way. */
  'duplicate-pending',
  'directory-not-loaded',
  'journal-refused',
  'status-server-refused',
  /** More than 4096 octets: a request with many a Proxy-State, or a policy with too many attributes. */
  'reply-too-long',
  /** We threw: a bug of ours, kept from doing harm. */
  'error',
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

export type RadiusMetrics = {
  readonly accepts: number;
  /** Answers to rlm_rest that let in whoever has the password. */
  readonly restAuthorized: number;
  /** HTTP requests that got no answer of use. */
  readonly restRefused: number;
  readonly rejects: Readonly<Record<RejectReason, number>>;
  readonly drops: Readonly<Record<DropReason, number>>;
  /** Requests answered again from memory. */
  readonly duplicatesAnswered: number;
  readonly accountingReceived: number;
  readonly accountingAnswered: number;
  readonly statusServerAnswered: number;
  readonly subscribers: number;
  readonly nases: number;
  readonly journalHealthy: boolean;
  /** Accounting records that wait for the disk. */
  readonly journalPending: number;
};

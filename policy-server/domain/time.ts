/**
 * Time as the domain speaks it: instants are milliseconds since the UNIX epoch (UTC) in a plain number, durations say
 * their unit in their name, and wall-clock questions are asked in the company's zone (Asia/Jakarta, Asia/Makassar,
 * Asia/Jayapura). Nothing in here reads a clock: `clock.ts` alone does.
 */

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Instant = number;

/** "No instant": later than every instant. Printed as "never", stored as PostgreSQL's 'infinity'. */
export const NEVER: Instant = Number.POSITIVE_INFINITY;

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

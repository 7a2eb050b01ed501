import type { Instant } from '#domain/time';

/** A source of the present instant, handed to whatever needs one, so that tests and simulations can drive time. */
export type Clock = () => Instant;

/**
 * What is added to the machine's clock, in milliseconds. An aligned number of eight octets is written and read whole, so it
 * may lie in memory that all threads of the process share: one finds that the clock is wrong, and all are right.
 */
let correction: Float64Array = new Float64Array(1);

/** From now on the correction is the one in this memory of eight octets. */
export function shareCorrection(memory: SharedArrayBuffer): void {
  correction = new Float64Array(memory);
}

/** The present instant: the one place of the program that reads the machine's clock (a tidy test holds everybody to that). */
export const systemClock: Clock = () => Date.now() + correction[0]!;

/** Milliseconds of a clock that never jumps, for measuring how long something took. */
export const monotonicMs = (): number => performance.now();

/** What the machine says, right or wrong. */
export const machineClock: Clock = () => Date.now();

/** How far `systemClock` is ahead of the machine's; 0 = the machine is believed. */
export const clockCorrectionMs = (): number => correction[0]!;

/** From now on, in every thread, the time is the machine's and so much more (milliseconds). */
export function correctClock(ms: number): void {
  correction[0] = ms;
}

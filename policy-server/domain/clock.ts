import type { Instant } from '#domain/time';

/** A source of the present instant, handed to whatever needs one, so that tests and simulations can drive time. */
export type Clock = () => Instant;

/** The machine's clock: the one place of the program that reads it (a tidy test holds everybody to that). */
export const systemClock: Clock = () => Date.now();

/** Milliseconds of a clock that never jumps, for measuring how long something took. */
export const monotonicMs = (): number => performance.now();

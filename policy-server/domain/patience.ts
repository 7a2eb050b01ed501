/**
 * What work comes to, but no longer waited for than so many milliseconds; it goes on all the same. Throws what the work
 * throws in time.
 */
export async function within<Result>(work: Promise<Result>, ms: number): Promise<Result | 'too-late'> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<'too-late'>((resolve) => {
    timer = setTimeout(() => resolve('too-late'), Math.max(0, ms));
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

/** A pause that is over at once when the signal is given, also when it was given before. */
export function pauseUnless(signal: AbortSignal, ms: number): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    signal.addEventListener('abort', over);
  });
}

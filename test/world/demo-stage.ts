/** Whoever tells what happens in the simulated world: the router, its API, WhatsApp. */
export type Witness = {
  until<T>(what: string, check: () => T | false | null | undefined, timeoutMs?: number): Promise<T>;
};

/** What the audience of the demo reads, and a count of what it was promised to see. */
export class Stage {
  seen = 0;
  readonly missed: string[] = [];
  readonly #began = performance.now();

  heading(text: string): void {
    console.log(`\n=== ${text}`);
  }

  /** One line with the time since the start; further lines are put under it. */
  say(text: string): void {
    const seconds = ((performance.now() - this.#began) / 1000).toFixed(1).padStart(6);
    console.log(`${seconds} s  ${text.replaceAll('\n', `\n${' '.repeat(10)}`)}`);
  }

  /** One thing the audience is told to watch for. Resolves with what `check` found, or null when it did not come. */
  async expectSoon<T>(
    witness: Witness,
    what: string,
    check: () => T | false | null | undefined,
    timeoutMs = 5000,
  ): Promise<T | null> {
    try {
      const found = await witness.until(what, check, timeoutMs);
      this.seen++;
      this.say(`  ✓ ${what}`);
      return found;
    } catch (error) {
      this.missed.push(what);
      this.say(`  ✗ NOT SEEN: ${what}\n${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  }
}

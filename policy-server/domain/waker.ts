/** The sleep of a loop that works whenever there is something to do: somebody who knows of something cuts it short. */
export class Waker {
  #isWoken = false;
  #ring: () => void = () => undefined;

  /** Ends the sleep; where nobody sleeps yet, the next one. */
  wake(): void {
    this.#isWoken = true;
    this.#ring();
  }

  /** Whoever wakes from here on means something newer than what is looked for now. */
  forget(): void {
    this.#isWoken = false;
  }

  /** Not at all when it was woken since `forget`. */
  sleep(ms: number): Promise<void> {
    if (this.#isWoken) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#ring = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

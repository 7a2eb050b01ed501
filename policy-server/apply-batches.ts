import { Unavailable } from '#domain/errors';
import { type Answer, type AppliedOrOvertaken, applyTogether } from '#operations/apply-truth';
import type { Desk } from '#operations/desk';

/** Of the pool's connections others need some too. */
const LANES = 5;
/** A commit costs as much as all that is done about an order; more than this make a failure dear. */
const MOST_TOGETHER = 12;

type Waiting = {
  readonly answer: Answer;
  readonly resolve: (applied: AppliedOrOvertaken) => void;
  readonly reject: (error: unknown) => void;
};

/** Applies the answers of gateways: at once when there is one, and those that come meanwhile together in one commit. */
export class ApplyBatches {
  readonly #desk: Desk;
  readonly #waiting: Waiting[] = [];
  #working = 0;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  add(answer: Answer): Promise<AppliedOrOvertaken> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ answer, resolve, reject });
      this.#begin();
    });
  }

  #begin(): void {
    while (this.#working < LANES && this.#waiting.length > 0) {
      this.#working += 1;
      void this.#apply(this.#waiting.splice(0, MOST_TOGETHER)).finally(() => {
        this.#working -= 1;
        this.#begin();
      });
    }
  }

  /** One that cannot be applied does not hold up those that came with it. */
  async #apply(batch: readonly Waiting[]): Promise<void> {
    try {
      const applied = await applyTogether(
        this.#desk,
        batch.map(({ answer }) => answer),
      );
      for (const [at, { resolve }] of batch.entries()) resolve(applied[at]!);
    } catch (error) {
      if (batch.length === 1 || error instanceof Unavailable) for (const { reject } of batch) reject(error);
      else for (const one of batch) await this.#apply([one]);
    }
  }
}

import { monotonicMs } from '#domain/clock';
import type { Answer, DrivenSession, NasDriver } from '#enforcement/driver';

/** Upper bounds in seconds: a quick router, a busy one, and our four transmissions (0, 1, 3, 7 s, given up at 10 s). */
export const ANSWER_BOUNDS_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 3, 7, 10] as const;

/** What one NAS answered to one kind of request. */
export type DriverCount = {
  readonly nasId: number;
  readonly request: keyof NasDriver;
  readonly answers: Readonly<Partial<Record<Answer['is'], number>>>;
  /** Answers by how long they took, as `ANSWER_BOUNDS_SECONDS` and one more for longer. */
  readonly took: readonly number[];
  readonly tookSeconds: number;
};

type Mutable = {
  nasId: number;
  request: keyof NasDriver;
  answers: Partial<Record<Answer['is'], number>>;
  took: number[];
  tookSeconds: number;
};

/** The same driver, with what came of its requests counted for each NAS; `onAnswer` hears of each. */
export function countedDriver(
  driver: NasDriver,
  onAnswer: (session: DrivenSession, answer: Answer) => void = () => undefined,
): { driver: NasDriver; counts: () => readonly DriverCount[] } {
  const counts = new Map<string, Mutable>();
  const counted = async (session: DrivenSession, request: keyof NasDriver, asked: Promise<Answer>): Promise<Answer> => {
    const { nasId } = session;
    const began = monotonicMs();
    const answer = await asked;
    onAnswer(session, answer);
    const key = `${nasId} ${request}`;
    let count = counts.get(key);
    if (count === undefined) {
      count = {
        nasId,
        request,
        answers: {},
        took: Array<number>(ANSWER_BOUNDS_SECONDS.length + 1).fill(0),
        tookSeconds: 0,
      };
      counts.set(key, count);
    }
    const seconds = (monotonicMs() - began) / 1000;
    const bucket = ANSWER_BOUNDS_SECONDS.findIndex((bound) => seconds <= bound);
    count.answers[answer.is] = (count.answers[answer.is] ?? 0) + 1;
    count.took[bucket === -1 ? ANSWER_BOUNDS_SECONDS.length : bucket]! += 1;
    count.tookSeconds += seconds;
    return answer;
  };
  return {
    driver: {
      coa: (session, decision, vendor) => counted(session, 'coa', driver.coa(session, decision, vendor)),
      disconnect: (session) => counted(session, 'disconnect', driver.disconnect(session)),
      probe: (session) => counted(session, 'probe', driver.probe(session)),
    },
    counts: () => [...counts.values()],
  };
}

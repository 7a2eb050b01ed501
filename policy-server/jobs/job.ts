/** Something that is done once in each slot of time, and again later if it failed. */
export type Job = {
  /** Its name in logs, metrics and the table job_run. */
  readonly name: string;
  /** Length of a slot; slots are counted from 1970-01-01T00:00Z. */
  readonly everySeconds: number;
  /** `cluster`: one of all nodes does it, under a lock in the database. `node`: every node does it for itself. */
  readonly scope: 'cluster' | 'node';
  /** Does the work, from wherever it stands; returns what to say about it in the log, null = nothing worth saying. */
  readonly run: (signal: AbortSignal) => Promise<string | null>;
};

export type JobOutcome = 'done' | 'done-before' | 'busy-elsewhere' | 'failed';

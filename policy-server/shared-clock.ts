import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { shareCorrection } from '#domain/clock';

/**
 * Imported first by the main thread and by every worker thread: from then on they have one correction of the clock in common
 * (environment data goes to each thread as it is started, and shared memory stays shared).
 */
const KEY = 'gerbang: correction of the clock';
const memory = (getEnvironmentData(KEY) as SharedArrayBuffer | undefined) ?? new SharedArrayBuffer(8);
setEnvironmentData(KEY, memory);
shareCorrection(memory);

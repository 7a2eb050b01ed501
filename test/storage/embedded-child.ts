import { startEmbedded } from '#storage/embedded';
import { lockDataDir } from '#storage/lock';

/** A process of its own that holds a data folder and its PostgreSQL until its input ends. Says so in one line of JSON. */
const [dataDir] = process.argv.slice(2);
try {
  const lock = lockDataDir(dataDir!);
  const began = performance.now();
  const embedded = await startEmbedded(dataDir!);
  const tookMs = Math.round(performance.now() - began);
  console.log(JSON.stringify({ postgresPid: embedded.pid(), url: embedded.url, tookMs }));
  for await (const _ of process.stdin);
  await embedded.stop();
  lock.release();
} catch (error) {
  console.log(JSON.stringify({ refusal: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }));
  process.exitCode = 1;
}

import '#policy-server/shared-clock';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#domain/assert';
import { systemClock } from '#domain/clock';
import { Intake } from '#policy-server/intake';
import type { FromIntake, IntakeSettings, ToIntake } from '#policy-server/intake-messages';
import { openDatabase } from '#storage/database';

/** The thread of the accounting intake: a database pool of its own, so that neither pages nor enforcement wait for it. */
assert(parentPort !== null, 'the intake runs in a worker thread');
const port = parentPort;
const { databaseUrl, ...settings } = workerData as IntakeSettings;
const db = openDatabase({ url: databaseUrl, poolSize: 3 });
const post = (message: FromIntake): void => port.postMessage(message);
const intake = new Intake({ ...settings, db, clock: systemClock, post });

port.on('message', (message: ToIntake) => {
  if (message.kind === 'wake') intake.wake();
  else intake.stop();
});

post({ kind: 'ready' });
await intake.run();
await db.close();
post({ kind: 'stopped' });
port.close();

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import {
  desk,
  eventually,
  startPaired,
  states,
  stop,
  subscribers,
  useWhatsApp,
  whatsApp,
  writeTo,
} from '#test/whatsapp/harness';

useWhatsApp();

const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
});

function run(): ChildProcess {
  const program = join(import.meta.dirname, 'messages-child.ts');
  const args = [program, desk.db.url, desk.masterKeyFile, whatsApp.url];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  children.push(child);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

test('kill -9 while messages are on their way, five times: each arrives exactly once, under one id', async () => {
  await stop(await startPaired());
  const people = await subscribers(40);
  // No receipts: nothing but the id tells that a message which came twice is one.
  whatsApp.fault({ receipts: 'none', delayMs: 3 });
  await writeTo(people, 'Info');
  let inDoubt = 0;
  for (let kills = 0; kills < 5; kills += 1) {
    const before = whatsApp.messages().length;
    const child = run();
    // It has just arrived and its acknowledgement is on the way, or the next one is being written.
    await whatsApp.until('a few more messages', () => whatsApp.messages().length >= before + 4, 20_000);
    await kill(child);
    const [row] = await desk.db.query<{ count: number }>(
      'select count(*) as count from message where sent_at is null and claimed_until is not null',
    );
    inDoubt += row!.count;
  }
  expect(inDoubt).toBeGreaterThan(0);
  expect(whatsApp.messages().length).toBeLessThan(40);
  run();
  await eventually(states, 30_000).toEqual({ sent: 40 });
  expect(
    whatsApp
      .messages()
      .map(({ to }) => to)
      .sort(),
  ).toEqual(people.map(({ phone }) => phone).sort());
  const ids = await desk.db.query<{ id: string }>('select transport_id as id from message order by 1');
  expect(
    whatsApp
      .messages()
      .map(({ id }) => id)
      .sort(),
  ).toEqual(ids.map(({ id }) => id).sort());
}, 120_000);

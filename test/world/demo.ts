import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { moneyInvitation, moneyStory } from '#test/world/demo-money';
import { CUSTOMERS, invitation, prepaidStory, watch } from '#test/world/demo-prepaid';
import { radiusStory, setUp } from '#test/world/demo-radius';
import { Stage } from '#test/world/demo-stage';
import type { Mikrotik } from '#test/world/mikrotik';
import { type Provider, startProvider } from '#test/world/provider';

/**
 * `npm run demo`: the product beside a simulated MikroTik with 50 PPPoE subscribers and stand-ins for WhatsApp, Midtrans,
 * Xendit and GenieACS, telling what happens; then the pages are there to be tried by hand. With `--once` it ends by itself, code 0 when all it
 * expected was seen. `--data FOLDER` keeps the data there (the folder is new).
 */

const { values: flags } = parseArgs({ options: { once: { type: 'boolean' }, data: { type: 'string' } } });

const stage = new Stage();

/** From now on every event of the router is printed; interim reports come each few seconds. */
function live(router: Mikrotik): NodeJS.Timeout {
  router.on('event', ({ username, text }) => stage.say(`${username} ${text}`.trim()));
  return setInterval(() => {
    for (const session of router.sessions()) void router.interim(session);
  }, 5000);
}

function dataFolder(): { folder: string; keep: boolean } {
  if (flags.data === undefined) return { folder: mkdtempSync(join(tmpdir(), 'gerbang-demo-')), keep: false };
  mkdirSync(flags.data);
  return { folder: flags.data, keep: true };
}

/** Ctrl-C, at any moment of the story. */
const interrupted = new Promise<'interrupted'>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve('interrupted'));
});

async function show(provider: Provider): Promise<void> {
  const { system, router } = provider;
  await setUp(stage, system, CUSTOMERS);
  await radiusStory(stage, system, router);
  const watched = watch(stage, provider);
  const { served, lina } = await prepaidStory(stage, provider);
  const dian = lina === undefined ? null : await moneyStory(stage, provider, lina);
  const { seen, missed } = stage;
  const notSeen = missed.length > 0 ? `, ${missed.length} were not: ${missed.join('; ')}` : '';
  stage.heading(`${seen} things were seen as expected${notSeen}`);
  if (!flags.once) {
    watched.look();
    console.log(invitation(provider, served));
    if (dian !== null) console.log(moneyInvitation(provider, dian));
    console.log('Ctrl-C ends it all.');
    const timer = live(router);
    await interrupted;
    clearInterval(timer);
  }
  watched.end();
}

async function demo(): Promise<void> {
  const { folder, keep } = dataFolder();
  let provider: Provider | null = null;
  try {
    stage.heading('the server starts: embedded PostgreSQL, migrations, RADIUS, the loop, the pages');
    provider = await startProvider(folder);
    const { authPort, acctPort } = provider.system;
    stage.say(`ready: RADIUS on ${authPort}/${acctPort}, pages on ${provider.url}`);
    await Promise.race([show(provider), interrupted]);
  } catch (error) {
    stage.missed.push('the story to its end');
    console.error(`\nThe demo broke off: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await provider?.stop();
    if (!keep) rmSync(folder, { recursive: true, force: true });
  }
  process.exit(stage.missed.length === 0 ? 0 : 1);
}

await demo();

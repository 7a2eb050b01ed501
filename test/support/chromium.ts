import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

/**
 * Where distributions put Chromium; playwright-core brings no browser of its own. Debian's `chromium-headless-shell` is the same
 * engine without what draws windows, and has a third less to do.
 */
const PATHS = [
  '/usr/bin/chromium-headless-shell',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/local/bin/chromium',
];

const installed = (): string | undefined => PATHS.find(existsSync);

/** Why tests with a browser cannot run here, or null. */
export function chromiumMissing(): string | null {
  return installed() === undefined ? 'chromium is not installed' : null;
}

export type ChromiumOptions = {
  /** A command that starts another and becomes it, such as `ip netns exec NAME`: where the browser lives. */
  readonly through?: readonly string[];
  /** More switches of Chromium. */
  readonly args?: readonly string[];
};

/** Root has no sandbox to enter, containers have a small /dev/shm, and a browser of ours calls nobody on its own. */
const SWITCHES = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-background-networking'];

/**
 * A headless Chromium with a fresh profile, steered by playwright-core. The caller ends it with `close()`.
 *
 * @throws Error when Chromium is not installed, or is not up within half a minute
 */
export async function launchChromium(options: ChromiumOptions = {}): Promise<Browser> {
  const program = installed();
  if (program === undefined) throw new Error('chromium is not installed');
  const folder = await mkdtemp(join(tmpdir(), 'gerbang-chromium-'));
  try {
    return await chromium.launch({
      executablePath: options.through === undefined ? program : await startedBy(options.through, program, folder),
      args: [...SWITCHES, ...(options.args ?? [])],
      headless: true,
      timeout: 30_000,
    });
  } finally {
    // The script has become the browser by now.
    await rm(folder, { recursive: true, force: true });
  }
}

/** Playwright starts one program with switches of its own, so a script in between does what comes before it. */
async function startedBy(command: readonly string[], program: string, folder: string): Promise<string> {
  const script = join(folder, 'chromium');
  const words = [...command, program].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  await writeFile(script, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o700 });
  return script;
}

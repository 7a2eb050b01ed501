import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test('npm run demo shows a newcomer the whole loop and sees everything it expects', async () => {
  const demo = fileURLToPath(new URL('demo.ts', import.meta.url));
  const child = spawn(process.execPath, [demo, '--once'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
  }
  const [code] = await once(child, 'close');
  expect(text).not.toContain('NOT SEEN');
  expect(text).toContain('things were seen as expected');
  expect(code, text).toBe(0);
}, 120_000);

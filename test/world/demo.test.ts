import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

test('npm run demo shows a newcomer the whole loop and sees everything it expects', async () => {
  const demo = fileURLToPath(new URL('demo.ts', import.meta.url));
  const child = spawn(process.execPath, [demo, '--once'], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGTERM'));
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
  }
  const [code] = await once(child, 'close');
  expect(text).not.toContain('NOT SEEN');
  expect(text).toContain('things were seen as expected');
  // Who is served by hand needs each of these.
  expect(text).toMatch(/staff: http:\/\/127\.0\.0\.1:\d+\/login as admin, password \S+/);
  for (const name of ['Ani Rahayu', 'Wati Lestari', 'Toko Berkah'])
    expect(text).toMatch(
      new RegExp(
        `WhatsApp to \\+\\d+:\\s+\\| Halo ${name},[\\s|]+Akun[^|]+[\\s|]+Portal ID: \\d{8}\\s+\\| PIN: \\d{6}`,
      ),
    );
  expect(text).toContain('router: 10.77.0.9 moves from prepaid-active to prepaid-no-package');
  expect(text).toContain('CoA: ani has 20M');
  expect(text).toContain('ani is told that it is active');
  expect(text).toContain('CoA: lina has 20M');
  expect(code, text).toBe(0);
}, 180_000);

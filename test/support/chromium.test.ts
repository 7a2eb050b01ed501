import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { launchChromium } from '#test/support/chromium';
import { describeWithChromium } from '#test/support/tools';

describeWithChromium('the browser of the tests', () => {
  test('opens a page of a local server and runs its scripts', async () => {
    const page = '<!doctype html><title>pintu</title><p id=says></p><script>says.textContent = 6 * 7</script>';
    const server = createServer((_request, response) => response.setHeader('content-type', 'text/html').end(page));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const browser = await launchChromium();
    try {
      const tab = await browser.newPage();
      await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      expect(await tab.title()).toBe('pintu');
      expect(await tab.textContent('#says')).toBe('42');
    } finally {
      await browser.close();
      server.close();
    }
  });
});

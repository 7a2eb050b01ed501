import type { FastifyInstance } from 'fastify';
import { afterEach, describe, expect, test } from 'vitest';
import { Unavailable } from '#domain/errors';
import { buildHttp, type HttpOptions, startHttp } from '#http/server';

const logged: string[] = [];
let app: FastifyInstance | null = null;
afterEach(async () => {
  logged.length = 0;
  await app?.close();
  app = null;
});

async function http(options: Partial<HttpOptions> = {}): Promise<FastifyInstance> {
  app = await buildHttp({
    host: '127.0.0.1',
    port: 0,
    readiness: async () => ({ database: { ok: true, says: 'reachable' } }),
    metrics: () => [],
    log: {
      warn: (_fields, message) => logged.push(message),
      error: (_fields, message) => logged.push(message),
    },
    ...options,
  });
  return app;
}

describe('the doors of a node', () => {
  test('it is alive, whatever its parts do', async () => {
    const answer = await (await http({ readiness: () => Promise.reject(new Error('x')) })).inject('/healthz');
    expect([answer.statusCode, answer.json()]).toEqual([200, { alive: true }]);
  });

  test('ready is 200 with every part named', async () => {
    const answer = await (await http()).inject('/readyz');
    expect([answer.statusCode, answer.json()]).toEqual([
      200,
      { ready: true, checks: { database: { ok: true, says: 'reachable' } } },
    ]);
  });

  test('one part that does not work makes it 503, and says which', async () => {
    const answer = await (
      await http({
        readiness: async () => ({
          database: { ok: false, says: 'not reachable' },
          radius: { ok: true, says: 'answers' },
        }),
      })
    ).inject('/readyz');
    expect(answer.statusCode).toBe(503);
    expect(answer.json()).toMatchObject({ ready: false, checks: { database: { says: 'not reachable' } } });
  });

  test('metrics are Prometheus text', async () => {
    const answer = await (
      await http({
        metrics: () => [
          { name: 'x_total', help: 'Some', type: 'counter', samples: [{ labels: { of: 'a"b\\\n' }, value: 3 }] },
        ],
      })
    ).inject('/metrics');
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(answer.body).toBe('# HELP x_total Some\n# TYPE x_total counter\nx_total{of="a\\"b\\\\\\n"} 3\n');
  });

  test.each(['/nothing', '/healthz', '/readyz'])('%s carries the secure headers', async (url) => {
    const { headers } = await (await http()).inject(url);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    });
    expect(headers).not.toHaveProperty('x-powered-by');
  });

  test('an address that is not there is 404, and one that is too long 414', async () => {
    expect((await (await http()).inject('/admin')).statusCode).toBe(404);
    expect((await (await http()).inject(`/${'a'.repeat(3_000)}`)).statusCode).toBe(414);
  });

  test('what fails outside is 503; what we got wrong is 500 and shows nothing of its inside', async () => {
    const outside = await (
      await http({
        readiness: () => Promise.reject(new Unavailable('database: host db.internal')),
      })
    ).inject('/readyz');
    expect([outside.statusCode, outside.body]).toEqual([503, '{"error":"not available for now; try again"}']);
    await app!.close();
    const ours = await (await http({ readiness: () => Promise.reject(new Error('select secret from')) })).inject(
      '/readyz?token=abc',
    );
    expect(ours.statusCode).toBe(500);
    expect(ours.body).not.toContain('select');
    expect(logged).toHaveLength(2);
  });

  test('a port in use is refused with the system’s own code', async () => {
    const options = {
      host: '127.0.0.1',
      readiness: async () => ({}),
      metrics: () => [],
      log: { warn: () => undefined, error: () => undefined },
    };
    const first = await startHttp({ ...options, port: 0 });
    await expect(startHttp({ ...options, port: first.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await first.stop();
  });
});

import { load, SECRET, startWorker } from '#test/bench/radius-bench';
import type { Row } from '#test/bench/report';

/** MS-CHAPv2 with MS-CHAP2-Success and MPPE keys: three DES, two MD4 and a dozen SHA-1 and MD5 an exchange. */
export async function run(): Promise<Row[]> {
  const subscribers = 20_000;
  const worker = await startWorker(subscribers);
  const seconds = 4;
  const plan = { secret: SECRET, subscribers, credential: 'mschap', packets: 20_000, rounds: 12 } as const;
  const result = await load({ ...plan, port: worker.authPort, seconds, window: 256 });
  await worker.stop();
  return [
    { name: 'MS-CHAPv2 accepts', value: result.accepts / seconds, unit: '/s', goal: 15_000 },
    { name: 'MS-CHAPv2 rejected or lost', value: result.rejects + result.lost, unit: '' },
  ];
}

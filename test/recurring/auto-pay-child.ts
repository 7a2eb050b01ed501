import { z } from 'zod';
import { Unavailable } from '#domain/errors';
import { type Gateway, GatewayRefusal } from '#domain/gateway';
import { runAutoPay } from '#operations/run-auto-pay';
import { openDatabase } from '#storage/database';
import { loadMasterKey } from '#storage/secrets';

/** One run of auto-pay in a process of its own, to be killed: `auto-pay-child.ts DATABASE_URL MASTER_KEY_FILE GATEWAY_URL INSTANT`. */
const [url = '', keyFile = '', gatewayUrl = '', at = ''] = process.argv.slice(2);

const truth = z.object({ state: z.enum(['unknown', 'paid']), amountRupiah: z.number().nullable() });

async function ask(path: string, body: object): Promise<Response> {
  try {
    return await fetch(`${gatewayUrl}${path}`, { method: 'POST', body: JSON.stringify(body) });
  } catch {
    throw new Unavailable('the gateway does not answer');
  }
}

/** What the test's gateway over the loopback needs of the port; a link is not asked for. */
const gateway: Pick<Gateway, 'name' | 'charge' | 'truthOf'> = {
  name: 'midtrans',
  charge: async ({ orderId, amountRupiah, token }) => {
    const answer = await ask('/charge', { orderId, amountRupiah, token });
    if (answer.status === 409) throw new GatewayRefusal('order-taken', 'this order id is taken');
  },
  truthOf: async ({ orderId }) => {
    const said = truth.parse(await (await ask('/truth', { orderId })).json());
    return {
      ...said,
      gatewayRef: said.state === 'paid' ? `ref-${orderId}` : null,
      refundedRupiah: 0,
      currency: 'IDR',
      paidAt: null,
      method: 'credit_card',
      feeRupiah: null,
      saved: null,
    };
  },
};

const db = openDatabase({ url, poolSize: 4 });
const desk = { sealer: loadMasterKey(keyFile), clock: () => Number(at), zone: 'Asia/Jakarta', publicUrl: '', db };
const named = async () => gateway as Gateway;
await runAutoPay({ ...desk, actor: 'system' }, { active: async () => [], named });
await db.close();

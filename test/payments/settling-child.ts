import { systemClock } from '#domain/clock';
import type { Gateway, GatewayName, Gateways } from '#domain/gateway';
import { openLog } from '#policy-server/log';
import { startPayments } from '#policy-server/payments-side';
import { openDatabase } from '#storage/database';
import { loadMasterKey } from '#storage/secrets';
import { MemoryGateway } from '#test/payments/memory-gateway';

/**
 * A node's payments side as a process of its own, to be killed: `url`, the master key file, and what every order was paid
 * with. Its gateway says of every order that it is paid.
 */
const [url, masterKeyFile, rupiah] = process.argv.slice(2) as [string, string, string];

class Payer extends MemoryGateway {
  override truthOf: Gateway['truthOf'] = async ({ orderId }) => ({
    state: 'paid',
    gatewayRef: `ref-${orderId}`,
    amountRupiah: Number(rupiah),
    refundedRupiah: 0,
    currency: 'IDR',
    paidAt: systemClock(),
    method: 'qris',
    feeRupiah: null,
    saved: null,
  });
}

const all: Readonly<Record<GatewayName, Gateway>> = { midtrans: new Payer('midtrans'), xendit: new Payer('xendit') };
const gateways: Gateways = { active: async () => Object.values(all), named: async (name) => all[name] };
const db = openDatabase({ url, poolSize: 6 });
await startPayments({
  desk: {
    db,
    sealer: loadMasterKey(masterKeyFile),
    clock: systemClock,
    zone: 'Asia/Jakarta',
    actor: 'system',
    publicUrl: 'https://portal.test',
  },
  gateways,
  log: openLog('error', (line) => process.stderr.write(line)),
  lookEveryMs: 50,
  claimMs: 500,
});

import type { FastifyReply } from 'fastify';
import { InvalidInput, Unavailable } from '#domain/errors';
import { type Gateway, GatewayRefusal } from '#domain/gateway';
import { beginWallet, lookAtWallets } from '#operations/wallet';
import { askInTime } from '#portal/customer/invoices/ask';
import { isWebAddress } from '#portal/customer/invoices/bills';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { field, formOf } from '#portal/shared/forms';
import { newestWalletLink, walletAccountOf } from '#storage/wallet-links';

const AUTO_PAY = '/customer/autopay';
const PATH = `${AUTO_PAY}/wallet`;

/** Linking an e-wallet: to its page, and back from it. `show` is the page of auto-pay with what was wrong. */
export function walletPages(doors: Doors, show: (context: Context, faults: string[]) => Promise<FastifyReply>): void {
  doors.customer('POST', PATH, async (context) => {
    const faults = await begin(context, field(formOf(context.request.body), 'phone'));
    return faults === null ? context.redirect(`${PATH}/go`) : show(context, faults);
  });

  // As for invoices: a form may not end at another site, so a page of ours in between leads on.
  doors.customer('GET', `${PATH}/go`, async (context) => {
    const waits = await waitingWallet(context);
    if (waits === null) return context.redirect(AUTO_PAY);
    const { url, brand } = waits;
    const title = context.t('autopay.wallet-go-on', { brand });
    return context.page('customer/autopay/wallet-go', { title, url }, { title, forwardTo: url });
  });

  // Where the wallet sends the browser back to.
  doors.customer('GET', PATH, async (context) => {
    await askForWallets(context);
    const link = await newestWalletLink(context.db, context.subscriberId);
    if (link === null) return context.redirect(AUTO_PAY);
    const brand = brandOf(link.label);
    if (link.state === 'linked') {
      return context.redirect(AUTO_PAY, { kind: 'good', text: context.t('autopay.wallet-linked', { brand }) });
    }
    const text = context.t(`autopay.wallet-${link.state === 'waiting' ? 'still-waits' : 'not-linked'}`, { brand });
    return context.redirect(AUTO_PAY, { kind: 'bad', text });
  });
}

/** Asks the gateway about what the customer links or removed; what is not learned now, the job learns. */
export function askForWallets(context: Context): Promise<void> {
  const { desk, opened, subscriberId } = context;
  const ask = () => lookAtWallets({ ...desk, actor: 'system' }, opened.gateways, { subscriberId });
  return askInTime(context, `wallet-${subscriberId}`, ask);
}

/** What the page of auto-pay shows of it: whether one can be linked, and one that waits for the customer's yes. */
export async function walletModel(context: Context, active: readonly Gateway[], phone: string | null) {
  const brand = active.find(({ wallets }) => wallets !== undefined)?.wallets?.brand ?? null;
  const waits = await waitingWallet(context);
  return { brand, waits: waits === null ? null : { brand: waits.brand }, phone: phone?.replace(/^\+?62/, '0') ?? '' };
}

async function waitingWallet({ db, opened, subscriberId }: Context) {
  const link = await newestWalletLink(db, subscriberId);
  if (link?.state !== 'waiting') return null;
  const account = await walletAccountOf(db, opened.sealer, link.id);
  if (account === null || !isWebAddress(account.url)) return null;
  return { url: account.url, brand: brandOf(link.label) };
}

/** Of `GoPay •••• 5678`. */
const brandOf = (label: string | null): string => label?.split(' ', 1)[0] ?? '';

/** null when it was begun, else what was wrong. */
async function begin(context: Context, phone: string): Promise<string[] | null> {
  const { desk, opened, parts, publicUrl, subscriberId } = context;
  const gateway = (await opened.gateways.active()).find(({ wallets }) => wallets !== undefined);
  if (gateway === undefined) return [context.t('invoices-customer.gateway-failed')];
  try {
    const input = { subscriberId, gateway: gateway.name, phone, returnUrl: `${publicUrl}${PATH}` };
    await beginWallet(desk, opened.gateways, input);
    return null;
  } catch (error) {
    if (error instanceof InvalidInput) return error.faults.map((fault) => context.said(fault));
    if (!(error instanceof Unavailable || error instanceof GatewayRefusal)) throw error;
    parts.log.warn({ err: error }, 'an e-wallet could not be linked');
    const isRefused = error instanceof GatewayRefusal && error.code === 'refused';
    const brand = gateway.wallets!.brand;
    return [context.t(isRefused ? 'autopay.wallet-refused' : 'invoices-customer.gateway-failed', { brand })];
  }
}

import { Unavailable } from '#domain/errors';
import { GatewayRefusal, type WalletLink, type WalletState, type Wallets } from '#domain/gateway';
import type { MidtransAnswer, MidtransLine } from '#integrations/gateways/midtrans-line';
import { type Fields, isFields, isWebAddress, textOf } from '#integrations/gateways/reading';

const PREFIX = 'gopay:';
const INDONESIA = '62';

/** The account of a token that is a wallet's; null for a card's. */
export const accountOfToken = (token: string): string | null =>
  token.startsWith(PREFIX) ? token.slice(PREFIX.length) : null;

/** GoPay linked at Midtrans (docs.midtrans.com: GoPay Tokenization; Create, Get and Unbind Pay Account). */
export class MidtransWallets implements Wallets {
  readonly brand = 'GoPay';
  readonly #line: MidtransLine;

  constructor(line: MidtransLine) {
    this.#line = line;
  }

  async link({ phone, returnUrl }: Parameters<Wallets['link']>[0]): Promise<WalletLink> {
    if (!phone.startsWith(INDONESIA)) throw new GatewayRefusal('refused', 'GoPay has Indonesian numbers only');
    const answer = await this.#line.linkAccount({
      payment_type: 'gopay',
      gopay_partner: {
        phone_number: phone.slice(INDONESIA.length),
        country_code: INDONESIA,
        redirect_url: returnUrl,
      },
    });
    const { account_id, account_status, actions } = answer.body;
    const account = textOf(account_id);
    const url = (Array.isArray(actions) ? actions : []).filter(isFields).find(isActivation)?.url;
    // One that is linked already is not taken over: whoever types its number need not be whose it is.
    if (account === null || account_status !== 'PENDING' || !isWebAddress(url)) throw this.#refusal(answer);
    return { url, token: `${PREFIX}${account}`, label: `${this.brand} •••• ${phone.slice(-4)}` };
  }

  async stateOf(token: string): Promise<WalletState> {
    return stateFrom(await this.#account(accountOfToken(token) ?? ''));
  }

  async unlink(token: string): Promise<void> {
    const account = accountOfToken(token) ?? '';
    const answer = await this.#line.unlinkAccount(account);
    if (answer.body.account_status === 'DISABLED' || answer.code === 204) return;
    // Unlinked before, by the customer or by somebody who did not hear the answer.
    if (stateFrom(await this.#account(account)) === 'linked') throw this.#refusal(answer);
  }

  /** What a charge needs of it. Tokens of an account change, so it is asked each time (docs.midtrans.com, Get Pay Account). */
  async payingBy(account: string, callbackUrl: string): Promise<Fields> {
    const answer = await this.#account(account);
    const { metadata, account_status } = answer.body;
    const options = isFields(metadata) && Array.isArray(metadata.payment_options) ? metadata.payment_options : [];
    const wallet = options.filter(isFields).find(({ name }) => name === 'GOPAY_WALLET');
    const token = textOf(wallet?.token);
    if (stateFrom(answer) !== 'linked' || token === null || wallet?.active === false) {
      throw new GatewayRefusal('refused', `GoPay is not linked any more (${textOf(account_status) ?? answer.code})`);
    }
    return {
      payment_type: 'gopay',
      gopay: { account_id: account, payment_option_token: token, callback_url: callbackUrl, recurring: true },
    };
  }

  async #account(id: string): Promise<MidtransAnswer> {
    const answer = await this.#line.account(id);
    const { account_status, account_id } = answer.body;
    const isKnown = textOf(account_status) !== null && (account_id === undefined || account_id === id);
    // Midtrans' own 404 is an account that is no more; a proxy's has no code in it.
    const isGone = answer.code === 404 && textOf(answer.body.status_code) !== null;
    if (!isKnown && !isGone) throw new Unavailable(`Midtrans gave no usable answer (an account, ${answer.code})`);
    return answer;
  }

  #refusal(answer: MidtransAnswer): GatewayRefusal {
    return new GatewayRefusal('refused', `Midtrans refuses: ${this.#line.wordsOf(answer)} (${answer.code})`);
  }
}

const isActivation = ({ name, url }: Fields): boolean => name === 'activation-link-url' && isWebAddress(url);

/** What is not known never counts as linked. */
function stateFrom({ body: { account_status } }: MidtransAnswer): WalletState {
  if (account_status === 'ENABLED') return 'linked';
  return account_status === 'PENDING' ? 'pending' : 'ended';
}

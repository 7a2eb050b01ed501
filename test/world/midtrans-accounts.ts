import { createHash, randomUUID } from 'node:crypto';
import { type Answer, type Asked, escaped, json, page, redirect } from '#test/world/gateway-web';
import type { MidtransStatus } from '#test/world/midtrans-orders';

export type GopayAccount = {
  readonly id: string;
  readonly phone: string;
  readonly redirectUrl: string;
  status: 'PENDING' | 'ENABLED' | 'EXPIRED' | 'DISABLED';
  balance: number;
  /** Of the wallet, until the account is asked about again. */
  token: string;
};

export const core = (code: number, message: string) => ({
  status_code: String(code),
  status_message: message,
  id: createHash('sha1').update(message).digest('hex').slice(0, 32),
});

const CODE = { PENDING: '201', ENABLED: '200', EXPIRED: '202', DISABLED: '204' } as const;

type Place = { readonly url: () => string; readonly changed: (account: GopayAccount) => void };

/** GoPay accounts that are linked to the merchant (docs.midtrans.com: Create, Get, Unbind Pay Account), and GoPay's page. */
export class GopayAccounts {
  readonly all: GopayAccount[] = [];
  /** Numbers that GoPay does not know, without the country code. */
  readonly unknown = new Set<string>();
  /** Whether the merchant may charge without the PIN. */
  mayRecur = true;
  /** What a wallet holds when it is linked. */
  balance = 1_000_000;
  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
  }

  account(id = this.all.at(-1)?.id): GopayAccount {
    const account = this.all.find((one) => one.id === id);
    if (account === undefined) throw new Error(`GoPay knows no account ${id}`);
    return account;
  }

  become(status: GopayAccount['status'], id?: string): void {
    const account = this.account(id);
    account.status = status;
    this.#place.changed(account);
  }

  pageOf(id?: string): string {
    return `${this.#place.url()}/gopay/activation/${this.account(id).id}`;
  }

  /** `/v2/pay/account…`, what of it follows. */
  answer(asked: Asked, [id, act]: readonly string[]): Answer {
    if (asked.method === 'POST' && id === undefined) return this.#create(JSON.parse(asked.body));
    const account = this.all.find((one) => one.id === id);
    if (account === undefined) return json(404, core(404, 'Account does not exist.'));
    if (asked.method === 'GET' && act === undefined) return json(200, this.#told(account));
    if (asked.method !== 'POST' || act !== 'unbind') return json(404, core(404, 'The requested resource is not found'));
    if (account.status === 'ENABLED') this.become('DISABLED', account.id);
    else if (account.status !== 'DISABLED')
      return json(200, { ...bare(account), ...core(202, 'Account is not linked') });
    return json(200, bare(account));
  }

  /** How a charge by an account ends; a text: why it is none. */
  chargedBy(asked: Record<string, unknown> | undefined, amount: number): MidtransStatus | string {
    const account = this.all.find(({ id }) => id === asked?.account_id);
    if (account?.status !== 'ENABLED') return 'Account is not enabled';
    if (asked?.payment_option_token !== account.token) return 'payment_option_token is not valid';
    if (asked?.recurring !== true || !this.mayRecur) return 'pending';
    if (account.balance < amount) return 'deny';
    account.balance -= amount;
    return 'settlement';
  }

  /** GoPay's own page, where its owner says yes with the PIN, or no. */
  page(asked: Asked, id: string): Answer {
    const account = this.all.find((one) => one.id === id);
    if (account?.status !== 'PENDING') return page(410, 'GoPay (tiruan)', '<p>Tautan ini tidak berlaku lagi.</p>');
    if (asked.method !== 'POST') {
      return page(
        200,
        'GoPay (tiruan)',
        `<p>Hubungkan +62${escaped(account.phone)}?</p><form method="post"><button name="act" value="yes">Ya</button>
<button name="act" value="no">Tidak</button></form>`,
      );
    }
    this.become(new URLSearchParams(asked.body).get('act') === 'yes' ? 'ENABLED' : 'EXPIRED', id);
    return redirect(account.redirectUrl);
  }

  #create({ payment_type, gopay_partner: partner }: Record<string, Record<string, string>>): Answer {
    const { phone_number: phone = '', country_code, redirect_url: redirectUrl = '' } = partner ?? {};
    if (String(payment_type) !== 'gopay' || country_code !== '62' || !/^8\d{7,12}$/.test(phone)) {
      return json(200, core(400, 'gopay_partner is not valid'));
    }
    const known = this.all.find((one) => one.phone === phone && ['PENDING', 'ENABLED'].includes(one.status));
    if (this.unknown.has(phone)) {
      return json(200, {
        ...core(202, 'Denied'),
        channel_response_code: '105',
        channel_response_message: 'User Not Found',
      });
    }
    const account: GopayAccount = known ?? {
      id: randomUUID(),
      phone,
      redirectUrl,
      status: 'PENDING',
      balance: this.balance,
      token: randomUUID(),
    };
    if (known === undefined) this.all.push(account);
    return json(201, this.#told(account));
  }

  #told(account: GopayAccount): Record<string, unknown> {
    account.token = randomUUID();
    const { id, status, balance, token } = account;
    if (status === 'PENDING') {
      const links = [
        { name: 'activation-link-app', method: 'GET', url: `gojek://activate/${id}` },
        { name: 'activation-link-url', method: 'GET', url: this.pageOf(id) },
      ];
      return { ...bare(account), actions: links };
    }
    if (status !== 'ENABLED') return bare(account);
    const option = { active: true, balance: { value: `${balance}.00`, currency: 'IDR' } };
    const options = [
      { name: 'PAY_LATER', ...option, active: false, token: randomUUID() },
      { name: 'GOPAY_WALLET', ...option, token },
    ];
    return { ...bare(account), metadata: { payment_options: options } };
  }
}

const bare = ({ id, status }: GopayAccount) => ({
  status_code: CODE[status],
  payment_type: 'gopay',
  account_id: id,
  account_status: status,
});

/** The notification of a change of the account: it is about no order. */
export function accountNotification({ id, status }: GopayAccount, serverKey: string): string {
  const signed = `${id}${status}${CODE[status]}${serverKey}`;
  const fields = { status_code: CODE[status], payment_type: 'gopay', account_id: id, account_status: status };
  return JSON.stringify({ ...fields, signature_key: createHash('sha512').update(signed).digest('hex') });
}

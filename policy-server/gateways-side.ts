import type { Clock } from '#domain/clock';
import { monotonicMs } from '#domain/clock';
import { GATEWAYS, type Gateway, type GatewayName, type Gateways } from '#domain/gateway';
import type { SecretSetting, Settings } from '#domain/settings';
import { SECOND } from '#domain/time';
import { openMidtrans } from '#integrations/gateways/midtrans';
import { openXendit } from '#integrations/gateways/xendit';
import type { Log } from '#policy-server/log';
import type { Database } from '#storage/database';
import { type Sealer, SecretsFault } from '#storage/secrets';
import { readSecretSetting, readSettings } from '#storage/settings';

export type GatewaysOptions = {
  readonly db: Database;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Where the gateways' interfaces are; null = at the gateways. */
  readonly midtransBaseUrl: string | null;
  readonly xenditBaseUrl: string | null;
};

/** The settings and keys are looked at this often at most, for all that asks. */
const FRESH_MS = 2 * SECOND;

/** Without all of them a gateway cannot be asked, or its events not be told from anybody's. */
const KEYS: Readonly<Record<GatewayName, readonly SecretSetting[]>> = {
  midtrans: ['gateway.midtrans.server-key'],
  xendit: ['gateway.xendit.api-key', 'gateway.xendit.callback-token'],
};

const CALLED: Readonly<Record<GatewayName, string>> = { midtrans: 'Midtrans', xendit: 'Xendit' };

/** The gateways as the settings have them, opened anew when those change. One that is in trouble leaves the other alone. */
export function openGateways(options: GatewaysOptions): OpenedGateways {
  return new OpenedGateways(options);
}

type Standing = { readonly name: GatewayName; readonly gateway: Gateway | null; readonly active: boolean };

export class OpenedGateways implements Gateways {
  readonly #options: GatewaysOptions;
  /** What each was opened with. */
  readonly #open = new Map<GatewayName, { readonly made: string; readonly gateway: Gateway }>();
  readonly #said = new Map<GatewayName, string>();
  #read: Promise<readonly Standing[]> | null = null;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(options: GatewaysOptions) {
    this.#options = options;
  }

  async active(): Promise<readonly Gateway[]> {
    const standings = await this.#standings();
    return standings.flatMap(({ gateway, active }) => (active && gateway !== null ? [gateway] : []));
  }

  async named(name: GatewayName, how?: 'fresh'): Promise<Gateway | null> {
    if (how === 'fresh') this.#read = null;
    const standings = await this.#standings();
    return standings.find((one) => one.name === name)?.gateway ?? null;
  }

  #standings(): Promise<readonly Standing[]> {
    if (this.#read !== null && monotonicMs() - this.#readAt <= FRESH_MS) return this.#read;
    this.#readAt = monotonicMs();
    const read = this.#look();
    this.#read = read;
    read.catch(() => {
      if (this.#read === read) this.#read = null; // seen by whoever awaits it; the next one asks again
    });
    return read;
  }

  /** The preferred one first. */
  async #look(): Promise<readonly Standing[]> {
    const { gateways } = await readSettings(this.#options.db);
    const order = GATEWAYS.toSorted((one, other) => Number(other === gateways.first) - Number(one === gateways.first));
    return Promise.all(order.map((name) => this.#standing(name, gateways)));
  }

  async #standing(name: GatewayName, settings: Settings['gateways']): Promise<Standing> {
    const { active } = settings[name];
    const keys = await this.#keys(name);
    if (typeof keys === 'string') {
      this.#open.delete(name);
      this.#say(name, active ? keys : '', 'warn');
      return { name, gateway: null, active };
    }
    const made = JSON.stringify([settings[name], keys]);
    const known = this.#open.get(name);
    const gateway = known?.made === made ? known.gateway : this.#make(name, settings, keys);
    this.#open.set(name, { made, gateway });
    const where = name === 'midtrans' ? (settings.midtrans.production ? ' (production)' : ' (sandbox)') : '';
    const offered = active ? 'is offered to customers' : 'is switched off: what was begun with it is still followed';
    this.#say(name, `${CALLED[name]}${where} ${offered}`, 'info');
    return { name, gateway, active };
  }

  #make(name: GatewayName, settings: Settings['gateways'], [key = '', token = '']: readonly string[]): Gateway {
    const { clock, midtransBaseUrl, xenditBaseUrl } = this.#options;
    switch (name) {
      case 'midtrans':
        return openMidtrans({ ...settings.midtrans, serverKey: key, clock, baseUrl: midtransBaseUrl });
      case 'xendit':
        return openXendit({ ...settings.xendit, apiKey: key, callbackToken: token, clock, baseUrl: xenditBaseUrl });
    }
  }

  /** In the order of `KEYS`; or why there are none, which is this gateway's matter alone. */
  async #keys(name: GatewayName): Promise<readonly string[] | string> {
    const { db, sealer } = this.#options;
    try {
      const keys = await Promise.all(KEYS[name].map((key) => readSecretSetting(db, sealer, key)));
      if (keys.every((key) => key !== null)) return keys;
      return `${CALLED[name]} is switched on, but its keys are not all there: customers are not offered it`;
    } catch (error) {
      if (!(error instanceof SecretsFault)) throw error;
      return `the keys of ${CALLED[name]} cannot be opened (${error.message}): enter them again`;
    }
  }

  /** Once, until there is something else to say. */
  #say(name: GatewayName, line: string, level: 'info' | 'warn'): void {
    if ((this.#said.get(name) ?? '') === line) return;
    this.#said.set(name, line);
    if (line !== '') this.#options.log[level]({}, line);
  }
}

import type { Desk } from '#operations/desk';
import { saveSettings, setSecretSetting } from '#operations/settings';
import { type GenieAcsWorld, startGenieAcs } from '#test/world/genieacs';
import { type Midtrans, startMidtrans } from '#test/world/midtrans';
import { startXendit, type Xendit } from '#test/world/xendit';

/** Where a company's money goes by and its ONTs are: both gateways and GenieACS, none of which takes an account anywhere. */
export type Money = {
  readonly midtrans: Midtrans;
  readonly xendit: Xendit;
  readonly acs: GenieAcsWorld;
  /** What the server is told of them at its start. */
  readonly environment: Readonly<Record<string, string>>;
  /** Has the server take them into its settings, and them tell it what happens. */
  join(desk: Desk, serverUrl: string): Promise<void>;
  stop(): Promise<void>;
};

const KEYS = {
  midtrans: 'SB-Mid-server-simulated-0001',
  xendit: 'xnd_development_simulated_0001',
  callback: 'simulated-callback-token-0001',
} as const;

export async function startMoney(): Promise<Money> {
  const midtrans = await startMidtrans({ serverKey: KEYS.midtrans });
  const xendit = await startXendit({ apiKey: KEYS.xendit, callbackToken: KEYS.callback });
  const acs = await startGenieAcs({ informEveryMs: 60_000, rebootMs: 45_000 });
  return {
    midtrans,
    xendit,
    acs,
    environment: { MIDTRANS_BASE_URL: midtrans.url, XENDIT_BASE_URL: xendit.url },
    join: async (desk, serverUrl) => {
      midtrans.notificationUrl = `${serverUrl}/api/webhooks/midtrans`;
      xendit.webhookUrl = `${serverUrl}/api/webhooks/xendit`;
      await setSecretSetting(desk, 'gateway.midtrans.server-key', KEYS.midtrans);
      await setSecretSetting(desk, 'gateway.xendit.api-key', KEYS.xendit);
      await setSecretSetting(desk, 'gateway.xendit.callback-token', KEYS.callback);
      await saveSettings(desk, 'gateways', { midtrans: { active: true }, xendit: { active: true } });
      await saveSettings(desk, 'genieacs', { url: acs.url });
    },
    stop: async () => {
      await Promise.all([midtrans.stop(), xendit.stop(), acs.stop()]);
    },
  };
}

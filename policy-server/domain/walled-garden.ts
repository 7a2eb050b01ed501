import type { GatewayName } from '#domain/gateway';
import type { Settings } from '#domain/settings';

/**
 * What a browser asks for while it shows a gateway's page. Banks and e-wallets are not among it: nobody can list them all,
 * and the payment window is for them. Exact names, for RouterOS 6 knows no others. `test` is where practice payments go.
 *
 * Midtrans: docs.midtrans.com (app. and api., with and without sandbox.); scripts, styles and logos of its page come from
 * the CDN, and GoPay from gopayapi.com, as sites that name what that page may load (CSP) say. Xendit: docs.xendit.co
 * (checkout, api) and its published pages (js, assets); which of the two checkouts it is, its key decides.
 */
const HOSTS: Readonly<Record<GatewayName, { readonly real: readonly string[]; readonly test: readonly string[] }>> = {
  midtrans: {
    real: ['app.midtrans.com', 'api.midtrans.com', 'snap-assets.al-pc-id-b.cdn.gtflabs.io', 'gwk.gopayapi.com'],
    test: [
      'app.sandbox.midtrans.com',
      'api.sandbox.midtrans.com',
      'simulator.sandbox.midtrans.com',
      'snap-assets.al-pc-id-b.cdn.gtflabs.io',
      'gwk.gopayapi.com',
    ],
  },
  xendit: {
    real: ['checkout.xendit.co', 'api.xendit.co', 'js.xendit.co', 'assets.xendit.co'],
    test: ['checkout-staging.xendit.co'],
  },
};

/** What the gateways that are switched on need in the walled garden. */
export function gatewayHosts({ midtrans, xendit }: Settings['gateways']): readonly string[] {
  return [
    ...(midtrans.active ? HOSTS.midtrans[midtrans.production ? 'real' : 'test'] : []),
    ...(xendit.active ? [...HOSTS.xendit.real, ...HOSTS.xendit.test] : []),
  ];
}

/** Everything that stays open without a package: for the gateways, and what the company adds. */
export const gardenHosts = ({ gateways, walledGarden }: Pick<Settings, 'gateways' | 'walledGarden'>): string[] => [
  ...new Set([...gatewayHosts(gateways), ...walledGarden.hosts]),
];

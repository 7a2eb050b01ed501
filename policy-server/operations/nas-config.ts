import { InvalidInput } from '#domain/errors';
import type { NasVendor } from '#domain/policy';
import { say } from '#domain/say';
import { addressesOf, type RouterScriptInput, routerScript, serverFaults } from '#operations/router-script';

/** Seconds to wait for a reply, and between interim updates where the policy has not said it yet. */
const TIMEOUT_SECONDS = 3;
const INTERIM_SECONDS = 300;

/**
 * What makes a NAS of this make ask this server: a script for a MikroTik, sections of its configuration for accel-ppp, and
 * for any other what has to be entered there. Each holds the RADIUS secret.
 *
 * @throws InvalidInput for an address or port that is none, and a secret that accel-ppp cannot read
 */
export function nasConfig(vendor: NasVendor, input: RouterScriptInput): string {
  if (vendor === 'mikrotik') return routerScript(input);
  const faults = serverFaults(input.server);
  if (faults.length > 0) throw new InvalidInput(faults);
  return `${(vendor === 'accel-ppp' ? accelPpp(input) : generic(input)).join('\n')}\n`;
}

/** Comments end with their line: only plain signs of a name here. */
const plainName = (name: string): string => name.replace(/[^A-Za-z0-9._-]/g, '_').slice(0, 60);

/**
 * accel-ppp.conf(5): `server` is parted by commas, so a secret may hold none. A rate comes in Filter-Id, which is where its
 * shaper looks unless told otherwise; DM and CoA are served by `dae-server`. Not tried on a machine: composed from the manual.
 */
function accelPpp({ nas, server }: RouterScriptInput): string[] {
  if (!/^[!-~]+$/.test(nas.secret) || /[,#;]/.test(nas.secret)) {
    const says = say`the secret has a character that accel-ppp cannot read there; have one made: nas edit NAME --secret generate`;
    throw new InvalidInput([says]);
  }
  const name = plainName(nas.name);
  const addresses = addressesOf(server);
  // One that is silent is left alone for a while, but where there is no other, never.
  const whenSilent = addresses.length === 1 ? 'fail-timeout=0,max-fail=0' : 'fail-timeout=10,max-fail=3';
  return [
    `# Gerbang: accel-ppp, ${name}. For /etc/accel-ppp.conf, section by section; then: accel-cmd reload`,
    '# This file holds the RADIUS secret: delete it after use.',
    '',
    '[modules]',
    'radius',
    'shaper',
    '',
    '[radius]',
    `nas-identifier=${name}`,
    ...addresses.map(
      (address) =>
        `server=${address},${nas.secret},auth-port=${server.authPort},acct-port=${server.acctPort},req-limit=0,${whenSilent}`,
    ),
    `dae-server=0.0.0.0:${nas.coaPort},${nas.secret}`,
    `dae-allowed=${addresses.join(',')}`,
    `timeout=${TIMEOUT_SECONDS}`,
    'max-try=3',
    `acct-interim-interval=${INTERIM_SECONDS}`,
    'acct-delay-time=1',
    'acct-on=1',
    '# Signs every Access-Request with Message-Authenticator (accel-ppp 1.13 and later)',
    'blast-protection=1',
    '',
    '# Download/upload in kbit/s, as this server tells them in Access-Accept and CoA',
    '[shaper]',
    'attr=Filter-Id',
    '',
    '# A line without a package is told 128/128 and no list. To lead it to the portal, let the policy give it an attribute',
    '# that your firewall goes by: see the reference of the policy, attributes for accel-ppp.',
  ];
}

function generic({ nas, server }: RouterScriptInput): string[] {
  const addresses = addressesOf(server);
  const at = (port: number) => addresses.map((address) => `${address} port ${port}`).join(', then ');
  return [
    `# Gerbang: what to enter at ${plainName(nas.name)}`,
    '# This file holds the RADIUS secret: delete it after use.',
    `RADIUS authentication server   ${at(server.authPort)}`,
    `RADIUS accounting server       ${at(server.acctPort)}`,
    `Shared secret                  ${nas.secret}`,
    `Timeout                        ${TIMEOUT_SECONDS} s, 3 tries`,
    `Interim accounting             every ${INTERIM_SECONDS} s, or as Acct-Interim-Interval says`,
    `CoA and Disconnect (RFC 5176)  accept from ${addresses.join(' and ')} at port ${nas.coaPort}, with the same secret`,
    'Message-Authenticator          on, in every Access-Request',
    '',
    'It is told:',
    'WISPr-Bandwidth-Max-Down, -Up  the rate in bit/s (vendor 14122, attributes 8 and 7)',
    'Filter-Id                      prepaid-active, prepaid-paying or prepaid-no-package: give it filters of these names;',
    '                               the last lets only the portal and the walled garden through',
    'Session-Timeout, Idle-Timeout, Framed-Pool, Framed-IP-Address   as in RFC 2865 and RFC 2869',
  ];
}

import { gardenHosts } from '#domain/walled-garden';
import { readSettings } from '#operations/settings';
import { showRouterScript } from '#operations/show-router-script';
import { type Command, type Given, textOf } from '#policy-server/cli/command';

export const nasScript: Command = {
  name: 'nas script',
  summary: 'Print what to paste into a router, or to enter at a NAS of another make, its secret included',
  positionals: [{ name: 'NAME', help: 'the name of a NAS' }],
  options: {
    server: {
      value: 'A,B',
      help: 'the address of this server as the router reaches it; of several nodes each, in the order of asking',
      required: true,
    },
    portal: { value: 'ADDRESS', help: 'where subscribers without a package are led; the server if not given' },
    'portal-url': { value: 'URL', help: 'the page they are led to; PUBLIC_URL if not given' },
    'walled-garden': {
      value: 'A,B',
      help: 'hosts that stay open without a package; those of the gateways and the settings if not given',
    },
    'routeros-version': { value: '6|7', help: '7 if not given' },
  },
  notes: [
    'The output holds the secret of the router: mind where it goes. That it was asked for stands in the audit log.',
  ],
  check: (given) => (versionOf(given) === null ? ['--routeros-version is not usable; give 6 or 7'] : []),
  run: async (desk, given) => {
    const { db, config } = desk;
    const [server = '', ...others] = textOf(given, 'server')!
      .split(',')
      .map((address) => address.trim());
    const garden = textOf(given, 'walled-garden')?.split(',');
    const script = await showRouterScript(
      desk,
      { name: given.words[0]! },
      {
        server: { address: server, others, authPort: config.radius.authPort, acctPort: config.radius.acctPort },
        portal: { address: textOf(given, 'portal') ?? server, url: textOf(given, 'portal-url') ?? config.publicUrl },
        version: versionOf(given)!,
        walledGarden: garden?.filter((entry) => entry !== '') ?? gardenHosts(await readSettings(db)),
      },
    );
    return { text: script.trimEnd(), json: { script } };
  },
};

function versionOf(given: Given): 6 | 7 | null {
  const text = textOf(given, 'routeros-version') ?? '7';
  return text === '6' ? 6 : text === '7' ? 7 : null;
}

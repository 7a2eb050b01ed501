import { type RscCommand, readRsc } from '#operations/rsc';

/**
 * The firewall of a router script as nftables, so that the rules operators paste are the rules that are tried. Whatever
 * it does not know it refuses: a rule that were left out would prove nothing.
 */
export type Firewall = {
  /**
   * A whole ruleset for `nft -f`: the rules in their order, an empty set for each address-list, and below them what many
   * routers have, and what would get in the way: "accept established", a closed input, masquerade on every side.
   */
  readonly ruleset: string;
  /** What the script itself puts into lists. */
  readonly members: readonly { readonly list: string; readonly address: string }[];
};

export const TABLE = 'router';

export function nftOf(script: string): Firewall {
  const commands = script.split('\n').flatMap((line) => readRsc(line).commands);
  const added = (menu: string) => commands.filter(({ path, verb }) => path === menu && verb === 'add').map(settingsOf);
  const filter = added('ip firewall filter');
  const nat = added('ip firewall nat');
  if (filter.length === 0 || nat.length === 0) throw new Error('the script has no filter or no nat rules');
  const members = added('ip firewall address-list').map(({ list, address }) => ({ list: list!, address: address! }));
  const used = [...filter, ...nat].flatMap((rule) => [rule['src-address-list'], rule['dst-address-list']]);
  const lists = new Set([...members.map(({ list }) => list), ...used.flatMap((list) => list?.replace(/^!/, '') ?? [])]);
  const chain = (name: string, hook: string, rules: readonly Settings[], after: readonly string[] = []) => [
    `  chain ${name} {`,
    `    type ${hook}; policy accept;`,
    ...[...rules.filter((rule) => rule.chain === name).map(ruleOf), ...after].map((rule) => `    ${rule}`),
    '  }',
  ];
  const strange = [...filter, ...nat].find(({ chain: name }) => !CHAINS.has(name ?? ''));
  if (strange !== undefined) throw new Error(`no such chain: ${strange.chain}`);
  const ruleset = [
    `table ip ${TABLE} {`,
    ...[...lists].map((list) => `  set ${list} { type ipv4_addr; flags interval; }`),
    ...chain('input', 'filter hook input priority filter', filter, ['ct state established,related accept', 'drop']),
    ...chain('forward', 'filter hook forward priority filter', filter, ['ct state established,related accept']),
    ...chain('dstnat', 'nat hook prerouting priority dstnat', nat),
    ...chain('srcnat', 'nat hook postrouting priority srcnat', nat, ['masquerade']),
    '}',
  ].join('\n');
  return { ruleset: `${ruleset}\n`, members };
}

const CHAINS = new Set(['input', 'forward', 'dstnat', 'srcnat']);

type Settings = Readonly<Record<string, string | undefined>>;

function settingsOf({ settings, line, path }: RscCommand): Settings {
  return Object.fromEntries(
    [...settings].map(([key, value]) => {
      if (value.is !== 'text') throw new Error(`${path}, line ${line}: ${key} is no text`);
      return [key, value.text];
    }),
  );
}

function ruleOf(rule: Settings): string {
  const { chain: _chain, comment: _comment, action, protocol, 'dst-port': port, ...rest } = rule;
  const { 'reject-with': reason, 'to-addresses': to, 'to-ports': toPort, ...matchers } = rest;
  const words = Object.entries(matchers).map(([name, value]) => matchOf(name, value!));
  if (port !== undefined) words.push(`${protocol} dport ${port}`);
  else if (protocol !== undefined) words.push(`meta l4proto ${protocol}`);
  return [...words, actionOf({ action, reason, to, toPort })].join(' ');
}

function matchOf(name: string, value: string): string {
  const field = { 'src-address': 'saddr', 'dst-address': 'daddr' }[name.replace(/-list$/, '')];
  if (field === undefined) throw new Error(`no matcher for ${name}=${value}`);
  const not = value.startsWith('!') ? '!= ' : '';
  const what = value.replace(/^!/, '');
  return `ip ${field} ${not}${name.endsWith('-list') ? `@${what}` : what}`;
}

function actionOf({ action, reason, to, toPort }: Settings): string {
  switch (`${action} ${reason ?? ''}`.trim()) {
    case 'accept':
    case 'drop':
    case 'redirect':
      return action!;
    case 'reject tcp-reset':
      return 'reject with tcp reset';
    case 'reject icmp-admin-prohibited':
      return 'reject with icmp type admin-prohibited';
    case 'dst-nat':
      return `dnat to ${to}:${toPort}`;
    default:
      throw new Error(`no such action: ${action} ${reason ?? ''}`);
  }
}

import { expect, test } from 'vitest';
import { routerScript } from '#operations/router-script';
import { nftOf } from '#test/redirect/nft';

const script = (version: 6 | 7) =>
  routerScript({
    nas: { name: 'menara', secret: 'x', coaPort: 3799 },
    server: { address: '10.0.0.2', authPort: 1812, acctPort: 1813 },
    portal: { address: '10.0.0.2', url: 'http://10.0.0.2:3000' },
    version,
    walledGarden: ['203.0.113.0/24'],
  });

test.each([6, 7] as const)('the script for RouterOS %i is the same firewall in nftables, rule by rule', (version) => {
  const { ruleset, members } = nftOf(script(version));
  expect(members).toEqual([
    { list: 'walled-garden', address: '10.0.0.2' },
    { list: 'walled-garden', address: '203.0.113.0/24' },
  ]);
  expect(ruleset).toBe(`table ip router {
  set walled-garden { type ipv4_addr; flags interval; }
  set prepaid-no-package { type ipv4_addr; flags interval; }
  set prepaid-paying { type ipv4_addr; flags interval; }
  chain input {
    type filter hook input priority filter; policy accept;
    ip saddr 10.0.0.2 udp dport 3799 accept
    ip saddr @prepaid-no-package udp dport 53 accept
    ip saddr @prepaid-no-package tcp dport 53 accept
    ct state established,related accept
    drop
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ip saddr @prepaid-no-package ip daddr @walled-garden accept
    ip saddr @walled-garden ip daddr @prepaid-no-package accept
    ip saddr @prepaid-no-package meta l4proto tcp reject with tcp reset
    ip saddr @prepaid-no-package reject with icmp type admin-prohibited
    ip daddr @prepaid-no-package drop
    ct state established,related accept
  }
  chain dstnat {
    type nat hook prerouting priority dstnat; policy accept;
    ip saddr @prepaid-no-package udp dport 53 redirect
    ip saddr @prepaid-no-package tcp dport 53 redirect
    ip saddr @prepaid-no-package ip daddr != @walled-garden tcp dport 80 dnat to 10.0.0.2:3000
  }
  chain srcnat {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr @prepaid-no-package ip daddr 10.0.0.2 accept
    ip saddr @prepaid-paying ip daddr 10.0.0.2 accept
    masquerade
  }
}
`);
});

test.each([
  ['action=drop', 'action=tarpit'],
  ['action=redirect', 'action=masquerade'],
  ['reject-with=tcp-reset', 'reject-with=icmp-host-unreachable'],
  ['dst-address-list=!', 'in-interface-list=!'],
  ['chain=forward', 'chain=subscribers'],
])('a rule that nobody translated is refused, not left out: %s → %s', (known, strange) => {
  expect(script(7)).toContain(known);
  expect(() => nftOf(script(7).replaceAll(known, strange))).toThrow();
});

import { spawnSync } from 'node:child_process';

/** Why this machine lets nobody make network namespaces, or null. */
export function namespacesForbidden(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are a thing of Linux';
  if (process.getuid?.() !== 0) return 'only root may make network namespaces';
  // A container may be root and yet not be allowed to, or its kernel has no nftables.
  const nat = 'table ip probe { chain nat { type nat hook prerouting priority dstnat\n}\n}';
  const rules = namespaceToolsMissing() === null ? ['nft', nat] : ['true'];
  const made = spawnSync('unshare', ['--net', ...rules], { encoding: 'utf8' });
  return made.status === 0 ? null : `this machine allows no network namespaces (${made.stderr?.trim() ?? made.error})`;
}

/** Which tool for them is not installed, or null. */
export function namespaceToolsMissing(): string | null {
  if (spawnSync('ip', ['-V']).status !== 0) return 'ip is not installed (Debian: iproute2)';
  return spawnSync('nft', ['--version']).status === 0 ? null : 'nft is not installed (Debian: nftables)';
}

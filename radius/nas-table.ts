import type { NasVendor } from '#domain/policy';
import { networkOf, octetsOf, parseAddress, parsePrefix } from '#radius/address';
import { type RouterSigns, SignsBook } from '#radius/nas-signs';
import { Secret } from '#radius/packet';

/**
 * Which NAS a datagram comes from: by its source address alone (RFC 2865 section 3; an attribute can claim anything),
 * the longest matching prefix winning. A source is looked up once and then found by its address' text; a stranger costs
 * one failed lookup and leaves nothing behind.
 */

/** One row of `nas`, with its secret opened. */
export type NasEntry = {
  readonly id: number;
  readonly name: string;
  readonly tags: readonly string[];
  /** MikroTik unless said otherwise. */
  readonly vendor?: NasVendor;
  /** An address or a CIDR block, IPv4 or IPv6. */
  readonly address: string;
  readonly secret: string;
  readonly messageAuthenticator: 'required' | 'auto' | 'off';
  /** Under `auto`: it has signed a request before, so it must from now on. */
  readonly messageAuthenticatorSeen: boolean;
  readonly swapOctets: boolean;
  /** It asks for routers behind it and names them by NAS-IP-Address or NAS-IPv6-Address; no unless said otherwise. */
  readonly proxy?: boolean;
  /** Answer Status-Server; yes unless said otherwise (RFC 5997 section 5). */
  readonly statusServer?: boolean;
};

/** A NAS as the server holds it. Only `requiresMessageAuthenticator` changes, when a signed request teaches it. */
export type Nas = {
  readonly id: number;
  readonly name: string;
  /** As `Facts.nas` wants it. */
  readonly facts: { readonly name: string; readonly tags: readonly string[]; readonly vendor: NasVendor };
  readonly secret: Secret;
  readonly learnsMessageAuthenticator: boolean;
  requiresMessageAuthenticator: boolean;
  readonly swapOctets: boolean;
  readonly proxy: boolean;
  readonly statusServer: boolean;
};

/** One address a NAS speaks from: of a block, one router of it. */
export type Source = {
  readonly address: string;
  /** The address' 16 octets (IPv4 mapped), made once: the journal keeps them with each record. */
  readonly octets: Buffer;
  /** Tells addresses apart in the duplicate cache. */
  readonly key: number;
  readonly nas: Nas;
  /** Where what is seen of this router is noted. */
  readonly signs: RouterSigns;
};

/** Sources remembered by text: more than any provider has NAS addresses; above it we look them up anew. */
const REMEMBERED_SOURCES = 65_536;

export class NasTable {
  readonly #prefixes: Prefixes[];
  readonly #known = new Map<string, Source>();
  readonly #book: SignsBook;
  readonly size: number;

  /** Throws RangeError for an address that is none: the caller reads these from a column of type cidr. */
  constructor(entries: readonly NasEntry[], previous?: NasTable, book = new SignsBook()) {
    this.#book = book;
    const byLength = new Map<number, Map<string, Nas>>();
    const learned = previous?.learned() ?? new Set<number>();
    for (const entry of entries) {
      const { groups, bits } = parsePrefix(entry.address);
      const networks = byLength.get(bits) ?? new Map<string, Nas>();
      networks.set(networkOf(groups, bits), nasOf(entry, learned.has(entry.id)));
      byLength.set(bits, networks);
    }
    this.#prefixes = [...byLength].sort(([a], [b]) => b - a).map(([bits, networks]) => ({ bits, networks }));
    this.size = entries.length;
  }

  /** The source with this address (as `rinfo.address` prints it), or undefined for a stranger. */
  find(address: string): Source | undefined {
    return this.#known.get(address) ?? this.#lookUp(address);
  }

  #lookUp(address: string): Source | undefined {
    const groups = parseAddress(address);
    if (groups === null) return undefined;
    for (const { bits, networks } of this.#prefixes) {
      const nas = networks.get(networkOf(groups, bits));
      if (nas === undefined) continue;
      if (this.#known.size >= REMEMBERED_SOURCES) this.#known.clear();
      const signs = this.#book.of(nas.id, address);
      const source: Source = { address, octets: octetsOf(groups), key: hash(address), nas, signs };
      this.#known.set(address, source);
      return source;
    }
    return undefined;
  }

  /** NASes of which we learned that they sign, so that a reload racing with its storing does not forget it. */
  learned(): Set<number> {
    const ids = new Set<number>();
    for (const { networks } of this.#prefixes)
      for (const nas of networks.values())
        if (nas.learnsMessageAuthenticator && nas.requiresMessageAuthenticator) ids.add(nas.id);
    return ids;
  }
}

type Prefixes = { readonly bits: number; readonly networks: ReadonlyMap<string, Nas> };

function nasOf(entry: NasEntry, learned: boolean): Nas {
  const auto = entry.messageAuthenticator === 'auto';
  return {
    id: entry.id,
    name: entry.name,
    facts: { name: entry.name, tags: entry.tags, vendor: entry.vendor ?? 'mikrotik' },
    secret: new Secret(entry.secret),
    learnsMessageAuthenticator: auto,
    requiresMessageAuthenticator:
      entry.messageAuthenticator === 'required' || (auto && (entry.messageAuthenticatorSeen || learned)),
    swapOctets: entry.swapOctets,
    proxy: entry.proxy ?? false,
    statusServer: entry.statusServer ?? true,
  };
}

/** FNV-1a over the characters, 32 bits. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

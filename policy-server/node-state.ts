import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePolicy } from '#domain/policy';
import type { Policies } from '#domain/rollout';
import { readDirectoryFile, writeDirectoryFile } from '#radius/directory-file';
import type { LoadedNas } from '#storage/facts';
import { type Sealer, SecretText } from '#storage/secrets';

/** What a node must know to answer while the database is away; on disk it exists sealed only. */
export type NodeState = { readonly nases: readonly LoadedNas[]; readonly policies: Policies };

const DIRECTORY_FILE = 'directory.sealed';
const STATE_FILE = 'routers.sealed';
const STATE_AAD = 'node-state';

/** Writes routers, policies and directory, each whole or not at all. */
export async function saveNodeState(
  dataDir: string,
  sealer: Sealer,
  state: NodeState,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { current, rollout } = state.policies;
  const { zone, ...document } = current;
  const nases = state.nases.map((nas) => ({ ...nas, secret: nas.secret.reveal() }));
  const path = join(dataDir, STATE_FILE);
  await writeFile(`${path}.new`, sealer.seal(JSON.stringify({ nases, document, zone, rollout }), STATE_AAD), {
    mode: 0o600,
    flush: true,
  });
  await rename(`${path}.new`, path);
  await writeDirectoryFile(join(dataDir, DIRECTORY_FILE), chunks, (plain, boundTo) => sealer.seal(plain, boundTo));
}

/**
 * Routers and policies as last saved; null when they never were. Unless the zone is set on this machine it is the one they
 * were saved with. Throws SecretsFault when they cannot be opened.
 */
export async function loadNodeState(
  dataDir: string,
  sealer: Sealer,
  { zone, zoneIsSet }: { readonly zone: string; readonly zoneIsSet: boolean },
): Promise<NodeState | null> {
  const sealed = await readFile(join(dataDir, STATE_FILE)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (sealed === null) return null;
  const saved = JSON.parse(sealer.open(sealed, STATE_AAD)) as {
    /** Versions that knew MikroTik alone left the vendor out. */
    nases: (Omit<LoadedNas, 'secret' | 'vendor'> & { vendor?: LoadedNas['vendor']; secret: string })[];
    document: unknown;
    zone?: string;
    /** Left out by versions that had no rollouts. */
    rollout?: { policy: { rules: unknown }; share: number; salt: number } | null;
  };
  const meantIn = zoneIsSet ? zone : (saved.zone ?? zone);
  const rollout = saved.rollout ?? null;
  return {
    nases: saved.nases.map((nas) => ({ vendor: 'mikrotik', ...nas, secret: new SecretText(nas.secret) })),
    policies: {
      current: parsePolicy(saved.document, meantIn),
      rollout: rollout === null ? null : { ...rollout, policy: parsePolicy({ rules: rollout.policy.rules }, meantIn) },
    },
  };
}

/** The directory as last saved, in chunks; none when it never was. */
export function savedChunks(dataDir: string, sealer: Sealer): AsyncGenerator<Uint8Array> {
  return readDirectoryFile(join(dataDir, DIRECTORY_FILE), (sealed, boundTo) => sealer.openBytes(sealed, boundTo));
}

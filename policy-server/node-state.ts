import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Policy, parsePolicy } from '#domain/policy';
import { readDirectoryFile, writeDirectoryFile } from '#radius/directory-file';
import type { LoadedNas } from '#storage/facts';
import { type Sealer, SecretText } from '#storage/secrets';

/** What a node must know to answer while the database is away; on disk it exists sealed only. */
export type NodeState = { readonly nases: readonly LoadedNas[]; readonly policy: Policy };

const DIRECTORY_FILE = 'directory.sealed';
const STATE_FILE = 'routers.sealed';
const STATE_AAD = 'node-state';

/** Writes routers, policy and directory, each whole or not at all. */
export async function saveNodeState(
  dataDir: string,
  sealer: Sealer,
  state: NodeState,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { zone, ...document } = state.policy;
  const nases = state.nases.map((nas) => ({ ...nas, secret: nas.secret.reveal() }));
  const path = join(dataDir, STATE_FILE);
  await writeFile(`${path}.new`, sealer.seal(JSON.stringify({ nases, document, zone }), STATE_AAD), {
    mode: 0o600,
    flush: true,
  });
  await rename(`${path}.new`, path);
  await writeDirectoryFile(join(dataDir, DIRECTORY_FILE), chunks, (plain, boundTo) => sealer.seal(plain, boundTo));
}

/**
 * Routers and policy as last saved; null when they never were. Unless the zone is set on this machine it is the one they
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
    nases: (Omit<LoadedNas, 'secret'> & { secret: string })[];
    document: unknown;
    zone?: string;
  };
  return {
    nases: saved.nases.map((nas) => ({ ...nas, secret: new SecretText(nas.secret) })),
    policy: { ...parsePolicy(saved.document), zone: zoneIsSet ? zone : (saved.zone ?? zone) },
  };
}

/** The directory as last saved, in chunks; none when it never was. */
export function savedChunks(dataDir: string, sealer: Sealer): AsyncGenerator<Uint8Array> {
  return readDirectoryFile(join(dataDir, DIRECTORY_FILE), (sealed, boundTo) => sealer.openBytes(sealed, boundTo));
}

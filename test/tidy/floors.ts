import { dirname, join, normalize } from 'node:path';
import { imports, type Source } from '#test/tidy/source';

/**
 * The floors of the house: a file may import its own room and the rooms below that its room names; siblings do not know
 * each other. A room is found by the longest prefix of a path.
 */
const rooms: readonly { prefix: string; room: string; may: readonly string[]; packages?: readonly RegExp[] }[] = [
  { prefix: 'policy-server/domain/', room: 'domain', may: [], packages: [/^zod$/, /^yaml$/] },
  { prefix: 'policy-server/storage/', room: 'storage', may: ['domain'] },
  { prefix: 'migrations/', room: 'migrations', may: [] },
  { prefix: 'policy-server/operations/', room: 'operations', may: ['domain', 'storage'] },
  { prefix: 'policy-server/enforcement/', room: 'enforcement', may: ['domain', 'storage'] },
  { prefix: 'policy-server/jobs/', room: 'jobs', may: ['domain', 'storage'] },
  { prefix: 'policy-server/integrations/', room: 'integrations', may: ['domain', 'storage'] },
  { prefix: 'policy-server/http/', room: 'http', may: ['domain', 'storage', 'operations', 'enforcement', 'jobs'] },
  { prefix: 'portal/', room: 'portal', may: ['domain', 'storage', 'operations', 'enforcement'] },
  { prefix: 'policy-server/', room: 'composition', may: ['*'] },
  { prefix: 'radius/', room: 'radius', may: ['domain'] },
  { prefix: 'test/', room: 'test', may: ['*'] },
];

/** Of the RADIUS room, the files that are protocol and nothing else: they know nothing of the product. */
const protocol =
  /^radius\/(packet|attributes|dictionary|mschap|md4|md5|dump|credentials|coa-client|address|octets|secret|writer|des|values)\.ts$/;

/** Files that join a port to what stands behind it: they may import one room more, and only `main` may import them. */
const adapters: Readonly<Record<string, string>> = { 'policy-server/enforcement/radius-driver.ts': 'radius' };

const aliases: readonly [prefix: string, folder: string][] = [
  ['#domain/', 'policy-server/domain/'],
  ['#storage/', 'policy-server/storage/'],
  ['#operations/', 'policy-server/operations/'],
  ['#enforcement/', 'policy-server/enforcement/'],
  ['#jobs/', 'policy-server/jobs/'],
  ['#integrations/', 'policy-server/integrations/'],
  ['#http/', 'policy-server/http/'],
  ['#portal/', 'portal/'],
  ['#policy-server/', 'policy-server/'],
  ['#radius/', 'radius/'],
  ['#test/', 'test/'],
];

const roomOf = (path: string) => rooms.find(({ prefix }) => path.startsWith(prefix));

/** The path an import leads to inside the repository, or null for a package. */
function target(from: string, of: string): string | null {
  if (of.startsWith('.')) return normalize(join(dirname(from), of));
  const alias = aliases.find(([prefix]) => of.startsWith(prefix));
  return alias ? alias[1] + of.slice(alias[0].length) : null;
}

/** Every import that goes up or sideways, as one sentence each. */
export function floorFaults(files: readonly Source[]): string[] {
  return files.flatMap((file) => {
    const room = roomOf(file.path);
    if (!room) return [];
    return imports(file).flatMap(({ of, line }) => {
      const where = `${file.path}:${line} imports ${of}: `;
      const path = target(file.path, of);
      if (path === null) {
        const fits = of.startsWith('node:')
          ? room.room !== 'domain'
          : room.packages?.some((may) => may.test(of)) !== false;
        return fits ? [] : [`${where}the room ${room.room} is pure; it may import zod and nothing else`];
      }
      const to = roomOf(path);
      if (!to) return room.may.includes('*') ? [] : [`${where}it leads out of the rooms`];
      if (to.room === 'test' && room.room !== 'test') return [`${where}the product may not import its tests`];
      if (room.room === 'radius' && to.room === 'domain' && protocol.test(file.path)) {
        return [`${where}this file is protocol and knows nothing of the product`];
      }
      if (`${path.replace(/\.ts$/, '')}.ts` in adapters && !room.may.includes('*')) {
        return [`${where}it is an adapter, which only the composition wires in`];
      }
      if (adapters[file.path] === to.room) return [];
      if (to.room === room.room || room.may.includes('*') || room.may.includes(to.room)) return [];
      const may = room.may.length > 0 ? room.may.join(', ') : 'nothing';
      return [`${where}${room.room} stands on ${may}; ${to.room} is not below it`];
    });
  });
}

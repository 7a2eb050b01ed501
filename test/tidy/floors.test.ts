import { expect, test } from 'vitest';
import { floorFaults } from '#test/tidy/floors';
import { files, source } from '#test/tidy/source';

test('imports go down only, and siblings do not know each other', () => {
  expect(floorFaults(files('.ts'))).toEqual([]);
});

test.each([
  ['policy-server/domain/x.ts', "import { query } from '#storage/database';", 'domain stands on nothing'],
  ['policy-server/domain/x.ts', "import { readFileSync } from 'node:fs';", 'is pure'],
  ['policy-server/storage/x.ts', "export { grant } from '#operations/grant';", 'operations is not below it'],
  ['policy-server/operations/x.ts', "import type { Loop } from '#enforcement/loop';", 'enforcement is not below it'],
  ['policy-server/enforcement/x.ts', "import { grant } from '../operations/grant.ts';", 'operations is not below it'],
  ['policy-server/operations/x.ts', "const it = await import('#http/server');", 'http is not below it'],
  ['policy-server/http/x.ts', "import { Packet } from '#radius/packet';", 'radius is not below it'],
  ['radius/packet.ts', "import { assert } from '#domain/assert';", 'knows nothing of the product'],
  ['radius/reply.ts', "import { loadEntries } from '#storage/facts';", 'storage is not below it'],
  ['policy-server/enforcement/loop.ts', "import { radiusDriver } from '#enforcement/radius-driver';", 'is an adapter'],
  ['radius/server.ts', "import {\n  a,\n  b,\n} from '#test/world/mikrotik';", 'may not import its tests'],
])('%s with %s is told so', (path, text, fault) => {
  expect(floorFaults([source(path, text)]).join()).toContain(fault);
});

test.each([
  ['policy-server/domain/x.ts', "import { z } from 'zod';\nimport { assert } from '#domain/assert';"],
  [
    'policy-server/storage/x.ts',
    "import type { Facts } from '#domain/facts';\nimport pg from '@mikro-orm/postgresql';",
  ],
  [
    'policy-server/main.ts',
    "import { startLoop } from '#enforcement/loop';\nimport { Journal } from '#radius/journal';",
  ],
  ['policy-server/enforcement/radius-driver.ts', "import { Writer } from '#radius/packet';"],
  ['radius/reply.ts', "import type { Decision } from '#domain/decision';"],
])('%s with %s may', (path, text) => {
  expect(floorFaults([source(path, text)])).toEqual([]);
});

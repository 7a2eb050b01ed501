import { flushCompileCache } from 'node:module';
import { afterAll } from 'vitest';
import { dropTestDatabases } from '#test/support/database';

afterAll(dropTestDatabases);
// A worker is ended by a signal, which leaves what it compiled to nobody.
afterAll(() => flushCompileCache());

import { afterAll } from 'vitest';
import { dropTestDatabases } from '#test/support/database';

afterAll(dropTestDatabases);

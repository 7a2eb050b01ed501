import { expect, test } from 'vitest';
import { Directory } from '#radius/directory';
import { subscriber } from '#test/bench/subscribers';

const now = Date.parse('2026-11-21T02:00:00Z');

test('when another history may be the true one, what is held serves until all is put again; then nothing else is left', () => {
  const directory = new Directory();
  const [kept, undone, lost, deleted] = [0, 1, 2, 3].map((i) => subscriber(i, now));
  const newer = { ...undone!, password: 'new', facts: { ...undone!.facts, version: undone!.facts.version + 5 } };
  directory.put([kept!, newer, lost!, deleted!]);
  directory.snapshotDone();
  directory.doubt();
  // Known ones are answered meanwhile; that somebody is unknown is no longer certain.
  expect(directory.find(newer.facts.username)?.password).toBe('new');
  expect(directory.complete).toBe(false);
  // The older one is the true one; a change since comes first and stays.
  const changed = { ...kept!, password: 'changed', facts: { ...kept!.facts, version: kept!.facts.version + 1 } };
  directory.put([changed]);
  directory.put([kept!, undone!]);
  directory.snapshotDone();
  expect(directory.complete).toBe(true);
  expect([kept, undone, lost, deleted].map((entry) => directory.find(entry!.facts.username)?.password)).toEqual([
    'changed',
    undone!.password,
    undefined,
    undefined,
  ]);
});

import type { Job } from '#jobs/job';

/** Every five minutes each node writes its sealed copy of the directory, for a start while the database is away. */
export const directoryCopyJob = (save: () => Promise<void>): Job => ({
  name: 'directory-copy',
  everySeconds: 300,
  scope: 'node',
  run: async () => {
    await save();
    return null;
  },
});

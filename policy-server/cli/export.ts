import { open } from 'node:fs/promises';
import { InvalidInput } from '#domain/errors';
import { exportSubscribers } from '#operations/export-subscribers';
import { type Command, textOf } from '#policy-server/cli/command';

export const subscriberExport: Command = {
  name: 'subscriber export',
  summary: 'Print every subscriber as CSV, without passwords',
  options: { to: { value: 'FILE', help: 'write a new file, readable by you alone, instead of printing' } },
  notes: [
    'The columns are called as those of subscriber import; a spreadsheet opens the file without running what is in it.',
  ],
  run: async (desk, given) => {
    const pieces = exportSubscribers(desk);
    const file = textOf(given, 'to');
    if (file === undefined) {
      let csv = '';
      for await (const piece of pieces) csv += piece;
      return { text: csv.trimEnd(), json: { csv } };
    }
    const bytes = await writeNew(file, pieces);
    return { text: `${file} is written (${bytes} bytes).`, json: { file, bytes } };
  },
};

async function writeNew(file: string, pieces: AsyncIterable<string>): Promise<number> {
  try {
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile(pieces);
      return (await handle.stat()).size;
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error && 'code' in error)) throw error;
    const why = error.code === 'EEXIST' ? 'it exists already; name a new one' : String(error.code);
    throw new InvalidInput([`to: the file ${file} cannot be written (${why})`]);
  }
}

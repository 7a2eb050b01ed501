import { readFile } from 'node:fs/promises';
import { InvalidInput } from '#domain/errors';

/**
 * The text of a file somebody named on the command line.
 *
 * @throws InvalidInput when it cannot be read, or is not UTF-8; `howTo` then says what makes it so
 */
export async function readTextFile(file: string, howTo: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new InvalidInput([`the file ${file} cannot be read (${why})`]);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new InvalidInput([`the file ${file} is not UTF-8; ${howTo}`]);
  }
}

import { text } from 'node:stream/consumers';

/** A secret given as `-` is read from standard input, where `ps` and the shell's history do not see it. */
export async function readSecret(given: string | undefined): Promise<string | undefined> {
  if (given !== '-') return given;
  return (await text(process.stdin)).replace(/\r?\n$/, '');
}

/** Transcripts: what the product says, kept as text that an engineer can read and check. `UPDATE=1` writes them anew. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';

/** Compares a text with the file beside the test; under `UPDATE=1` the file becomes the text. */
export function expectTranscript(file: URL, text: string): void {
  if (process.env.UPDATE === '1') writeFileSync(file, text);
  expect(existsSync(file), `${file.pathname} exists (UPDATE=1 writes it)`).toBe(true);
  expect(text).toBe(readFileSync(file, 'utf8'));
}

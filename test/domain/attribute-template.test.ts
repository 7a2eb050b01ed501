import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  InvalidTemplate,
  parseTemplate,
  renderTemplate,
  TEMPLATE_FIELDS,
  type TemplateFields,
} from '#domain/attribute-template';

const fields = Object.fromEntries(TEMPLATE_FIELDS.map((field) => [field, `<${field}>`])) as TemplateFields;
const render = (text: string, given = fields) => renderTemplate(parseTemplate(text), given);

function fault(text: string): InvalidTemplate | null {
  try {
    parseTemplate(text);
    return null;
  } catch (error) {
    if (error instanceof InvalidTemplate) return error;
    throw error;
  }
}

describe('a value of an attribute', () => {
  test.each([
    ['{download-kbps}/{upload-kbps}', '<download-kbps>/<upload-kbps>'],
    ['plain', 'plain'],
    ['a } b', 'a } b'],
    ['{{username}', '{username}'],
    ['{{{username}', '{<username>'],
    ['{{{{', '{{'],
    ['', ''],
  ])('%j is sent as %j', (text, sent) => {
    expect(render(text)).toBe(sent);
  });

  test.each([
    ['a {user} b', { at: 2, length: 6, unknown: 'user' }],
    ['{constructor}', { at: 0, length: 13, unknown: 'constructor' }],
    ['{}', { at: 0, length: 2, unknown: '' }],
    ['x{username', { at: 1, length: 9, unknown: null }],
    ['{ username }', { at: 0, length: 12, unknown: ' username ' }],
  ])('%j is refused, and the very letters are told', (text, where) => {
    expect(fault(text)).toMatchObject(where);
  });

  test('holds nothing but what was written and what its fields hold, once', () => {
    const part = fc.oneof(
      fc.constantFrom(...TEMPLATE_FIELDS).map((field) => ({ field })),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.string({ maxLength: 8 }), (parts, value) => {
        const given = Object.fromEntries(TEMPLATE_FIELDS.map((field) => [field, value])) as TemplateFields;
        const text = parts
          .map((one) => (typeof one === 'string' ? one.replaceAll('{', '{{') : `{${one.field}}`))
          .join('');
        expect(render(text, given)).toBe(parts.map((one) => (typeof one === 'string' ? one : value)).join(''));
      }),
    );
  });

  test('fits an attribute whatever a name is: what is over is cut between characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 60, maxLength: 300 }), (username) => {
        const sent = render('{username}', { ...fields, username });
        expect(Buffer.byteLength(sent)).toBeLessThanOrEqual(246);
        expect(username.startsWith(sent)).toBe(true);
        expect(sent.isWellFormed()).toBe(username.slice(0, sent.length).isWellFormed());
        if (Buffer.byteLength(username) <= 246) expect(sent).toBe(username);
        else expect(Buffer.byteLength(sent)).toBeGreaterThan(242);
      }),
    );
  });

  test('of any text is read or refused', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('{', '}', 'username', 'x') }), (text) => {
        const wrong = fault(text);
        if (wrong !== null) expect(text.slice(wrong.at, wrong.at + wrong.length)).toMatch(/^\{[^}]*\}?$/);
        else expect(typeof render(text)).toBe('string');
      }),
    );
  });
});

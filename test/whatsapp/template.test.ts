import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SHIPPED_TEXTS } from '#domain/notice-texts';
import { EXAMPLE_VALUES, NOTICE_FIELDS, NOTICES } from '#domain/notices';
import { internationalDigits } from '#domain/phone';
import { LANGUAGES } from '#domain/print-local';
import { fillTemplate, templateFaults } from '#domain/template';

const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,8}$/);
const plain = fc.string().filter((text) => !/[{}]/.test(text));

test('each field is replaced by its value as it is, once, wherever it stands', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(plain, name)), plain, fc.dictionary(name, fc.string()), (parts, end, values) => {
      const text = parts.map(([before, field]) => `${before}{{${field}}}`).join('') + end;
      const value = (field: string) => (Object.hasOwn(values, field) ? values[field] : `{{${field}}}`);
      const expected = parts.map(([before, field]) => `${before}${value(field)}`).join('') + end;
      expect(fillTemplate(text, values)).toBe(expected);
    }),
  );
});

test('a value that looks like a field, a pattern or a replacement sign is put in as it is', () => {
  const hostile = ['{{pin}}', '$&', '$1', "$'", '{{name}}', '\\{{x}}', '{{#if a}}'];
  for (const value of hostile) {
    expect(fillTemplate('{{name}}, {{pin}}', { name: value, pin: '123456' })).toBe(`${value}, 123456`);
  }
});

test('what every object inherits is no field', () => {
  expect(fillTemplate('{{constructor}} {{toString}} {{hasOwnProperty}}', { name: 'x' })).toBe(
    '{{constructor}} {{toString}} {{hasOwnProperty}}',
  );
});

test('a text without faults has no braces left once it is filled', () => {
  const fields = ['name', 'pin'];
  const piece = fc.oneof(
    plain,
    fc.constantFrom('{{name}}', '{{ pin }}', '{{', '}}', '{', '}', '{{nama}}', '{{{pin}}}', '{{#each x}}'),
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const text = pieces.join('');
      if (templateFaults(text, fields).length > 0) return;
      expect(fillTemplate(text, { name: 'Budi', pin: '123456' })).not.toMatch(/\{\{|\}\}/);
    }),
    { numRuns: 1_000 },
  );
});

test.each([
  ['', 'the text is empty'],
  ['Halo {{nama}}', '{{nama}} is no field of this message; there are: {{name}}, {{pin}}'],
  ['Halo {{name}', '{{ and }} may only stand around the name of a field, for example {{name}}'],
  ['{{#if name}}Halo{{/if}}', '{{ and }} may only stand around the name of a field, for example {{name}}'],
  ['{{{name}}}', null],
  ['Halo\u0007', 'the text holds control characters'],
  ['x'.repeat(3073), 'the text has 3073 characters; 3072 at most'],
  ['Halo {{name}},\nPIN {{ pin }}', null],
])('of %j is said: %s', (text, fault) => {
  const faults = templateFaults(text, ['name', 'pin']);
  expect(faults).toEqual(fault === null ? [] : [fault]);
});

test('every shipped text is without fault, uses every field of its notice, and is in both languages', () => {
  for (const notice of NOTICES) {
    for (const language of LANGUAGES) {
      const text = SHIPPED_TEXTS[notice][language];
      const fields: readonly string[] = NOTICE_FIELDS[notice];
      expect(templateFaults(text, fields)).toEqual([]);
      for (const field of fields) expect(text, `${notice} ${language}`).toContain(`{{${field}}}`);
      expect(fillTemplate(text, EXAMPLE_VALUES[language])).not.toContain('{{');
    }
  }
});

test('the PIN message is the one of the users’ own document', () => {
  const values = {
    name: '[Nama Customer]',
    portalId: '12345678',
    pin: '123456',
    loginUrl: 'http://your-domain.com/prepaid/portal/login',
  };
  expect(fillTemplate(SHIPPED_TEXTS['portal-pin'].id, values)).toBe(`Halo [Nama Customer],

Akun Anda telah dimigrasi ke sistem Prepaid.

Portal ID: 12345678
PIN: 123456

Silakan login di:
http://your-domain.com/prepaid/portal/login

Untuk membeli paket internet.

Terima kasih.`);
});

test.each([
  ['0812-3456-7890', '6281234567890'],
  ['+62 812 3456 7890', '6281234567890'],
  ['6281234567890', '6281234567890'],
  ['81234567890', '6281234567890'],
  ['006281234567890', '6281234567890'],
  ['+62 (0)812 3456 7890', '6281234567890'],
  ['(0361) 234567', '62361234567'],
  ['+1 650 555 1234', '16505551234'],
  ['08123', null],
  ['', null],
  ['tanya Budi', null],
  ['0812345678901234567', null],
])('the number %j is %s to WhatsApp', (written, digits) => {
  expect(internationalDigits(written)).toBe(digits);
});

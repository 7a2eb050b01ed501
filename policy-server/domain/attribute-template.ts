/**
 * Values of reply attributes with fields in them: `{download-kbps}/{upload-kbps}`. A closed list of fields and nothing else:
 * what is written in a policy must not reach anything that a subscriber or a router should not be told.
 */
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';

/**
 * What a value may name. `plan`, `profile`, `nas` and `list` are empty where there is none; rates are the subscriber's own
 * (`download` is what the subscriber receives), in bits or whole kilobits a second.
 */
export const TEMPLATE_FIELDS = [
  'username',
  'plan',
  'profile',
  'nas',
  'list',
  'download-bps',
  'upload-bps',
  'download-kbps',
  'upload-kbps',
] as const;
export type TemplateField = (typeof TEMPLATE_FIELDS)[number];
export type TemplateFields = Readonly<Record<TemplateField, string>>;

/** Texts as they are, and fields. */
export type AttributeTemplate = readonly (string | { readonly field: TemplateField })[];

/** `at` and `length`: the characters of the template that are wrong. `unknown`: the name written, where that is what is wrong. */
export class InvalidTemplate extends InvalidInput {
  override name = 'InvalidTemplate';
  readonly at: number;
  readonly length: number;
  readonly unknown: string | null;

  constructor(fault: string, where: { at: number; length: number; unknown: string | null }) {
    super([fault]);
    this.at = where.at;
    this.length = where.length;
    this.unknown = where.unknown;
  }
}

/** A template from its text: `{name}` is a field, `{{` a brace, all else itself. Throws InvalidTemplate. */
export function parseTemplate(text: string): AttributeTemplate {
  const parts: (string | { readonly field: TemplateField })[] = [];
  let literal = '';
  for (let at = 0; at < text.length; ) {
    const brace = text.indexOf('{', at);
    if (brace < 0 || text[brace + 1] === '{') {
      const end = brace < 0 ? text.length : brace + 1;
      literal += text.slice(at, end);
      at = brace < 0 ? end : end + 1;
      continue;
    }
    const close = text.indexOf('}', brace);
    const length = (close < 0 ? text.length : close + 1) - brace;
    if (close < 0)
      throw new InvalidTemplate(say`a field is opened and not closed`, { at: brace, length, unknown: null });
    const name = text.slice(brace + 1, close);
    if (!isField(name))
      throw new InvalidTemplate(say`there is no field {${name}}`, { at: brace, length, unknown: name });
    literal += text.slice(at, brace);
    if (literal !== '') parts.push(literal);
    literal = '';
    parts.push({ field: name });
    at = close + 1;
  }
  if (literal !== '') parts.push(literal);
  return parts;
}

const isField = (name: string): name is TemplateField => (TEMPLATE_FIELDS as readonly string[]).includes(name);

/** The octets that fit the smallest of our attributes: text with a tag, within a vendor's (RFC 2865 section 5.26, RFC 2868). */
const MOST_OCTETS = 246;

/**
 * The value to send, at most as long as an attribute can be: what is over is cut, between characters. Empty where all of it
 * is: such an attribute is not to be sent (RFC 2865 section 5).
 */
export function renderTemplate(template: AttributeTemplate, fields: TemplateFields): string {
  let text = '';
  for (const part of template) text += typeof part === 'string' ? part : fields[part.field];
  // A UTF-16 unit takes three octets at most.
  return text.length * 3 <= MOST_OCTETS || Buffer.byteLength(text) <= MOST_OCTETS ? text : cut(text);
}

function cut(text: string): string {
  let [end, octets] = [0, 0];
  for (const character of text) {
    octets += Buffer.byteLength(character);
    if (octets > MOST_OCTETS) break;
    end += character.length;
  }
  return text.slice(0, end);
}

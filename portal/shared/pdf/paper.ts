import type { Instant } from '#domain/time';
import type { Format } from '#portal/shared/format';
import { type Values, words } from '#portal/shared/words';

/** Who writes, as the settings have it. */
export type PaperCompany = { readonly name: string; readonly address: string; readonly phone: string | null };
/** To whom. */
export type PaperCustomer = {
  readonly name: string;
  readonly username: string;
  readonly phone: string | null;
  readonly portalId: string | null;
};

export type PaperHead = {
  readonly format: Format;
  readonly now: Instant;
  readonly company: PaperCompany;
  readonly customer: PaperCustomer;
};

const MARGIN = 54;
const RIGHT = 595.28 - MARGIN;
const WIDTH = RIGHT - MARGIN;
const BOTTOM = 841.89 - MARGIN - 40;
const COLOURS = { text: '#1b2328', quiet: '#54606a', line: '#d8dfe3', accent: '#0b6b75' } as const;
export const STATE_COLOURS = { good: '#17693a', warn: '#8a5200', bad: '#b3261e', '': '#54606a' } as const;

type Doc = PDFKit.PDFDocument;

/** A sheet of A4 that is written from top to bottom, in fonts that every reader has, so that a file is a few KB. */
export class Paper {
  readonly #doc: Doc;
  readonly #head: PaperHead;

  private constructor(doc: Doc, head: PaperHead) {
    this.#doc = doc;
    this.#head = head;
  }

  /** Has `write` fill a sheet under the company's head and the title; returns the file. */
  static async print(
    head: PaperHead,
    { title, number }: { readonly title: string; readonly number: string },
    write: (paper: Paper) => void,
  ): Promise<Buffer> {
    // Takes a sixth of a second to load, which a server need not wait for that prints nothing.
    const { default: PDFDocument } = await import('pdfkit');
    const { format, now, company } = head;
    const at = new Date(now);
    const doc = new PDFDocument({
      size: 'A4',
      margins: { top: MARGIN, left: MARGIN, right: MARGIN, bottom: MARGIN },
      lang: format.language,
      displayTitle: true,
      info: { Title: `${title} ${number}`, Author: printable(company.name), CreationDate: at, ModDate: at },
    });
    const chunks: Buffer[] = [];
    doc.on('data', (chunk: Buffer) => chunks.push(chunk));
    const ended = new Promise<void>((resolve, reject) => doc.once('end', resolve).once('error', reject));
    const paper = new Paper(doc, head);
    paper.#begin(title, number);
    write(paper);
    paper.#foot();
    doc.end();
    await ended;
    return Buffer.concat(chunks);
  }

  t(key: string, values?: Values): string {
    return words(this.#head.format.language, key, values);
  }

  #begin(title: string, number: string): void {
    const { company } = this.#head;
    const doc = this.#doc;
    this.#write(title.toUpperCase(), { bold: true, size: 20, colour: COLOURS.accent, align: 'right', y: MARGIN });
    this.#write(number, { size: 11, align: 'right' });
    const under = doc.y;
    this.#write(company.name, { bold: true, size: 15, y: MARGIN, width: WIDTH * 0.55 });
    for (const line of [company.address, company.phone].filter((one) => one !== null && one !== ''))
      this.#write(line!, { colour: COLOURS.quiet, width: WIDTH * 0.55 });
    doc.y = Math.max(doc.y, under) + 14;
    this.rule();
  }

  /** Names of what is said in small letters, what is said behind them. */
  facts(rows: readonly (readonly [label: string, value: string])[]): void {
    const doc = this.#doc;
    for (const [label, value] of rows) {
      this.#room(18);
      const y = doc.y;
      this.#write(label, { colour: COLOURS.quiet, y, width: 150 });
      this.#write(value, { y, x: MARGIN + 160, width: WIDTH - 160 });
      doc.y += 4;
    }
    doc.y += 8;
  }

  /** The customer, as far as the company knows who that is. */
  customer(label: string): readonly (readonly [string, string])[] {
    const { name, username, phone, portalId } = this.#head.customer;
    return [
      [label, name === '' ? username : name],
      [this.t('pdf.username'), username],
      ...(portalId === null ? [] : [[this.t('pdf.portal-id'), portalId] as const]),
      ...(phone === null ? [] : [[this.t('pdf.phone'), phone] as const]),
    ];
  }

  /** Amounts below each other, with a line below the last one. */
  amounts(rows: readonly (readonly [what: string, rupiah: number])[]): void {
    for (const [what, rupiah] of rows) this.#amount(what, rupiah, {});
    this.rule();
  }

  total(what: string, rupiah: number): void {
    this.#amount(what, rupiah, { bold: true, size: 13 });
    this.#doc.y += 6;
  }

  #amount(what: string, rupiah: number, more: { readonly bold?: boolean; readonly size?: number }): void {
    const doc = this.#doc;
    this.#room(22);
    const y = doc.y;
    // The fonts know no minus sign, only the hyphen.
    const amount = `${rupiah < 0 ? '-' : ''}${this.#head.format.rupiah(Math.abs(rupiah))}`;
    this.#write(amount, { ...more, y, align: 'right' });
    this.#write(what, { ...more, y, width: WIDTH - 140 });
    doc.y += 6;
  }

  /** A word in a frame, in the colour of a state. */
  stamp(text: string, is: keyof typeof STATE_COLOURS): void {
    const doc = this.#doc;
    this.#room(50);
    const colour = STATE_COLOURS[is];
    doc.font('Helvetica-Bold').fontSize(14);
    const shown = printable(text).toUpperCase();
    const width = doc.widthOfString(shown) + 28;
    const y = doc.y + 6;
    doc.lineWidth(1.5).strokeColor(colour).roundedRect(MARGIN, y, width, 30, 6).stroke();
    this.#write(shown, { bold: true, size: 14, colour, x: MARGIN + 14, y: y + 9 });
    doc.y = y + 44;
  }

  text(text: string, { big = false } = {}): void {
    this.#room(big ? 40 : 18);
    this.#write(text, big ? { bold: true, size: 22 } : {});
    this.#doc.y += 6;
  }

  rule(): void {
    const doc = this.#doc;
    const y = doc.y + 2;
    doc.lineWidth(0.7).strokeColor(COLOURS.line).moveTo(MARGIN, y).lineTo(RIGHT, y).stroke();
    doc.y = y + 10;
  }

  #foot(): void {
    const { format, now } = this.#head;
    const text = this.t('pdf.foot', { at: format.dateTime(now) });
    this.#write(text, { size: 9, colour: COLOURS.quiet, y: BOTTOM + 20 });
  }

  /** Goes on to another sheet where there is no room for so many points. */
  #room(points: number): void {
    if (this.#doc.y + points > BOTTOM) this.#doc.addPage();
  }

  #write(
    text: string,
    of: {
      readonly bold?: boolean;
      readonly size?: number;
      readonly colour?: string;
      readonly align?: 'left' | 'right';
      readonly x?: number;
      readonly y?: number;
      readonly width?: number;
    },
  ): void {
    const doc = this.#doc;
    doc
      .font(of.bold ? 'Helvetica-Bold' : 'Helvetica')
      .fontSize(of.size ?? 10.5)
      .fillColor(of.colour ?? COLOURS.text)
      .text(printable(text), of.x ?? MARGIN, of.y ?? doc.y, {
        width: of.width ?? WIDTH,
        align: of.align ?? 'left',
        lineGap: 1.5,
      });
  }
}

/** Of what lies beyond Latin-1, what Windows-1252 has, the encoding of the fonts that need not be in the file. */
const BEYOND = new Set('€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ');

/** The text in characters that the fonts have: without marks they do not know, and `?` for letters of other scripts. */
export function printable(text: string): string {
  return [...text.normalize('NFKC')].map(printableCharacter).join('');
}

function printableCharacter(character: string): string {
  const code = character.codePointAt(0)!;
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return ' ';
  if (code < 0x100 || BEYOND.has(character)) return character;
  const bare = character.normalize('NFD')[0]!;
  return bare.codePointAt(0)! < 0x100 ? bare : '?';
}

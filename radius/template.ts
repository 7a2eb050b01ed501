import type { Decision } from '#domain/decision';
import type { NasVendor } from '#domain/policy';
import { toldOf } from '#domain/reconcile';
import { CLASS_PREFIX, encodeClass, TOKEN_CHARACTERS } from '#radius/class';
import { encodeAttribute } from '#radius/dictionary';
import type { Line } from '#radius/directory';
import { decisionAttributes, poolAttributes, type ReplyAttribute } from '#radius/reply';

/**
 * The part of an Access-Accept that depends on the decision alone, encoded once and shared by every subscriber with the
 * same outcome: Class with a hole for the token, then the attributes. A copy of it, eight octets of Session-Timeout and
 * the token are all a reply costs.
 */
export type Template = {
  readonly octets: Buffer;
  /** Where in `octets` the token's 22 characters go. */
  readonly tokenAt: number;
};

const CLASS = 25;
const NO_TOKEN = Buffer.alloc(16);

/** Distinct outcomes kept: plans × rules, in practice some dozens. Above it we start anew; subscribers keep theirs. */
const TEMPLATES = 10_000;

export class Templates {
  readonly #byOutcome = new Map<string, Template>();

  /**
   * The template of a decision for a NAS of some make and lines with or without an address of their own.
   */
  of(decision: Decision, line: Line, vendor: NasVendor): Template {
    const told = toldOf(decision, vendor);
    // `told` has the rate, list, profile, pool and extra attributes in one unmistakable form; this is the rest.
    const rest = `${vendor} ${decision.idleSeconds} ${decision.interimSeconds} ${line.staticIp === null}`;
    const outcome = `${told.live}\n${told.fixed}\n${rest}`;
    const known = this.#byOutcome.get(outcome);
    if (known !== undefined) return known;
    if (this.#byOutcome.size >= TEMPLATES) this.#byOutcome.clear();
    const classValue = encodeClass(NO_TOKEN, told);
    const octets = Buffer.concat([
      Buffer.of(CLASS, classValue.length + 2),
      classValue,
      encodeAttributes([...decisionAttributes(decision, vendor), ...poolAttributes(decision, line)]),
    ]);
    const template: Template = { octets, tokenAt: 2 + CLASS_PREFIX.length };
    this.#byOutcome.set(outcome, template);
    return template;
  }
}

export function encodeAttributes(attributes: readonly ReplyAttribute[]): Buffer {
  return Buffer.concat(attributes.map(([name, value]) => encodeAttribute(name, value)));
}

const BASE64URL = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', 'latin1');

/** Writes 16 octets of `random` from `from` as 22 characters of base64url into `target` at `at`. No allocation. */
export function writeToken(random: Buffer, from: number, target: Buffer, at: number): void {
  let bits = 0;
  let held = 0;
  let read = from;
  for (let written = 0; written < TOKEN_CHARACTERS; written += 1) {
    if (held < 6) {
      bits = ((bits << 8) | (read < from + 16 ? random[read]! : 0)) & 0xffff;
      read += 1;
      held += 8;
    }
    held -= 6;
    target[at + written] = BASE64URL[(bits >> held) & 63]!;
  }
}

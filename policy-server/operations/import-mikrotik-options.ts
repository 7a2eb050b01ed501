import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import type { Instant } from '#domain/time';
import { readCsv } from '#operations/csv';
import type { Desk } from '#operations/desk';
import { billing, ending, pppPassword } from '#operations/fields';
import { parseInput } from '#operations/input';

/** How an export is taken in. Everything has a default but what must not be guessed. */
export type MikrotikImportOptions = {
  /** PPP profile → plan: those lines get a grant of it. */
  readonly plans?: Readonly<Record<string, string>>;
  /** `postpaid` if not given: who is in a router's secrets has been billed so. */
  readonly billing?: string;
  /** How long those grants last: an ISO time or a date; each plan's period from now if not given. */
  readonly coveredUntil?: string;
  /** For secrets whose password the export hides: made up, the user name, or the text of a CSV file. */
  readonly passwordOf?: 'generate' | 'same-as-name' | { readonly csv: string };
  /** What secrets disabled on the router become; `suspend` if not given. */
  readonly disabled?: string;
  /** Writes the password, name, MAC and address of the file over those of subscribers there are. */
  readonly update?: boolean;
  /** Imports what can be, and leaves out the lines with a problem. */
  readonly leaveOut?: boolean;
};

export type ParsedOptions = {
  readonly plans: ReadonlyMap<string, string>;
  readonly billing: 'prepaid' | 'postpaid';
  readonly coveredUntil: Instant | null;
  readonly passwordOf: 'generate' | 'same-as-name' | ReadonlyMap<string, string> | null;
  readonly disabled: 'suspend' | 'active' | 'skip';
  readonly update: boolean;
  readonly leaveOut: boolean;
};

const DISABLED = ['suspend', 'active', 'skip'] as const;

/** @throws InvalidInput with a line for each option that cannot be, and for each wrong line of a password file */
export function parseImportOptions(options: MikrotikImportOptions, desk: Pick<Desk, 'zone' | 'clock'>): ParsedOptions {
  const until = ending(desk.zone)
    .refine((at) => at > desk.clock())
    .nullable()
    .default(null)
    .describe(say`in the future: ${ending(desk.zone).description}`);
  const schema = z.object({
    billing: billing.default('postpaid').describe(billing.description!),
    coveredUntil: until,
    disabled: z.enum(DISABLED).default('suspend').describe(say`suspend, active or skip`),
  });
  const { billing: mode, coveredUntil, disabled } = options;
  const { passwordOf = null } = options;
  return {
    ...parseInput(schema, { billing: mode, coveredUntil, disabled }),
    plans: new Map(Object.entries(options.plans ?? {})),
    passwordOf: typeof passwordOf === 'object' && passwordOf !== null ? readPasswords(passwordOf.csv) : passwordOf,
    update: options.update ?? false,
    leaveOut: options.leaveOut ?? false,
  };
}

/** A CSV with the columns username and password (others do not matter). */
function readPasswords(text: string): ReadonlyMap<string, string> {
  const records = readCsv(text);
  const head = records.next();
  const columns = head.done ? [] : head.value.fields.map((field) => field.trim());
  const [nameAt, passwordAt] = [columns.indexOf('username'), columns.indexOf('password')];
  if (nameAt === -1 || passwordAt === -1) {
    throw new InvalidInput([say`passwordOf: the first line of the password file has to be username,password`]);
  }
  const passwords = new Map<string, string>();
  const faults: string[] = [];
  for (const { line, fields, fault } of records) {
    const [username, password] = [fields[nameAt], fields[passwordAt]];
    if (fault !== null) faults.push(say`passwordOf: line ${line} of the password file: ${fault}`);
    else if (!username || !pppPassword.safeParse(password).success) {
      faults.push(say`passwordOf: line ${line} of the password file needs a username and ${pppPassword.description}`);
    } else if (passwords.has(username)) {
      faults.push(say`passwordOf: line ${line} of the password file: "${username}" is there twice`);
    } else passwords.set(username, password!);
  }
  if (faults.length > 0) throw new InvalidInput(faults);
  return passwords;
}

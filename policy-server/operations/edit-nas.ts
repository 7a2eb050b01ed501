import { isIP } from 'node:net';
import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';
import { addNasSchema, explainDuplicate, refuseNoProxy, weaknessOf } from '#operations/add-nas';
import type { Desk } from '#operations/desk';
import { portNumber } from '#operations/fields';
import { parseInput } from '#operations/input';
import { generateSecret } from '#operations/password-hash';
import { change } from '#storage/change';
import {
  API_TLS_MODES,
  deleteNasRow,
  findNas,
  type ListedNas,
  setFingerprint,
  updateNas,
  usesOfNas,
} from '#storage/nas';
import { nasApiPasswordAad, nasSecretAad } from '#storage/secrets';

const { shape } = addNasSchema;
const optional = <Schema extends z.ZodType>(schema: Schema) => schema.optional().describe(schema.description ?? '');
const yesOrNo = z
  .preprocess((given) => (given === 'true' || given === 'on' ? true : given === 'false' ? false : given), z.boolean())
  .describe(say`true or false`);
const emptyIsNull = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess((given) => (given === '' ? null : given), schema.nullable());

export const editNasSchema = z.object({
  name: optional(shape.name),
  address: optional(shape.address),
  secret: optional(shape.secret),
  coaPort: optional(portNumber),
  coaPerSecond: optional(
    z.coerce
      .number()
      .int()
      .min(1)
      .max(10_000)
      .describe(say`CoA and Disconnect a second at most, 1 to 10000, for example 50`),
  ),
  messageAuthenticator: optional(shape.messageAuthenticator.unwrap().describe(shape.messageAuthenticator.description!)),
  swapOctets: optional(yesOrNo),
  tags: optional(shape.tags.unwrap().describe(shape.tags.description!)),
  vendor: optional(shape.vendor.unwrap().describe(shape.vendor.description!)),
  proxy: optional(yesOrNo),
  coaVia: optional(emptyIsNull(shape.coaVia.unwrap().unwrap()).describe(shape.coaVia.description!)),
  apiHost: optional(
    emptyIsNull(z.string().refine((text) => isIP(text) !== 0 && !text.includes('%'))).describe(
      say`the IP address at which its RouterOS API answers, for example 10.20.0.1; empty = at its address`,
    ),
  ),
  apiPort: optional(portNumber.describe(say`the port of /ip service api-ssl (8729) or api (8728), for example 8729`)),
  apiTls: optional(
    z.enum(API_TLS_MODES).describe(say`off, pinned (the certificate that was seen first) or verified (a public one)`),
  ),
  apiUser: optional(
    emptyIsNull(z.string().regex(/^[^\p{Cc}]{1,100}$/u)).describe(
      say`the user for the RouterOS API, for example gerbang; empty = none`,
    ),
  ),
  apiPassword: optional(
    z
      .string()
      .regex(/^[^\p{Cc}]{1,200}$/u)
      .nullable()
      .describe(say`the password of that user, 1 to 200 characters`),
  ),
  recognisesLines: optional(yesOrNo),
});

export type EditedNas = {
  readonly id: number;
  readonly name: string;
  readonly changed: readonly string[];
  /** Only when we made the secret ourselves: the one time it can be read. */
  readonly generatedSecret: string | null;
  readonly warnings: readonly string[];
};

/** Secrets are never shown in a form: one that is left empty stays as it is. */
const SECRETS = ['secret', 'apiPassword'];
const FIELDS = [
  'name',
  'address',
  'coaPort',
  'coaPerSecond',
  'messageAuthenticator',
  'swapOctets',
  'tags',
  'vendor',
  'proxy',
  'coaVia',
  'apiHost',
  'apiPort',
  'apiTls',
  'apiUser',
  'recognisesLines',
] as const satisfies readonly (keyof ListedNas)[];

/**
 * Changes the given fields of a router; `secret: 'generate'` makes one and returns it, `apiPassword: null` takes that
 * password away. Where the API answers elsewhere than before, the certificate that was trusted there is forgotten; what
 * was learned of signed requests, when `auto` is chosen anew.
 *
 * @throws InvalidInput for wrong fields, no such NAS, a name or an address that another has
 */
export async function editNas(
  desk: Desk,
  { id, ...input }: { readonly id: number } & Readonly<Record<string, unknown>>,
): Promise<EditedNas> {
  const stated = Object.entries(input).filter(([field, value]) => !(SECRETS.includes(field) && value === ''));
  const given = parseInput(editNasSchema, Object.fromEntries(stated));
  const generated = given.secret === 'generate';
  const secret = generated ? generateSecret() : (given.secret ?? null);
  const detail: Record<string, unknown> = { id };
  let name = '';
  let before: ListedNas | null = null;
  try {
    return await change(desk.db, { actor: desk.actor, why: 'edit NAS', detail }, async (tx) => {
      const was = (await findNas(tx, { id }, 'lock')) ?? noSuchNas();
      before = was;
      await refuseNoProxy(tx, given.coaVia);
      const after = pick({ ...was, ...withoutUndefined(given) });
      name = after.name;
      const changed: string[] = FIELDS.filter((field) => JSON.stringify(after[field]) !== JSON.stringify(was[field]));
      const moved = changed.some((field) => ['address', 'apiHost', 'apiPort', 'apiTls'].includes(field));
      await updateNas(tx, id, {
        ...after,
        secretSealed: secret === null ? null : desk.sealer.seal(secret, nasSecretAad(id)),
        apiPassword: given.apiPassword === undefined ? null : { sealed: sealedOrNull(desk, id, given.apiPassword) },
        forgetSigned: changed.includes('messageAuthenticator'),
        forgetApi: moved,
      });
      const secrets = SECRETS.filter((field) => given[field as 'secret' | 'apiPassword'] !== undefined);
      const of = (nas: object) => Object.fromEntries(Object.entries(nas).filter(([field]) => changed.includes(field)));
      Object.assign(detail, { name: was.name, before: of(was), after: of(after), secrets });
      await tx.markNas(id);
      const warnings = secret === null ? [] : weaknessOf(secret);
      return { id, name, changed: [...changed, ...secrets], generatedSecret: generated ? secret : null, warnings };
    });
  } catch (error) {
    throw explainDuplicate(error, { name, address: given.address ?? addressOf(before) }) ?? error;
  }
}

const addressOf = (nas: ListedNas | null): string => nas?.address ?? '';

const sealedOrNull = (desk: Desk, id: number, password: string | null): Buffer | null =>
  password === null ? null : desk.sealer.seal(password, nasApiPasswordAad(id));

const withoutUndefined = <Of extends object>(of: Of) =>
  Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined)) as {
    [Field in keyof Of]: Exclude<Of[Field], undefined>;
  };

const pick = (nas: ListedNas): Pick<ListedNas, (typeof FIELDS)[number]> =>
  Object.fromEntries(FIELDS.map((field) => [field, nas[field]])) as Pick<ListedNas, (typeof FIELDS)[number]>;

/**
 * Takes a router away: it may not ask any more. What was heard from it stays in the history.
 *
 * @throws InvalidInput while it has sessions, static lines or addresses on it; no such NAS
 */
export async function deleteNas(desk: Desk, id: number): Promise<{ readonly name: string }> {
  const detail: Record<string, unknown> = { id };
  return change(desk.db, { actor: desk.actor, why: 'delete NAS', detail }, async (tx) => {
    const nas = (await findNas(tx, { id }, 'lock')) ?? noSuchNas();
    const uses = await usesOfNas(tx, id);
    const reasons = [
      ...(uses.sessions > 0 ? [say`${uses.sessions} sessions are on it or ended just now`] : []),
      ...(uses.subscribers > 0 ? [say`${uses.subscribers} static lines belong to it`] : []),
      ...(uses.behind > 0 ? [say`CoA of ${uses.behind} routers goes through it`] : []),
      ...(uses.addresses > 0 ? [say`${uses.addresses} addresses are in its lists or wait to leave them`] : []),
    ];
    if (reasons.length > 0)
      throw new InvalidInput(reasons.map((reason) => say`NAS "${nas.name}" cannot be deleted: ${reason}`));
    await deleteNasRow(tx, id);
    await tx.markNas(id);
    Object.assign(detail, { name: nas.name, address: nas.address });
    return { name: nas.name };
  });
}

const fingerprintSchema = z.object({
  fingerprint: z
    .string()
    .transform((text) => text.replace(/[:\s]/g, '').toLowerCase())
    .refine((text) => /^[0-9a-f]{64}$/.test(text))
    .nullable()
    .describe(say`the SHA-256 of the certificate, 64 hexadecimal digits; none = trust the next one that is shown`),
});

/**
 * Says which certificate of the RouterOS API is the right one; null trusts the one of the next connection (the router
 * was replaced, its certificate made anew).
 *
 * @throws InvalidInput for something else than a SHA-256, no such NAS
 */
export async function setApiFingerprint(desk: Desk, id: number, fingerprint: string | null): Promise<void> {
  const given = parseInput(fingerprintSchema, { fingerprint });
  const detail = { id, fingerprint: given.fingerprint };
  await change(desk.db, { actor: desk.actor, why: 'trust API certificate', detail }, async (tx) => {
    if (!(await setFingerprint(tx, id, given.fingerprint))) noSuchNas();
    await tx.markNas(id);
  });
}

function noSuchNas(): never {
  throw new InvalidInput([say`this NAS is no more; go back to the list`]);
}

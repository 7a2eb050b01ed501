import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { NAS_VENDORS } from '#domain/policy';
import { say } from '#domain/say';
import type { Desk } from '#operations/desk';
import { entityName, nasAddress, portNumber } from '#operations/fields';
import { parseInput } from '#operations/input';
import { generateSecret } from '#operations/password-hash';
import { change } from '#storage/change';
import { type Queryable, violatedConstraint } from '#storage/database';
import { findNas, insertNas, MESSAGE_AUTHENTICATOR_MODES, nextNasId } from '#storage/nas';
import { nasSecretAad } from '#storage/secrets';

/** Below this a shared secret is guessed from one captured packet while the router reboots. */
const SHORTEST_SECRET = 8;
/** What `Secret` of the protocol takes. */
const LONGEST_SECRET = 256;
/** draft-ietf-radext-deprecating-radius: warn at 12 octets or fewer. */
const WEAK_SECRET = 12;

export const addNasSchema = z.object({
  name: entityName('tower-north'),
  address: nasAddress,
  secret: z
    .string()
    .regex(/^[^\p{Cc}]+$/u)
    .refine((text) => Buffer.byteLength(text) >= SHORTEST_SECRET && Buffer.byteLength(text) <= LONGEST_SECRET)
    .describe(
      say`the RADIUS secret of the router, ${SHORTEST_SECRET} to ${LONGEST_SECRET} octets; "generate" makes one`,
    ),
  coaPort: portNumber.default(3799).describe(say`the port of /radius incoming on the router, for example 3799`),
  messageAuthenticator: z
    .enum(MESSAGE_AUTHENTICATOR_MODES)
    .default('auto')
    .describe(say`one of ${MESSAGE_AUTHENTICATOR_MODES.join(', ')}`),
  swapOctets: z.boolean().default(false).describe(say`true or false`),
  tags: z.array(z.string().min(1).max(50)).default([]).describe(say`words, for example north,fiber`),
  vendor: z
    .enum(NAS_VENDORS)
    .default('mikrotik')
    .describe(say`one of ${NAS_VENDORS.join(', ')}`),
  proxy: z.boolean().default(false).describe(say`true or false`),
  coaVia: entityName('freeradius-1')
    .nullable()
    .default(null)
    .describe(say`the name of a NAS that is a proxy; empty = CoA goes to the router itself`),
});

export type AddedNas = {
  readonly id: number;
  readonly name: string;
  /** Only when we made the secret ourselves: the one time it can be read. */
  readonly generatedSecret: string | null;
  readonly warnings: readonly string[];
};

/**
 * Adds a router. `secret: 'generate'` makes one of 138 bits and returns it.
 *
 * @throws InvalidInput for wrong fields, a name or an address that is there already
 */
export async function addNas(desk: Desk, input: Readonly<Record<string, unknown>>): Promise<AddedNas> {
  const nas = parseInput(addNasSchema, input);
  const generated = nas.secret === 'generate';
  const secret = generated ? generateSecret() : nas.secret;
  const detail = { name: nas.name, address: nas.address, coaPort: nas.coaPort };
  try {
    const id = await change(desk.db, { actor: desk.actor, why: 'add NAS', detail }, async (tx) => {
      await refuseNoProxy(tx, nas.coaVia);
      const nasId = await nextNasId(tx);
      await insertNas(tx, nasId, { ...nas, secretSealed: desk.sealer.seal(secret, nasSecretAad(nasId)) });
      await tx.markNas(nasId);
      return nasId;
    });
    return { id, name: nas.name, generatedSecret: generated ? secret : null, warnings: weaknessOf(secret) };
  } catch (error) {
    throw explainDuplicate(error, nas) ?? error;
  }
}

/** @throws InvalidInput where CoA is to go through something that is no proxy */
export async function refuseNoProxy(q: Queryable, coaVia: string | null | undefined): Promise<void> {
  if (coaVia === null || coaVia === undefined) return;
  const via = await findNas(q, { name: coaVia });
  if (via === null || !via.proxy) throw new InvalidInput([say`"${coaVia}" is no NAS that is a proxy; see: nas list`]);
}

export function weaknessOf(secret: string): string[] {
  const octets = Buffer.byteLength(secret);
  if (octets > WEAK_SECRET) return [];
  return [say`the secret has only ${octets} octets: use 32 or more, or --secret generate`];
}

export function explainDuplicate(error: unknown, nas: { name: string; address: string }): InvalidInput | null {
  switch (violatedConstraint(error)) {
    case 'nas_name_key':
      return new InvalidInput([say`name "${nas.name}" belongs to another NAS; give another name, or see: nas list`]);
    case 'nas_address_key':
      return new InvalidInput([say`address ${nas.address} belongs to another NAS; see: nas list`]);
    default:
      return null;
  }
}

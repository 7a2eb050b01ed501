import { z } from 'zod';
import { InvalidInput } from '#domain/errors';
import { say } from '#domain/say';

/** Fields whose value is never repeated in a message. */
const SECRET_FIELDS = new Set(['password', 'secret', 'oldPin', 'newPin', 'oldPassword', 'newPassword', 'apiPassword']);

/**
 * Parses what a person gave. Every field's `describe` says what is allowed there, with an example.
 *
 * @throws InvalidInput with one line for every wrong field: its name, what was given, what is allowed
 */
export function parseInput<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  input: Readonly<Record<string, unknown>>,
): z.output<z.ZodObject<Shape>> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const wrong = new Set(parsed.error.issues.map((issue) => String(issue.path[0])));
  throw new InvalidInput([...wrong].map((field) => faultLine(field, input[field], allowedIn(schema, field))));
}

/** Like `parseInput`, for a caller that collects faults from several sources before it gives up. */
export function faultsOf(schema: z.ZodObject, input: Readonly<Record<string, unknown>>): readonly string[] {
  try {
    parseInput(schema, input);
    return [];
  } catch (error) {
    if (error instanceof InvalidInput) return error.faults;
    throw error;
  }
}

function allowedIn(schema: z.ZodObject, field: string): string {
  const of: unknown = schema.shape[field];
  return (of instanceof z.ZodType ? of.description : undefined) ?? say`something else`;
}

/** The line for a field that has to be given. */
export const missing = (field: string, allowed: string): string => say`${field}: missing; give ${allowed}`;

function faultLine(field: string, given: unknown, allowed: string): string {
  if (given === undefined || given === '') return missing(field, allowed);
  const shown = SECRET_FIELDS.has(field) ? '(not shown)' : JSON.stringify(given);
  return say`${field} ${shown} is not usable; give ${allowed}`;
}

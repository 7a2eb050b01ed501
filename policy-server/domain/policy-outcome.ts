/** How the outcomes of `policy.ts` are written. */
import { z } from 'zod';
import { InvalidTemplate, parseTemplate, TEMPLATE_FIELDS } from '#domain/attribute-template';
import { nearest } from '#domain/nearest';
import {
  type AcceptedOutcome,
  DEFAULT_INTERIM_SECONDS,
  isOurs,
  keyOfOurs,
  LONGEST_ATTRIBUTE,
  MOST_ATTRIBUTES,
  NAS_VENDORS,
  type Outcome,
  type PolicyAttribute,
} from '#domain/policy';
import { type Inside, map, quoted, readBy, text, word, writeSo } from '#domain/policy-schema';
import { rate, routerName, seconds } from '#domain/policy-values';
import { say } from '#domain/say';

const MEANS_ATTRIBUTES = {
  description: 'Attributes added to the reply, by their names in the dictionary; a list gives one several times.',
  write: '{Reply-Message: "Welcome, {username}"}',
};

type Value = { readonly name: string; readonly value: string };

/** Name to value, or to a list of values. */
const attributes = readBy<readonly Value[]>(
  {
    anyOf: [z.record(z.string(), z.union([z.string(), z.array(z.string())])).meta(MEANS_ATTRIBUTES)],
    write: MEANS_ATTRIBUTES.write,
  },
  (given, inside) => {
    if (!isMap(given)) {
      if (given !== null) inside.fault([], say`attributes are names with values`, writeSo(MEANS_ATTRIBUTES.write));
      return undefined;
    }
    const values = Object.entries(given).flatMap(([name, value]): Value[] => {
      if (!nameIsFine(name, inside)) return [];
      const several = Array.isArray(value) ? value : [value];
      return several.flatMap((one, index): Value[] => {
        const read = inside.read(attributeValue, one, Array.isArray(value) ? [name, index] : [name]);
        if (read === undefined) return [];
        const fault = templateFault(read);
        if (fault !== null) inside.fault(Array.isArray(value) ? [name, index] : [name], fault.what, fault.fix, fault);
        return [{ name, value: read }];
      });
    });
    return values;
  },
);

const attributeValue = text(
  { description: `A value; fields in braces are filled in.`, write: '"{username}"' },
  (given) => (given !== '' && given.length <= LONGEST_ATTRIBUTE ? given : null),
  (given) => ({
    what: say`"${given}" is no value of an attribute`,
    fix: say`write 1 to ${LONGEST_ATTRIBUTE} characters`,
  }),
);

function nameIsFine(name: string, { fault }: Inside): boolean {
  const key = keyOfOurs(name);
  if (isOurs(name)) {
    const fix = key === null ? say`leave it out` : say`write ${key}: beside attributes`;
    fault([name], say`${name} is computed by the server`, fix, { at: 'key' });
  } else if (!/^[A-Za-z][A-Za-z0-9-]{0,63}$/.test(name))
    fault([name], say`"${quoted(name)}" is no name of an attribute`, null, { at: 'key' });
  else return true;
  return false;
}

function templateFault(value: string) {
  try {
    parseTemplate(value);
    return null;
  } catch (error) {
    if (!(error instanceof InvalidTemplate)) throw error;
    const { at, length, unknown, faults } = error;
    const near = unknown === null ? null : nearest(unknown, TEMPLATE_FIELDS);
    const fields = TEMPLATE_FIELDS.map((field) => `{${field}}`).join(' ');
    const fix =
      near !== null
        ? say`did you mean {${near}}?`
        : unknown === null
          ? say`close it with }, or write {{ for a brace`
          : say`the fields are: ${fields}`;
    return { what: faults[0]!, fix, letters: { at, length } };
  }
}

const namedProfile = map(
  { name: routerName({ description: 'A profile of this very name, even if it is "plan".', write: 'home' }) },
  '{name: home}',
);
const profileText = routerName({ description: "`plan` for the plan's, or a name.", write: 'plan' });

const profile = readBy<NonNullable<AcceptedOutcome['profile']>>(
  { anyOf: [profileText, namedProfile], write: 'plan' },
  (given, inside) => {
    const named = isMap(given) ? inside.read(namedProfile, given, [])?.name : inside.read(profileText, given, []);
    if (named === undefined) return undefined;
    return named === 'plan' && !isMap(given) ? { is: 'plan' } : { is: 'named', name: named };
  },
);

const isMap = (given: unknown): given is Record<string, unknown> =>
  typeof given === 'object' && given !== null && !Array.isArray(given);

const NAME_OF_LIST = 'prepaid-active';

/** What an accepted line gets. */
export const acceptedForm = map(
  {
    access: word(
      {
        description: '`full`: as bought · `reduced`: less of it · `walled`: accepted, but led to the portal.',
        write: 'full',
      },
      ['full', 'reduced', 'walled'],
    ),
    rate,
    list: routerName({ description: 'The firewall address-list of the line.', write: NAME_OF_LIST }),
    profile: profile.optional().meta({
      description: "PPP profile: `plan` for the plan's, or a name. Without, the router's default.",
      write: 'plan',
    }),
    pool: routerName({
      description: 'Address pool, for lines without an address of their own.',
      write: 'pool-walled',
    }).optional(),
    idle: seconds({
      description: 'Ends a session that is silent for so long (1 minute to 24 hours).',
      write: '10 minutes',
    }).optional(),
    interim: seconds({
      description: 'How often the router reports usage (1 minute to 24 hours). Without, 5 minutes.',
      write: '5 minutes',
    }).optional(),
    attributes: attributes.optional().meta(MEANS_ATTRIBUTES),
    for: map(
      Object.fromEntries(NAS_VENDORS.map((vendor) => [vendor, attributes.optional()])),
      '{accel-ppp: {Filter-Id: x}}',
    )
      .optional()
      .meta({
        description: 'Attributes for routers of one make only; they take the place of those of the same name.',
        write: '{accel-ppp: {Filter-Id: "{download-kbps}/{upload-kbps}"}}',
      }),
  },
  '{access: full, rate: plan, list: prepaid-active, profile: plan}',
);

/** `denied`, or what an accepted line gets. */
export const outcome: z.ZodType<Outcome> = readBy(
  { anyOf: [z.literal('denied'), acceptedForm], write: 'denied' },
  (given, inside) => {
    if (given === 'denied') return { access: 'denied' };
    if (typeof given === 'string') {
      const map = say`write {access: full, rate: plan, list: prepaid-active, profile: plan}, or denied`;
      inside.fault(
        [],
        say`"${quoted(given)}" is no outcome`,
        /^(den|rej|block|drop)/.test(given) ? say`did you mean ${'denied'}?` : map,
      );
      return undefined;
    }
    if (isMap(given) && given.access === 'denied') {
      inside.fault(['access'], say`who is denied gets nothing else`, say`write give: denied`);
      return undefined;
    }
    const read = given === null ? undefined : inside.read(acceptedForm, given, []);
    return read === undefined ? undefined : compiled(read, inside);
  },
);

function compiled(given: z.infer<typeof acceptedForm>, inside: Inside): AcceptedOutcome | undefined {
  const attributes: PolicyAttribute[] = (given.attributes ?? []).map((one) => ({ ...one, vendor: null }));
  for (const vendor of NAS_VENDORS) attributes.push(...(given.for?.[vendor] ?? []).map((one) => ({ ...one, vendor })));
  if (attributes.length > MOST_ATTRIBUTES) {
    inside.fault(['attributes'], say`there are more than ${MOST_ATTRIBUTES} attributes`, null, { at: 'key' });
    return undefined;
  }
  return {
    access: given.access,
    rate: given.rate,
    addressList: given.list,
    profile: given.profile ?? null,
    pool: given.pool ?? null,
    idleSeconds: given.idle ?? null,
    interimSeconds: given.interim ?? DEFAULT_INTERIM_SECONDS,
    attributes,
  };
}

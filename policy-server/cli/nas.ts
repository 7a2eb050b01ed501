import { InvalidInput } from '#domain/errors';
import { printInstant } from '#domain/print';
import { addNas, addNasSchema } from '#operations/add-nas';
import { deleteNas, editNas, editNasSchema } from '#operations/edit-nas';
import { faultsOf } from '#operations/input';
import { type Command, type Given, textOf } from '#policy-server/cli/command';
import { readSecret } from '#policy-server/cli/secret-input';
import { table } from '#policy-server/cli/table';
import type { Queryable } from '#storage/database';
import { findNas, listNases } from '#storage/nas';

const addInput = (given: Given) => ({
  name: textOf(given, 'name'),
  address: textOf(given, 'address'),
  secret: textOf(given, 'secret'),
  coaPort: textOf(given, 'coa-port'),
  messageAuthenticator: textOf(given, 'message-authenticator'),
  swapOctets: given.options['swap-octets'] === true,
  vendor: textOf(given, 'vendor'),
  proxy: given.options.proxy === true,
  coaVia: textOf(given, 'coa-via'),
  tags: textOf(given, 'tags')
    ?.split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== ''),
});

export const nasAdd: Command = {
  name: 'nas add',
  summary: 'Add a router that may ask',
  options: {
    name: { value: 'NAME', help: 'what you call it, for example tower-north' },
    address: { value: 'ADDRESS', help: 'the IP address it sends from, or a CIDR' },
    secret: { value: 'SECRET', help: 'its RADIUS secret; "generate" makes one, "-" reads it from standard input' },
    'coa-port': { value: 'PORT', help: 'the port of its /radius incoming (3799)' },
    'message-authenticator': { value: 'required|auto|off', help: 'whether requests must be signed (auto: once seen)' },
    'swap-octets': { value: 'flag', help: 'this router reports Acct-Input-Octets as the download' },
    vendor: { value: 'mikrotik|generic|accel-ppp', help: 'its make (mikrotik): in which attributes it is told a rate' },
    proxy: { value: 'flag', help: 'a FreeRADIUS that asks for routers behind it and names them by NAS-IP-Address' },
    'coa-via': { value: 'NAME', help: 'the proxy that passes CoA on to it (none: CoA goes to the router itself)' },
    tags: { value: 'A,B', help: 'words that a policy rule can ask for' },
  },
  notes: ['Then: gerbang nas script NAME prints what to paste into the router.'],
  check: (given) => faultsOf(addNasSchema, { ...addInput(given), secret: placeholderFor(textOf(given, 'secret')) }),
  run: async (desk, given) => {
    const input = addInput(given);
    const added = await addNas(desk, { ...input, secret: await readSecret(input.secret) });
    const lines = [`NAS ${added.name} is added; it may ask at once.`];
    if (added.generatedSecret !== null) lines.push(`Its secret, shown this once: ${added.generatedSecret}`);
    lines.push(...added.warnings.map((warning) => `Warning: ${warning}`));
    lines.push(`Next: gerbang nas script ${added.name}`);
    return { text: lines.join('\n'), json: added };
  },
};

/** What stands for "read it later" is long enough for every rule but those on its content. */
const placeholderFor = (secret: string | undefined): string | undefined => (secret === '-' ? 'generate' : secret);

export const nasList: Command = {
  name: 'nas list',
  summary: 'List the routers',
  run: async ({ db, zone }) => {
    const nases = await listNases(db);
    const text = table(
      nases,
      [
        { title: 'NAME', cell: (nas) => nas.name },
        { title: 'ADDRESS', cell: (nas) => nas.address },
        { title: 'MAKE', cell: (nas) => nas.vendor },
        { title: 'COA PORT', cell: (nas) => String(nas.coaPort), align: 'right' },
        { title: 'SIGNED', cell: (nas) => signed(nas) },
        { title: 'SESSIONS', cell: (nas) => String(nas.liveSessions), align: 'right' },
        {
          title: 'LAST ACCOUNTING',
          cell: (nas) => (nas.heardAt === null ? 'none yet' : printInstant(nas.heardAt, zone)),
        },
        { title: 'TAGS', cell: (nas) => nas.tags.join(',') },
      ],
      'There is no NAS yet. Add one: gerbang nas add --name tower-north --address 10.20.0.1 --secret generate',
    );
    return { text, json: nases };
  },
};

function signed(nas: { messageAuthenticator: string; messageAuthenticatorSeen: boolean }): string {
  if (nas.messageAuthenticator !== 'auto') return nas.messageAuthenticator;
  return nas.messageAuthenticatorSeen ? 'auto: yes' : 'auto: not yet';
}

const EDITABLE = {
  address: 'address',
  'coa-port': 'coaPort',
  'coa-per-second': 'coaPerSecond',
  'message-authenticator': 'messageAuthenticator',
  'swap-octets': 'swapOctets',
  vendor: 'vendor',
  proxy: 'proxy',
  'coa-via': 'coaVia',
  'api-host': 'apiHost',
  'api-port': 'apiPort',
  'api-tls': 'apiTls',
  'api-user': 'apiUser',
  'recognises-lines': 'recognisesLines',
} as const;

function editInput(given: Given): Record<string, unknown> {
  const plain = Object.entries(EDITABLE).map(([option, field]) => [field, textOf(given, option)] as const);
  const tags = textOf(given, 'tags');
  return Object.fromEntries(
    [
      ...plain,
      ['name', textOf(given, 'rename')] as const,
      ['secret', textOf(given, 'secret')] as const,
      ['apiPassword', textOf(given, 'api-password')] as const,
      [
        'tags',
        tags === undefined
          ? undefined
          : tags
              .split(',')
              .map((tag) => tag.trim())
              .filter((tag) => tag !== ''),
      ] as const,
    ].filter(([, value]) => value !== undefined),
  );
}

export const nasEdit: Command = {
  name: 'nas edit',
  summary: 'Change a router: only what is given',
  positionals: [{ name: 'NAME', help: 'the name of a NAS' }],
  options: {
    rename: { value: 'NAME', help: 'another name' },
    address: { value: 'ADDRESS', help: 'the IP address it sends from, or a CIDR' },
    secret: { value: 'SECRET', help: 'its RADIUS secret; "generate" makes one, "-" reads it from standard input' },
    'coa-port': { value: 'PORT', help: 'the port of its /radius incoming' },
    'coa-per-second': { value: 'NUMBER', help: 'CoA and Disconnect a second at most' },
    'message-authenticator': { value: 'required|auto|off', help: 'whether requests must be signed' },
    'swap-octets': { value: 'true|false', help: 'this router reports Acct-Input-Octets as the download' },
    vendor: { value: 'mikrotik|generic|accel-ppp', help: 'its make: in which attributes it is told a rate' },
    proxy: {
      value: 'true|false',
      help: 'a FreeRADIUS that asks for routers behind it and names them by NAS-IP-Address',
    },
    'coa-via': { value: 'NAME', help: 'the proxy that passes CoA on to it; "" = CoA goes to the router itself' },
    tags: { value: 'A,B', help: 'words that a policy rule can ask for; "" for none' },
    'api-host': { value: 'ADDRESS', help: 'where its RouterOS API answers; "" = at its address' },
    'api-port': { value: 'PORT', help: 'the port of api-ssl (8729) or api (8728)' },
    'api-tls': { value: 'off|pinned|verified', help: 'how its certificate is trusted' },
    'api-user': { value: 'USER', help: 'the user for the API' },
    'api-password': { value: 'PASSWORD', help: 'the password of that user; "-" reads it from standard input' },
    'recognises-lines': { value: 'true|false', help: 'the splash page greets a line by its source address' },
  },
  fields: { name: 'rename' },
  check: (given) => {
    const { secret, apiPassword, ...rest } = editInput(given);
    const later = secret === '-' || secret === undefined ? {} : { secret };
    return faultsOf(editNasSchema, { ...rest, ...later, ...(apiPassword === undefined ? {} : { apiPassword }) });
  },
  run: async (desk, given) => {
    const input = editInput(given);
    if (Object.keys(input).length === 0) throw new InvalidInput(['nothing to change is given; see: nas edit --help']);
    if (input.secret === '-' && input.apiPassword === '-') {
      throw new InvalidInput(['only one of --secret and --api-password can be read from standard input']);
    }
    const { id } = await nasNamed(desk.db, given.words[0]!);
    for (const field of ['secret', 'apiPassword'] as const) {
      if (input[field] === '-') input[field] = await readSecret('-');
    }
    const edited = await editNas(desk, { ...input, id });
    const what = edited.changed.length === 0 ? 'nothing was changed' : `changed: ${edited.changed.join(', ')}`;
    const lines = [`NAS ${edited.name}: ${what}.`];
    if (edited.generatedSecret !== null) lines.push(`Its secret, shown this once: ${edited.generatedSecret}`);
    lines.push(...edited.warnings.map((warning) => `Warning: ${warning}`));
    return { text: lines.join('\n'), json: edited };
  },
};

export const nasRemove: Command = {
  name: 'nas remove',
  summary: 'Take a router away that nothing is on any more',
  positionals: [{ name: 'NAME', help: 'the name of a NAS' }],
  run: async (desk, given) => {
    const { id } = await nasNamed(desk.db, given.words[0]!);
    const removed = await deleteNas(desk, id);
    return { text: `NAS ${removed.name} is removed; it may not ask any more.`, json: { id, ...removed } };
  },
};

async function nasNamed(q: Queryable, name: string): Promise<{ id: number }> {
  const nas = await findNas(q, { name });
  if (nas !== null) return nas;
  const names = (await listNases(q)).map((one) => one.name).join(', ') || 'none yet; add one with: nas add';
  throw new InvalidInput([`there is no NAS "${name}"; there are: ${names}`]);
}

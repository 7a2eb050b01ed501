import { printInstant } from '#domain/print';
import { addNas, addNasSchema } from '#operations/add-nas';
import { faultsOf } from '#operations/input';
import { type Command, type Given, textOf } from '#policy-server/cli/command';
import { readSecret } from '#policy-server/cli/secret-input';
import { table } from '#policy-server/cli/table';
import { listNases } from '#storage/nas';

const addInput = (given: Given) => ({
  name: textOf(given, 'name'),
  address: textOf(given, 'address'),
  secret: textOf(given, 'secret'),
  coaPort: textOf(given, 'coa-port'),
  messageAuthenticator: textOf(given, 'message-authenticator'),
  swapOctets: given.options['swap-octets'] === true,
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

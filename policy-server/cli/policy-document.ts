import { InvalidInput } from '#domain/errors';
import type { Policy } from '#domain/policy';
import { checkPolicy, type Fault, isPublishable, type PolicyCheck } from '#domain/policy-document';
import { revision } from '#operations/publish-policy';
import type { Office } from '#policy-server/cli/command';
import { readTextFile } from '#policy-server/cli/text-file';
import { policyDictionary } from '#radius/policy-dictionary';

/** What somebody named on the command line: a file with a policy document, or a revision by its number. */
export const DOCUMENT = { name: 'FILE', help: 'the path of a policy document, or the number of a revision' } as const;

/** A document with where it is from: `name` for people, `revision` where it is one. */
export type NamedDocument = { readonly name: string; readonly text: string; readonly revision: number | null };

/** @throws InvalidInput when there is no such file or revision */
export async function documentNamed(office: Office, named: string): Promise<NamedDocument> {
  if (!/^\d{1,9}$/.test(named)) return { name: named, text: await readDocument(named), revision: null };
  const found = await revision(office.db, Number(named), office.zone);
  if (found === null)
    throw new InvalidInput([`there is no policy revision ${named}; there are: gerbang policy history`]);
  return { name: `revision ${named}`, text: found.text, revision: found.id };
}

export const readDocument = (file: string): Promise<string> => readTextFile(file, 'save it as UTF-8');

export const checkDocument = (text: string, zone: string): PolicyCheck => checkPolicy(text, zone, policyDictionary);

/**
 * The policy of a file or a revision.
 *
 * @throws InvalidInput with a line for each fault. Cases that fail are none: a plan may be looked at before they pass
 */
export async function policyNamed(office: Office, named: string): Promise<Policy> {
  const document = await documentNamed(office, named);
  if (document.revision !== null) return (await revision(office.db, document.revision, office.zone))!.document;
  const check = checkDocument(document.text, office.zone);
  if (check.policy === null) throw new InvalidInput(faultLines(document.name, check));
  return check.policy;
}

/** Why a document cannot be published, as compilers say it: `policy.yaml:12:7  what is wrong; what to write instead`. */
export function faultLines(name: string, check: PolicyCheck): string[] {
  if (check.policy === null || isPublishable(check)) return check.faults.map((fault) => faultLine(name, fault));
  return check.cases
    .filter(({ passed }) => !passed)
    .map(({ name: said, line, differences }) => `${name}:${line}  case "${said}" fails: ${differences.join('; ')}`);
}

export const faultLine = (name: string, { line, column, what, fix }: Fault): string =>
  `${name}:${line}:${column}  ${what}${fix === null ? '' : `; ${fix}`}`;

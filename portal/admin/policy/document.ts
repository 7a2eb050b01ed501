import { checkPolicy, type Fault, isPublishable, type PolicyCheck } from '#domain/policy-document';
import type { Context } from '#portal/shared/context';
import type { Form } from '#portal/shared/forms';

export const PATH = '/policy';
/** A document of the longest kind, each sign of it written as three in a form. What is longer is refused as a document. */
export const DOCUMENT_BODY_BYTES = 2 * 2 ** 20;

/** The document of a form, as it was written: browsers send lines with CR and LF. */
export function documentOf(form: Form): string {
  const value = form.text;
  return (typeof value === 'string' ? value : (value?.at(-1) ?? '')).replaceAll('\r\n', '\n');
}

export const checked = (context: Context, text: string): PolicyCheck =>
  checkPolicy(text, context.parts.zone, context.opened.live.policy.dictionary);

/** What was found in a document, in the reader's words. */
export function checkModel(context: Context, check: PolicyCheck) {
  const worded = (faults: readonly Fault[]) => faults.map((fault) => ({ ...fault, ...inWords(context, fault) }));
  const failed = check.cases.filter(({ passed }) => !passed).length;
  return {
    publishable: isPublishable(check),
    faults: worded(check.faults),
    warnings: worded(check.warnings),
    cases: check.cases.map((one) => ({ ...one, differences: one.differences.map((line) => context.said(line)) })),
    failed,
    passed: check.cases.length - failed,
    rules: check.policy?.rules.length ?? null,
  };
}

const inWords = (context: Context, { what, fix }: Fault) => ({
  what: context.said(what),
  fix: fix === null ? null : context.said(fix),
});

/** A script asks for the piece that it puts into its page. */
export const wantsPart = ({ request, reply }: Context): boolean => {
  const wants = request.headers['x-part'] === '1';
  if (wants) reply.header('x-part', '1');
  return wants;
};

/** What the editor itself says, in the reader's language, as CodeMirror knows it. */
export function phrases(context: Context): string {
  return JSON.stringify({
    Completions: context.t('policy.editor-completions'),
    Diagnostics: context.t('policy.editor-diagnostics'),
    'No diagnostics': context.t('policy.editor-no-diagnostics'),
    close: context.t('policy.editor-close'),
    'Revert this chunk': context.t('policy.take-theirs'),
    Accept: context.t('policy.editor-accept'),
    Reject: context.t('policy.editor-reject'),
    '$ unchanged lines': context.t('policy.editor-unchanged'),
  });
}

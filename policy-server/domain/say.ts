/**
 * Marks an English line that people read, as commands and logs say it: `say\`there is no plan "${name}"\``. Pages say it in
 * the reader's language: `portal/messages/said.*.json` has it by its text, with `{1}`, `{2}` … where its values stand. A
 * test finds every line that is marked and has no words there.
 */
export const say = (parts: TemplateStringsArray, ...values: readonly unknown[]): string =>
  parts.reduce((line, part, at) => `${line}${values[at - 1]}${part}`);

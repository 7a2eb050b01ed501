// The editor of policies. Improvements only: without it the document is written in a textarea and checked by a button.
import { autocompletion, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from '@codemirror/language';
import { linter, lintGutter, lintKeymap } from '@codemirror/lint';
import { MergeView, unifiedMergeView } from '@codemirror/merge';
import { EditorState } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';
import { classHighlighter } from '@lezer/highlight';

// What every view of a document has; its colours stand in policy.css.
const looks = [
  yaml(),
  syntaxHighlighting(classHighlighter),
  lineNumbers(),
  EditorView.lineWrapping,
  EditorState.tabSize.of(2),
  indentUnit.of('  '),
];
const reading = [...looks, EditorState.readOnly.of(true), EditorView.editable.of(false)];
// Reached by Tab also where it is only read.
const named = (label) => EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' });

/** Puts an editor in the place of the textarea, which keeps its text, so that forms send it. */
function edit(field) {
  const { form } = field;
  const { schema, label, phrases } = field.dataset;
  const view = new EditorView({
    doc: field.value,
    extensions: [
      ...writing(phrases, label),
      kept(field),
      lintGutter(),
      linter((of) => faultsOf(of, field), { delay: 400 }),
      autocompletion({ override: [completions(schema)] }),
      keymap.of([...completionKeymap, ...lintKeymap]),
    ],
  });
  field.hidden = true;
  form.querySelector('[data-check-now]').hidden = true;
  field.before(view.dom);
  showParts(form);
  leavesNothingBehind(form, () => view.state.doc.toString() !== field.defaultValue.replaceAll('\r\n', '\n'));
  document.addEventListener('click', (event) => {
    const link = event.target.closest('[data-line]');
    if (!link) return;
    event.preventDefault();
    const at = position(view.state.doc, Number(link.dataset.line), Number(link.dataset.column ?? 1));
    view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: 'center' }) });
    view.focus();
  });
}

/** What a view has in which one writes. */
function writing(phrases, label) {
  return [
    ...looks,
    EditorState.phrases.of(JSON.parse(phrases)),
    named(label),
    history(),
    drawSelection(),
    highlightActiveLine(),
    bracketMatching(),
    indentOnInput(),
    keymap.of([...defaultKeymap, ...historyKeymap, indentWithTab]),
  ];
}

/** Keeps what is written in the field that the form sends. */
const kept = (field) =>
  EditorView.updateListener.of((update) => {
    if (update.docChanged) field.value = update.state.doc.toString();
  });

/** Asks before a page with an edit is left by anything else than its form. */
function leavesNothingBehind(form, isEdited) {
  let sent = false;
  form.addEventListener('submit', () => {
    sent = true;
  });
  addEventListener('pageshow', () => {
    sent = false;
  });
  addEventListener('beforeunload', (event) => {
    if (!sent && isEdited()) event.preventDefault();
  });
}

function position(doc, line, column) {
  const { from, to } = doc.line(Math.min(Math.max(1, line), doc.lines));
  return Math.min(to, from + Math.max(0, column - 1));
}

/** Has the server check what stands in the editor; what it says in words is put beside it. */
async function faultsOf(view, field) {
  const place = document.querySelector('[data-checked]');
  const asked = view.state.doc.toString();
  const answer = await fetch(field.dataset.check, {
    method: 'POST',
    headers: { accept: 'application/json' },
    body: new URLSearchParams({ text: asked, _csrf: field.form.elements._csrf.value }),
  }).catch(() => null);
  // What is sent now would be lost: the login is over, or nobody answers. What is written is still here.
  if (!answer?.headers.get('content-type')?.startsWith('application/json')) {
    place.replaceChildren(
      ...(answer === null ? [said(field.dataset.silent)] : [said(field.dataset.over), loginLink(field)]),
    );
    return [];
  }
  const { faults, warnings, cases, html } = await answer.json();
  place.innerHTML = html;
  const { doc } = view.state;
  const marked = (severity) => (fault) => {
    const from = position(doc, fault.line, fault.column);
    const to = fault.endColumn ? position(doc, fault.line, fault.endColumn) : doc.lineAt(from).to;
    return { from, to: Math.max(from, to), severity, message: [fault.what, fault.fix].filter(Boolean).join('\n') };
  };
  const failed = cases.filter(({ passed }) => !passed);
  return [
    ...faults.map(marked('error')),
    ...warnings.map(marked('warning')),
    ...failed.map(({ line, name, differences }) =>
      marked('error')({ line, column: 1, what: [name, ...differences].join('\n'), fix: null }),
    ),
  ].sort((one, other) => one.from - other.from);
}

function said(text) {
  return Object.assign(document.createElement('p'), { className: 'sentence bad', textContent: text });
}

function loginLink(field) {
  return Object.assign(document.createElement('a'), {
    href: '/login',
    target: '_blank',
    textContent: field.dataset.login,
  });
}

/** Fills a part of the page that takes its time; its link stays where it cannot be had. */
async function load(part) {
  part.setAttribute('aria-busy', 'true');
  try {
    const answer = await fetch(part.dataset.load, { headers: { 'x-part': '1' } });
    if (answer.headers.get('x-part') !== null) part.innerHTML = await answer.text();
  } finally {
    part.removeAttribute('aria-busy');
  }
}

/** Buttons with `data-part` get their answer into the part of the page of that name, instead of another page. */
function showParts(form) {
  for (const button of form.querySelectorAll('[data-enter]')) {
    form.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || !button.dataset.enter.split(' ').includes(event.target.name)) return;
      event.preventDefault();
      form.requestSubmit(button);
    });
  }
  form.addEventListener('submit', async (event) => {
    const button = event.submitter;
    const part = button?.dataset.part && document.getElementById(button.dataset.part);
    if (!part) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    button.disabled = true;
    part.setAttribute('aria-busy', 'true');
    try {
      const answer = await fetch(button.formAction, {
        method: 'POST',
        headers: { 'x-part': '1' },
        body: new URLSearchParams(new FormData(form)),
      });
      // Anything but a part is a page that says why there is none: it comes as one.
      if (answer.headers.get('x-part') === null) {
        delete button.dataset.part;
        button.disabled = false;
        form.requestSubmit(button);
        return;
      }
      part.innerHTML = await answer.text();
      part.hidden = false;
      part.scrollIntoView({ block: 'nearest' });
    } finally {
      part.removeAttribute('aria-busy');
      button.disabled = false;
    }
  });
}

/** Both texts of a conflict beside each other, one below the other where there is no room. Only one's own is written in. */
function merge(place) {
  const theirs = place.querySelector('[data-theirs]');
  const mine = place.querySelector('[name="text"]');
  const { phrases, theirsLabel, mineLabel } = place.dataset;
  const words = JSON.parse(phrases);
  const own = [...writing(phrases, mineLabel), kept(mine)];
  const parent = document.createElement('div');
  parent.className = 'merged';
  const original = theirs.value;
  if (matchMedia('(max-width: 900px)').matches) {
    const both = unifiedMergeView({
      original,
      mergeControls: (kind, act) => chunkButton(words, kind, act),
      collapseUnchanged: { margin: 3, minSize: 6 },
    });
    new EditorView({ doc: mine.value, extensions: [...own, both], parent });
  } else {
    new MergeView({
      a: {
        doc: original,
        extensions: [...reading, EditorState.phrases.of(words), named(theirsLabel)],
      },
      b: { doc: mine.value, extensions: own },
      parent,
      revertControls: 'a-to-b',
      renderRevertControl: () => revertButton(words['Revert this chunk']),
      collapseUnchanged: { margin: 3, minSize: 6 },
    });
  }
  for (const box of place.querySelectorAll('[data-textarea]')) box.hidden = true;
  const names = document.createElement('p');
  names.className = 'sides';
  names.append(
    ...[theirsLabel, mineLabel].map((name) => Object.assign(document.createElement('strong'), { textContent: name })),
  );
  parent.prepend(names);
  place.prepend(parent);
}

/** The package's own would send the form that they stand in, and can be reached by a pointer only. */
function chunkButton(words, kind, act) {
  const button = document.createElement('button');
  button.type = 'button';
  button.name = kind;
  button.textContent = words[kind === 'accept' ? 'Accept' : 'Reject'];
  button.addEventListener('mousedown', act);
  button.addEventListener('click', (event) => event.detail === 0 && act(event));
  return button;
}

function revertButton(label) {
  const attributes = { type: 'button', title: label, ariaLabel: label, textContent: '→' };
  return Object.assign(document.createElement('button'), attributes);
}

/** Completes keys and fixed values by the document's JSON schema. */
function completions(address) {
  let schema = null;
  return async ({ state, pos, explicit }) => {
    schema ??= fetch(address).then((answer) => (answer.ok ? answer.json() : {}));
    const root = await schema;
    const { path, from, wants } = placeAt(state.sliceDoc(0, pos));
    if (from === pos && !explicit) return null;
    const at = path.reduce((schemas, key) => schemas.flatMap((one) => step(one, key, root)), variants(root, root));
    const options = [
      ...(wants === 'value' ? [] : at.flatMap(keysIn)),
      ...(wants === 'key' ? [] : at.flatMap(valuesIn)),
    ];
    const once = new Map(options.map((option) => [option.label, option]));
    return once.size === 0 ? null : { from, options: [...once.values()], validFor: /^[\w -]*$/ };
  };
}

/** A schema without references and choices: each of what it may be. */
function variants(schema, root) {
  if (schema?.$ref) {
    const found =
      schema.$ref === '#'
        ? root
        : schema.$ref
            .replace('#/', '')
            .split('/')
            .reduce((at, key) => at?.[key], root);
    return variants(found, root);
  }
  const choices = schema?.anyOf ?? schema?.oneOf;
  return choices ? choices.flatMap((one) => variants(one, root)) : schema ? [schema] : [];
}

function step(schema, key, root) {
  if (key === '[]') return variants(schema.items, root);
  const named = schema.properties?.[key];
  const any = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
  return variants(named ?? any, root);
}

const keysIn = ({ properties = {} }) =>
  Object.entries(properties).map(([label, { description }]) => ({
    label,
    type: 'property',
    apply: `${label}: `,
    ...(description ? { info: description } : {}),
  }));

const valuesIn = ({ enum: several, const: only, examples = [], description }) =>
  [...(several ?? (only === undefined ? [] : [only])), ...examples].map((value) => ({
    label: String(value),
    type: 'constant',
    ...(description ? { info: description } : {}),
  }));

/**
 * Where in a document its end is: the keys above it (`[]` for an item), what is wanted there and from where it is typed.
 * Enough of YAML for policies: blocks by their indentation, flow collections, quotes and comments.
 */
function placeAt(text) {
  const stack = [];
  const flow = [];
  let indent = 0;
  let from = 0;
  let atStart = true;
  let key = null;
  let item = false;
  const path = () => [
    ...stack.map((one) => one.key),
    ...flow.map((one) => (one.is === '[' ? '[]' : one.key)).filter((one) => one !== null),
  ];
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    const next = text[at + 1];
    if (sign === '\n' && flow.length === 0) {
      indent = 0;
      atStart = true;
      item = false;
      key = null;
      from = at + 1;
    } else if (sign === ' ' || sign === '\n') {
      if (atStart) indent += 1;
      if (from === at) from = at + 1;
    } else if (sign === '#' && /^\s?$/.test(text[at - 1] ?? '')) {
      const end = text.indexOf('\n', at);
      if (end < 0) return { path: [], from: text.length, wants: 'nothing' };
      at = end - 1;
    } else if (from === at && (sign === '"' || sign === "'")) {
      const end = text.indexOf(sign, at + 1);
      if (end < 0) return { path: path(), from, wants: 'value' };
      at = end;
      if (atStart) popTo(stack, indent);
      atStart = false;
    } else if (atStart && sign === '-' && (next === ' ' || next === undefined)) {
      popTo(stack, indent + 1);
      if (stack.at(-1)?.indent === indent && stack.at(-1).key === '[]') stack.pop();
      stack.push({ indent, key: '[]' });
      indent += 1;
      item = true;
      from = at + 1;
    } else {
      if (atStart) popTo(stack, indent);
      atStart = false;
      const top = flow.at(-1);
      if ((sign === '{' || sign === '[') && from === at) {
        flow.push({ is: sign, key: null });
        from = at + 1;
      } else if (top && (sign === '}' || sign === ']')) {
        flow.pop();
        from = at + 1;
      } else if (top && sign === ',') {
        top.key = null;
        from = at + 1;
      } else if (sign === ':' && (next === ' ' || next === '\n' || next === undefined)) {
        const name = text
          .slice(from, at)
          .trim()
          .replace(/^(["'])(.*)\1$/, '$2');
        if (top?.is === '{') top.key = name;
        else if (!top && key === null) {
          key = name;
          stack.push({ indent, key });
        }
        from = at + 1;
      }
    }
  }
  if (atStart) popTo(stack, indent);
  const top = flow.at(-1);
  const inValue = top ? top.key !== null : key !== null;
  return { path: path(), from, wants: inValue ? 'value' : item || top?.is === '[' ? 'both' : 'key' };
}

/** Leaves what stands less deep. */
function popTo(stack, indent) {
  while (stack.length > 0 && stack.at(-1).indent >= indent) stack.pop();
}

for (const place of document.querySelectorAll('[data-policy="view"]')) {
  const extensions = [...reading, named(place.dataset.label)];
  const view = new EditorView({ doc: place.textContent, extensions });
  place.replaceWith(view.dom);
}

const textarea = document.querySelector('[data-policy="edit"]');
if (textarea) edit(textarea);
for (const part of document.querySelectorAll('[data-load]')) load(part);
const conflict = document.querySelector('[data-policy="merge"]');
if (conflict) merge(conflict);

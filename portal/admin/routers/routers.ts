import type { FastifyReply } from 'fastify';
import { NAS_VENDORS } from '#domain/policy';
import { addNas, addNasSchema } from '#operations/add-nas';
import { deleteNas, editNas, editNasSchema, setApiFingerprint } from '#operations/edit-nas';
import { faultsOf } from '#operations/input';
import { checkRoutes } from '#portal/admin/routers/check';
import { scriptRoutes } from '#portal/admin/routers/script';
import { tabs } from '#portal/admin/settings/frame';
import type { Context } from '#portal/shared/context';
import type { Doors } from '#portal/shared/doors';
import { attempt, type Form, field, formOf, wholeNumber } from '#portal/shared/forms';
import { Kept } from '#portal/shared/kept';
import type { RouterState } from '#portal/shared/parts';
import {
  API_TLS_MODES,
  findNas,
  type ListedNas,
  listNases,
  MESSAGE_AUTHENTICATOR_MODES,
  type NasSessions,
  sessionsOfNases,
} from '#storage/nas';

const PATH = '/settings/routers';

/** The MikroTik routers that may ask us, and whose address-lists we keep for static lines. */
export function routersPage(doors: Doors): void {
  const kept = new Kept(doors.clock, sessionsOfNases, (all) => all.reduce((sum, one) => sum + one.liveSessions, 0));
  doors.staff('GET', PATH, 'see', (context) => list(context, kept));
  doors.staff('GET', `${PATH}/new`, 'network', (context) => form(context, null, NEW));
  doors.staff('POST', `${PATH}/new`, 'network', add);
  doors.staff('GET', `${PATH}/:id`, 'see', async (context) => {
    const nas = await nasOf(context);
    return nas === null ? noSuchRouter(context) : show(context, nas);
  });
  doors.staff('GET', `${PATH}/:id/edit`, 'network', async (context) => {
    const nas = await nasOf(context);
    return nas === null ? noSuchRouter(context) : form(context, nas, typedOf(nas));
  });
  doors.staff('POST', `${PATH}/:id/edit`, 'network', edit);
  doors.staff('POST', `${PATH}/:id/test`, 'network', async (context) => {
    const nas = await nasOf(context);
    if (nas === null) return noSuchRouter(context);
    return show(context, nas, { test: await context.opened.live.routers.test(nas.id) });
  });
  doors.staff('POST', `${PATH}/:id/forget-certificate`, 'network', async (context) => {
    const nas = await nasOf(context);
    if (nas === null) return noSuchRouter(context);
    await setApiFingerprint(context.desk, nas.id, null);
    return context.redirect(`${PATH}/${nas.id}`, { kind: 'good', text: context.t('routers.forgotten') });
  });
  doors.staff('POST', `${PATH}/:id/delete`, 'network', async (context) => {
    const nas = await nasOf(context);
    if (nas === null) return noSuchRouter(context);
    const deleted = await attempt(() => deleteNas(context.desk, nas.id));
    if (deleted.faults !== undefined)
      return context.redirect(`${PATH}/${nas.id}`, { kind: 'bad', text: context.t('routers.in-use') });
    return context.redirect(PATH, { kind: 'good', text: context.t('routers.deleted', { name: nas.name }) });
  });
  scriptRoutes(doors, PATH, nasOf, noSuchRouter);
  checkRoutes(doors, PATH, nasOf, noSuchRouter);
}

export async function nasOf(context: Context): Promise<ListedNas | null> {
  const id = wholeNumber((context.request.params as { id: string }).id);
  return id === null || id > 2 ** 31 - 1 ? null : findNas(context.db, { id });
}

export async function noSuchRouter(context: Context): Promise<FastifyReply> {
  const title = context.t('routers.none-such');
  return context.page(
    'shared/message',
    { title, text: context.t('routers.none-such-text') },
    { title, active: 'routers', status: 404 },
  );
}

async function list(context: Context, kept: Kept<NasSessions[]>): Promise<FastifyReply> {
  const states = new Map(context.opened.live.routers.states().map((state) => [state.nasId, state]));
  const rows = (await listNases(context.db, await kept.look(context.db))).map((nas) => ({
    ...nas,
    api: apiOf(context, nas, states.get(nas.id)),
  }));
  const title = context.t('routers.title');
  const model = { title, tabs: tabs(context, 'routers'), rows, mayEdit: context.allowed('network') };
  return context.page('admin/routers/routers', model, { title, active: 'routers' });
}

const API_TONES: Readonly<Record<RouterState['state'], string>> = {
  connected: 'good',
  connecting: 'warn',
  silent: 'bad',
  failing: 'bad',
  unconfigured: 'off',
};

/** How the RouterOS API of a router is doing. One that no static line needs may well be without. */
function apiOf(context: Context, nas: ListedNas, state: RouterState | undefined) {
  const is = nas.apiUser === null ? 'unconfigured' : (state?.state ?? 'connecting');
  return {
    is,
    tone: is === 'unconfigured' && nas.staticLines > 0 ? 'bad' : API_TONES[is],
    text: context.t(is === 'unconfigured' && nas.staticLines > 0 ? 'routers.api-needed' : `routers.api-${is}`),
    error: state?.error ?? nas.apiError,
    seenAt: state?.lastSeenAt ?? nas.apiSeenAt,
    wanted: state?.wanted ?? 0,
    differing: state?.differing ?? 0,
  };
}

type Shown = {
  readonly test?: { readonly ok: boolean; readonly says: string; readonly fingerprint?: string | null };
  /** A secret that was just made: this answer is the one place where it can be read. */
  readonly secret?: string;
};

async function show(context: Context, nas: ListedNas, more: Shown = {}): Promise<FastifyReply> {
  const state = context.opened.live.routers.states().find((one) => one.nasId === nas.id);
  const radius = context.opened.live.radius();
  return context.page(
    'admin/routers/router',
    {
      title: nas.name,
      nas: { ...nas, tagsText: nas.tags.join(' ') },
      api: apiOf(context, nas, state),
      signs: context.t(`routers.signs-${nas.messageAuthenticator}`),
      vendor: context.t(`routers.vendor-${nas.vendor}`),
      tls: context.t(`routers.tls-${nas.apiTls}`),
      fingerprint: nas.apiFingerprint?.match(/../g)?.join(':'),
      radius,
      ...more,
      mayEdit: context.allowed('network'),
      acts: context.allowed('network') && (nas.apiUser !== null || nas.apiFingerprint !== null),
    },
    { title: nas.name, active: 'routers' },
  );
}

const FIELDS = [
  'name',
  'address',
  'secret',
  'coaPort',
  'coaPerSecond',
  'messageAuthenticator',
  'swapOctets',
  'vendor',
  'proxy',
  'coaVia',
  'tags',
  'recognisesLines',
  'apiHost',
  'apiPort',
  'apiTls',
  'apiUser',
  'apiPassword',
] as const;
type Typed = Readonly<Record<(typeof FIELDS)[number], string>>;
/** Those that few routers need; they are folded away. */
const FOLDED = [
  'coaPort',
  'coaPerSecond',
  'messageAuthenticator',
  'vendor',
  'proxy',
  'coaVia',
  'tags',
  'swapOctets',
] as const;

const NEW: Typed = {
  name: '',
  address: '',
  secret: '',
  coaPort: '3799',
  coaPerSecond: '50',
  messageAuthenticator: 'auto',
  swapOctets: '',
  vendor: 'mikrotik',
  proxy: '',
  coaVia: '',
  tags: '',
  recognisesLines: 'true',
  apiHost: '',
  apiPort: '8729',
  apiTls: 'pinned',
  apiUser: '',
  apiPassword: '',
};

const typedIn = (sent: Form): Typed =>
  Object.fromEntries(FIELDS.map((name) => [name, field(sent, name)])) as unknown as Typed;

const typedOf = (nas: ListedNas): Typed => ({
  ...NEW,
  name: nas.name,
  address: nas.address,
  coaPort: String(nas.coaPort),
  coaPerSecond: String(nas.coaPerSecond),
  messageAuthenticator: nas.messageAuthenticator,
  swapOctets: nas.swapOctets ? 'true' : '',
  vendor: nas.vendor,
  proxy: nas.proxy ? 'true' : '',
  coaVia: nas.coaVia ?? '',
  tags: nas.tags.join(' '),
  recognisesLines: nas.recognisesLines ? 'true' : '',
  apiHost: nas.apiHost ?? '',
  apiPort: String(nas.apiPort),
  apiTls: nas.apiTls,
  apiUser: nas.apiUser ?? '',
});

/** As the operations take it. */
const inputOf = (typed: Typed) => ({
  ...typed,
  vendor: typed.vendor === '' ? undefined : typed.vendor,
  tags: typed.tags.split(/[\s,]+/).filter((tag) => tag !== ''),
  swapOctets: typed.swapOctets === 'true',
  proxy: typed.proxy === 'true',
  coaVia: typed.coaVia === '' ? null : typed.coaVia,
  recognisesLines: typed.recognisesLines === 'true',
});

async function add(context: Context): Promise<FastifyReply> {
  const typed = typedIn(formOf(context.request.body));
  const { secret, coaPerSecond, recognisesLines, apiHost, apiPort, apiTls, apiUser, apiPassword, ...radius } =
    inputOf(typed);
  const first = { ...radius, secret: secret === '' ? 'generate' : secret };
  const then = { coaPerSecond, recognisesLines, apiHost, apiPort, apiTls, apiUser };
  const rest = apiPassword === '' ? then : { ...then, apiPassword };
  // Looked at as a whole before anything is written: a router is added with all that was entered, or not at all.
  const wrong = [...faultsOf(addNasSchema, first), ...faultsOf(editNasSchema, rest)];
  if (wrong.length > 0) return form(context, null, typed, wrong);
  const added = await attempt(() => addNas(context.desk, first));
  if (added.faults !== undefined) return form(context, null, typed, added.faults);
  const { id, generatedSecret } = added.done;
  await editNas(context.desk, { id, ...rest });
  const nas = (await findNas(context.db, { id }))!;
  return show(context, nas, generatedSecret === null ? {} : { secret: generatedSecret });
}

async function edit(context: Context): Promise<FastifyReply> {
  const nas = await nasOf(context);
  if (nas === null) return noSuchRouter(context);
  const sent = formOf(context.request.body);
  const typed = typedIn(sent);
  const input = inputOf(typed);
  const secret = field(sent, 'newSecret') === 'yes' ? 'generate' : input.secret;
  const apiPassword = field(sent, 'forgetPassword') === 'yes' ? null : input.apiPassword;
  const edited = await attempt(() => editNas(context.desk, { id: nas.id, ...input, secret, apiPassword }));
  if (edited.faults !== undefined) return form(context, nas, typed, edited.faults);
  const { generatedSecret, changed } = edited.done;
  if (generatedSecret !== null) {
    return show(context, (await findNas(context.db, { id: nas.id }))!, { secret: generatedSecret });
  }
  const text = context.t(changed.length === 0 ? 'settings.nothing-changed' : 'routers.saved', {
    name: edited.done.name,
  });
  return context.redirect(`${PATH}/${nas.id}`, { kind: 'good', text });
}

async function form(
  context: Context,
  nas: ListedNas | null,
  typed: Typed,
  faults?: readonly string[],
): Promise<FastifyReply> {
  const title = nas === null ? context.t('routers.add') : context.t('routers.edit-title', { name: nas.name });
  const choices = (names: readonly string[], chosen: string, key: string) =>
    names.map((name) => ({ name, chosen: name === chosen, text: context.t(`routers.${key}-${name}`) }));
  const found = faults === undefined ? undefined : byField(context, faults);
  const proxies = (await listNases(context.db, [])).filter(({ id, proxy }) => proxy && id !== nas?.id);
  return context.page(
    'admin/routers/form',
    {
      title,
      nas,
      typed,
      faults: found,
      moreOpen: FOLDED.some((name) => found?.[name] !== undefined),
      modes: choices(MESSAGE_AUTHENTICATOR_MODES, typed.messageAuthenticator, 'signs'),
      tlsModes: choices(API_TLS_MODES, typed.apiTls, 'tls'),
      vendors: choices(NAS_VENDORS, typed.vendor, 'vendor'),
      proxies: proxies.map(({ name }) => ({ name, chosen: name === typed.coaVia })),
    },
    { title, active: 'routers', status: faults === undefined ? 200 : 422 },
  );
}

/** Faults of operations by the field they begin with, in the reader's words. */
function byField(context: Context, faults: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const fault of faults) {
    const name = /^[A-Za-z]+/.exec(fault)?.[0] ?? '';
    const taken = fault.includes('belongs to another') ? '-taken' : '';
    const known = FIELDS.some((one) => one === name);
    found[known ? name : 'other'] = context.t(known ? `routers.fault-${name}${taken}` : 'routers.fault-other', {
      fault: context.said(fault),
    });
  }
  return found;
}

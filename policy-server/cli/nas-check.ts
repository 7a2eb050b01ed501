import type { Finding, FindingLevel } from '#domain/nas-evidence';
import { type CheckedNas, type CheckedRouter, checkNas } from '#operations/check-nas';
import type { Command } from '#policy-server/cli/command';
import { card, table } from '#policy-server/cli/table';
import { nasProbe } from '#policy-server/nas-probe';
import { loadNases } from '#storage/facts';

export const nasCheck: Command = {
  name: 'nas check',
  summary: 'Say what is wrong with a router, or with all, as far as RADIUS shows it',
  positionals: [{ name: 'NAME', help: 'the name of a NAS; all of them if not given', many: true }],
  options: {
    probe: { value: 'flag', help: 'ask the router now whether CoA reaches it; nothing is changed by that' },
  },
  notes: [
    'Lines that begin with / are for the terminal of the router; what stands in capitals is for you to fill in.',
    'Counts are those of the last hour, or of the last day where an hour holds too few.',
  ],
  check: (given) => (given.words.length > 1 ? ['one NAME at most can be given'] : []),
  run: async (office, given) => {
    const [name] = given.words;
    const host = office.config.radius.host;
    const probe = given.options.probe === true ? nasProbe(host, () => loadNases(office.db, office.sealer)) : null;
    const checked = await checkNas(office, name === undefined ? null : { name }, probe);
    const text = name === undefined ? overview(checked) : checked.map(detail).join('\n\n');
    return { text, json: checked };
  },
};

const WORDS: Readonly<Record<FindingLevel, string>> = { bad: 'BAD', warn: 'warning', ok: 'good', unknown: 'unknown' };

function overview(nases: readonly CheckedNas[]): string {
  const rows = nases.flatMap((nas) => nas.routers.map((router) => ({ nas, router })));
  return table(
    rows,
    [
      { title: 'NAME', cell: ({ nas }) => nas.name },
      { title: 'ROUTER', cell: ({ router }) => router.address },
      { title: 'IS', cell: ({ router }) => WORDS[router.level] },
      { title: 'FINDINGS', cell: ({ router }) => summary(router) },
    ],
    'There is no NAS yet. Add one: gerbang nas add --name tower-north --address 10.20.0.1 --secret generate',
  );
}

/** What is not good, by its code; how much is unknown. */
function summary({ findings }: CheckedRouter): string {
  const wrong = findings.filter(({ level }) => level === 'bad' || level === 'warn').map(({ code }) => code);
  const unknown = findings.filter(({ level }) => level === 'unknown').length;
  return [...wrong, ...(unknown > 0 ? [`${unknown} unknown`] : [])].join(', ');
}

function detail({ name, address, routers }: CheckedNas): string {
  return routers
    .map(({ address: at, identity, findings }) => {
      const title = [name, at === address ? at : `${at} of ${address}`, identity].filter((part) => part !== null);
      return [title.join('  '), card(findings.flatMap(linesOf))].join('\n');
    })
    .join('\n\n');
}

function linesOf({ code, level, says, fix }: Finding): (readonly [string, string])[] {
  const line = [`  ${code}`, `${WORDS[level].padEnd(8)} ${says}`] as const;
  return fix === null || level === 'ok' ? [line] : [line, ['', `         ${fix}`]];
}

import type { Config } from '#policy-server/config';
import type { NodeParts } from '#policy-server/node-parts';

export type BannerFacts = {
  readonly config: Config;
  readonly parts: NodeParts;
  /** Null unless the first admin was made now: shown this once. */
  readonly firstPassword: string | null;
  readonly seconds: number;
  readonly empty: { readonly nases: boolean; readonly plans: boolean };
};

/** What a person who has just started it wants to know, and nothing else. */
export function banner({ config, parts, firstPassword, seconds, empty }: BannerFacts): string {
  const { radius, http, database } = parts;
  const host = config.radius.host;
  return [
    '',
    `Gerbang is ready (${seconds.toFixed(1)} s).`,
    `  RADIUS    ${host}:${radius?.authPort} (authentication), ${host}:${radius?.acctPort} (accounting)`,
    ...(config.aaa === null ? [] : [`  FreeRADIUS asks at http://${config.aaa.host}:${radius?.restPort}`]),
    `  HTTP      http://${config.http.host}:${http?.port}/  (/readyz, /metrics)`,
    `  Database  ${database?.where}`,
    `  Secrets   ${config.masterKeyFile}  (keep a copy apart from the database's backups)`,
    ...(firstPassword === null
      ? []
      : ['', `First admin: user admin, one-time password ${firstPassword}  (shown this once)`]),
    ...(empty.nases || empty.plans ? nextSteps() : []),
    '',
  ].join('\n');
}

function nextSteps(): string[] {
  return [
    '',
    'Next, in another terminal:',
    '  npm run -s gerbang -- nas add --name tower-north --address 10.20.0.1 --secret generate',
    '  npm run -s gerbang -- plan add --name prepaid-20mbps --down 20M --up 20M --quota 20GB --period 30d --price 75000',
    '  npm run -s gerbang -- subscriber add --username budi --password rahasia-77',
    '  npm run -s gerbang -- grant add --username budi --plan prepaid-20mbps',
    'Setting up the router: docs/PREPAID_MIKROTIK_SETUP.md',
  ];
}

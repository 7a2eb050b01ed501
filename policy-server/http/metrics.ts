/** One family of samples in the Prometheus text format (version 0.0.4). */
export type Family = {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: readonly Sample[];
};

export type Sample = {
  /** Put behind the name of the family: `_bucket`, `_sum`, `_count`. */
  readonly suffix?: string;
  readonly labels?: Readonly<Record<string, string | number>>;
  readonly value: number;
};

export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Writes families down; one without samples is left out, for a value that is not known is not 0. */
export function printMetrics(families: readonly Family[]): string {
  return families
    .filter((family) => family.samples.length > 0)
    .map(({ name, help, type, samples }) =>
      [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples.map((sample) => printSample(name, sample))]
        .join('\n')
        .concat('\n'),
    )
    .join('');
}

/** A family of one number. */
export function single(name: string, help: string, type: 'counter' | 'gauge', value: number | null): Family {
  return { name, help, type, samples: value === null ? [] : [{ value }] };
}

/** A family with one label, from a record of its values. */
export function byLabel(
  name: string,
  help: string,
  label: string,
  values: Readonly<Record<string, number>>,
  type: 'counter' | 'gauge' = 'counter',
): Family {
  return {
    name,
    help,
    type,
    samples: Object.entries(values).map(([of, value]) => ({ labels: { [label]: of }, value })),
  };
}

/** A histogram family of one set of labels; `counts[i]` are the observations ≤ `bounds[i]`, not yet accumulated. */
export function histogramSamples(
  bounds: readonly number[],
  counts: readonly number[],
  sum: number,
  labels: Readonly<Record<string, string>> = {},
): Sample[] {
  let total = 0;
  const buckets = [...bounds, Number.POSITIVE_INFINITY].map((bound, at) => {
    total += counts[at] ?? 0;
    return { suffix: '_bucket', labels: { ...labels, le: printValue(bound) }, value: total };
  });
  return [...buckets, { suffix: '_sum', labels, value: sum }, { suffix: '_count', labels, value: total }];
}

function printSample(name: string, { suffix = '', labels = {}, value }: Sample): string {
  const pairs = Object.entries(labels).map(([label, of]) => `${label}="${escapeLabel(String(of))}"`);
  return `${name}${suffix}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${printValue(value)}`;
}

function printValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}

const escapeLabel = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

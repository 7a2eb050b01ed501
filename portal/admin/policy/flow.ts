import Handlebars from 'handlebars';

/** So many go from one state to another; the states are named in words. */
export type Band = { readonly from: string; readonly to: string; readonly count: number };

const WIDTH = 640;
/** Where the bands begin and end: left and right of it stand the words. */
const LEFT = 212;
const RIGHT = WIDTH - LEFT;
const BAR = 6;
const BANDS_HIGH = 200;
const GAP = 24;
/** What is less is drawn so thick all the same, and a state has room for its words. */
const THINNEST = 2;
const MOST_BANDS = 12;

/** States of one side: where each begins, and how much of it is taken by bands already. */
type Side = Map<string, { top: number; height: number; taken: number; readonly count: number }>;

/** Who goes from which state to which, as bands as thick as many: SVG, or nothing where nobody goes. */
export function flow(all: readonly Band[], print: (count: number) => string): string {
  const bands = [...merged(all)].sort((one, other) => other.count - one.count).slice(0, MOST_BANDS);
  const total = bands.reduce((sum, { count }) => sum + count, 0);
  if (total === 0) return '';
  const thick = (count: number) => Math.max(THINNEST, (count / total) * BANDS_HIGH);
  const [from, to] = [side(bands, 'from', thick), side(bands, 'to', thick)];
  const height = Math.ceil(Math.max(...[...from.values(), ...to.values()].map(({ top, height }) => top + height))) + 24;
  const drawn = bands.map((band) => {
    const size = thick(band.count);
    const [left, right] = [from.get(band.from)!, to.get(band.to)!];
    const path = ribbon(left.top + left.taken, right.top + right.taken, size);
    left.taken += size;
    right.taken += size;
    return `<path class="band" d="${path}"><title>${escaped(`${band.from} → ${band.to}: ${print(band.count)}`)}</title></path>`;
  });
  const states = [
    ...statesOf(from, LEFT - BAR, LEFT - 14, 'end', print),
    ...statesOf(to, RIGHT, RIGHT + 14, 'start', print),
  ];
  return `<svg class="flow" viewBox="0 0 ${WIDTH} ${height}" aria-hidden="true">${drawn.join('')}${states.join('')}</svg>`;
}

const escaped = (text: string): string => Handlebars.escapeExpression(text);

function merged(bands: readonly Band[]): Iterable<Band> {
  const sums = new Map<string, Band>();
  for (const band of bands) {
    const key = JSON.stringify([band.from, band.to]);
    sums.set(key, { ...band, count: band.count + (sums.get(key)?.count ?? 0) });
  }
  return sums.values();
}

function side(bands: readonly Band[], end: 'from' | 'to', thick: (count: number) => number): Side {
  const states: Side = new Map();
  let top = 12;
  for (const name of new Set(bands.map((band) => band[end]))) {
    const own = bands.filter((band) => band[end] === name);
    const height = own.reduce((sum, { count }) => sum + thick(count), 0);
    states.set(name, { top, height, taken: 0, count: own.reduce((sum, { count }) => sum + count, 0) });
    top += Math.max(height, 12) + GAP;
  }
  return states;
}

/** A band that leaves level, and comes in level. */
function ribbon(y: number, to: number, size: number): string {
  const middle = (LEFT + RIGHT) / 2;
  const [a, b, c, d] = [y, to, to + size, y + size].map((value) => value.toFixed(1));
  return `M${LEFT} ${a}C${middle} ${a} ${middle} ${b} ${RIGHT} ${b}V${c}C${middle} ${c} ${middle} ${d} ${LEFT} ${d}Z`;
}

function statesOf(states: Side, x: number, words: number, anchor: string, print: (count: number) => string): string[] {
  return [...states].map(([name, { top, height, count }]) => {
    const y = top + height / 2;
    const bar = `<rect x="${x}" y="${top.toFixed(1)}" width="${BAR}" height="${height.toFixed(1)}"/>`;
    const text = (shift: number, kind: string, said: string) =>
      `<text class="${kind}" x="${words}" y="${(y + shift).toFixed(1)}" text-anchor="${anchor}">${escaped(said)}</text>`;
    return bar + text(-3, 'name', name) + text(13, 'count', print(count));
  });
}

/** Pictures made on the server as SVG: no script, a few hundred octets each, colours from the stylesheet by class. */

/** One bar: its value and what is said of it on hover. `label` and `title` must be escaped already when they hold text of people. */
export type Bar = { readonly value: number; readonly title: string };

const rounded = (value: number): string => String(Math.round(value * 10) / 10);

/** A ring that is filled by a share (0–1), with words in its middle. */
export function ring(share: number, label: string): string {
  const around = 2 * Math.PI * 42;
  const filled = Math.min(1, Math.max(0, share)) * around;
  return (
    `<svg class="ring" viewBox="0 0 100 100" role="img" aria-label="${label}"><circle class="ring-rest" cx="50" cy="50" r="42"/>` +
    `<circle class="ring-fill" cx="50" cy="50" r="42" stroke-dasharray="${rounded(filled)} ${rounded(around)}" transform="rotate(-90 50 50)"/>` +
    `<text x="50" y="50" dy=".35em" text-anchor="middle">${label}</text></svg>`
  );
}

/** Bars side by side, the highest as high as the picture. */
export function barChart(bars: readonly Bar[], label: string): string {
  const highest = Math.max(1, ...bars.map((bar) => bar.value));
  const width = 300 / Math.max(1, bars.length);
  const drawn = bars.map((bar, index) => {
    const height = (bar.value / highest) * 96;
    const shown = bar.value > 0 ? Math.max(1.5, height) : 0.5;
    return `<rect x="${rounded(index * width)}" y="${rounded(100 - shown)}" width="${rounded(width * 0.75)}" height="${rounded(shown)}"${bar.title === '' ? '/>' : `><title>${bar.title}</title></rect>`}`;
  });
  return `<svg class="bars" viewBox="0 0 300 100" preserveAspectRatio="none" role="img" aria-label="${label}">${drawn.join('')}</svg>`;
}

/** A small line without axes. */
export function sparkline(values: readonly number[], label: string): string {
  if (values.length < 2) return '';
  const lowest = Math.min(...values);
  const span = Math.max(1, Math.max(...values) - lowest);
  const points = values.map(
    (value, index) => `${rounded((index / (values.length - 1)) * 100)},${rounded(26 - ((value - lowest) / span) * 24)}`,
  );
  return `<svg class="spark" viewBox="0 0 100 28" preserveAspectRatio="none" role="img" aria-label="${label}"><polyline points="${points.join(' ')}"/></svg>`;
}

// Improvements only: every page works without this file.
'use strict';
const menu = document.querySelector('details.menu');
if (menu && matchMedia('(max-width: 900px)').matches) menu.open = false;
for (const form of document.querySelectorAll('form[data-confirm]')) {
  form.addEventListener('submit', (event) => {
    if (!confirm(form.dataset.confirm)) event.preventDefault();
  });
}
for (const all of document.querySelectorAll('input[data-all]')) {
  all.addEventListener('change', () => {
    for (const one of document.querySelectorAll(`input[name="${all.dataset.all}"]`)) one.checked = all.checked;
  });
}
for (const button of document.querySelectorAll('[data-print]')) button.addEventListener('click', () => print());
const keyOf = (part) => part.querySelector('[data-key]')?.dataset.key;
let typed = false;
document.addEventListener('input', () => {
  typed = true;
});
for (const part of document.querySelectorAll('[data-refresh]')) {
  const key = keyOf(part);
  let shown = null;
  const again = async () => {
    try {
      const answer = await fetch(part.dataset.refresh, { headers: { accept: 'text/html' } });
      const text = answer.ok ? await answer.text() : shown;
      if (text !== shown) part.innerHTML = shown = text;
      // What stands around the part depends on its key; nothing that was typed is lost.
      if (part.dataset.page && keyOf(part) !== key && !typed) {
        location.replace(part.dataset.page);
        return;
      }
    } catch {
      /* tried again */
    }
    if (!part.querySelector('[data-done]')) setTimeout(again, Number(part.dataset.seconds) * 1000);
  };
  setTimeout(again, Number(part.dataset.seconds) * 1000);
}
for (const form of document.querySelectorAll('form[data-submit]')) {
  form.classList.add('scripted');
  form.addEventListener('change', () => form.requestSubmit());
}
if (matchMedia('(max-width: 640px)').matches)
  for (const part of document.querySelectorAll('[data-narrow-closed]')) part.open = false;
// A menu closes when something else is pressed, or with Escape.
const menus = () => document.querySelectorAll('details.more[open], details.me[open]');
document.addEventListener('click', (event) => {
  for (const open of menus()) if (!open.contains(event.target)) open.open = false;
});
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  for (const open of menus()) {
    open.open = false;
    open.querySelector('summary').focus();
  }
});
// <div class="chart" data-chart='{"x":[seconds…],"series":[{"label":"…","values":[…]}],"unit":"number|percent|rupiah","bars":false,"zone":"Asia/Jakarta"}'>: drawn by uPlot where it was loaded.
const language = document.documentElement.lang;
const short = new Intl.NumberFormat(language, { notation: 'compact', maximumFractionDigits: 1 });
const exact = new Intl.NumberFormat(language);
const UNITS = {
  number: { tick: (n) => short.format(n), value: (n) => exact.format(n) },
  percent: { tick: (n) => `${exact.format(n)}%`, value: (n) => `${exact.format(n)}%` },
  rupiah: { tick: (n) => short.format(n), value: (n) => `Rp ${new Intl.NumberFormat('id').format(n)}` },
};
const colourOf = (name, place) => {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  place.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
};
const drawChart = (place) => {
  const { x, series, unit, bars, zone, time } = JSON.parse(place.dataset.chart);
  const print = UNITS[unit ?? 'number'];
  const colours = ['--accent', '--warn', '--second', '--bad'].map((name) => colourOf(name, place));
  const axis = {
    stroke: colourOf('--quiet', place),
    grid: { stroke: colourOf('--line', place), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  };
  const day = new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short', timeZone: zone });
  const hour = new Intl.DateTimeFormat(language, {
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZone: zone,
  });
  const when = (seconds) =>
    bars ? day.format(seconds * 1000) : `${day.format(seconds * 1000)} ${hour.format(seconds * 1000)}`;
  place.replaceChildren();
  // A bar stands in the middle of its span; the first and last need half a span beside them.
  const half = x.length > 1 ? (x[1] - x[0]) / 2 : 43200;
  // Nothing is pointed at: the legend shows the newest values.
  const newest = (chart) => {
    if (!(chart.cursor.left >= 0)) chart.setLegend({ idx: x.length - 1 }, false);
  };
  return new uPlot(
    {
      hooks: { ready: [newest], setLegend: [newest] },
      width: place.clientWidth,
      height: 220,
      padding: [12, 8, 0, 0],
      cursor: { y: false, drag: { x: false, y: false } },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
      scales: {
        x: bars ? { range: (_, from, to) => [from - half, to + half] } : {},
        y: { range: (_, _low, high) => [0, unit === 'percent' ? 100 : Math.max(1, high * 1.1)] },
      },
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 32,
          space: 64,
          values: (_, ticks, __, ___, step) =>
            ticks.map((tick) => (bars || step >= 86400 ? day : hour).format(tick * 1000)),
          // Bars are named where they stand, as many as there is room for, the newest surely.
          ...(bars
            ? {
                splits: (chart) => {
                  const every = Math.ceil(x.length / Math.max(1, chart.width / 72));
                  return x.filter((_, at) => (x.length - 1 - at) % every === 0);
                },
              }
            : {}),
        },
        { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => print.tick(tick)) },
      ],
      series: [
        { label: time, value: (_, at) => (at == null ? '' : when(at)) },
        ...series.map((one, index) => ({
          label: one.label,
          stroke: colours[index],
          width: 2,
          points: { show: false },
          value: (_, value) => (value == null ? '' : print.value(value)),
          ...(bars
            ? { fill: colours[index], width: 0, paths: uPlot.paths.bars({ size: [0.7, 40], radius: 0.15 }) }
            : index === 0
              ? { fill: colours[0].replace('rgb(', 'rgba(').replace(')', ', .1)') }
              : {}),
        })),
      ],
    },
    [x, ...series.map((one) => one.values)],
    place,
  );
};
if (typeof uPlot !== 'undefined') {
  for (const place of document.querySelectorAll('[data-chart]')) {
    let chart = drawChart(place);
    new ResizeObserver(() => chart.setSize({ width: place.clientWidth, height: 220 })).observe(place);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      chart.destroy();
      chart = drawChart(place);
    });
  }
}

// Improvements only: every page works without this file.
'use strict';
const menu = document.querySelector('details.menu');
if (menu && matchMedia('(max-width: 900px)').matches) menu.open = false;
for (const form of document.querySelectorAll('form[data-confirm]')) {
  form.addEventListener('submit', (event) => { if (!confirm(form.dataset.confirm)) event.preventDefault(); });
}
for (const all of document.querySelectorAll('input[data-all]')) {
  all.addEventListener('change', () => {
    for (const one of document.querySelectorAll(`input[name="${all.dataset.all}"]`)) one.checked = all.checked;
  });
}
for (const button of document.querySelectorAll('[data-print]')) button.addEventListener('click', () => print());
for (const part of document.querySelectorAll('[data-refresh]')) {
  const again = async () => {
    try {
      const answer = await fetch(part.dataset.refresh, { headers: { accept: 'text/html' } });
      if (answer.ok) part.innerHTML = await answer.text();
    } catch { /* tried again */ }
    if (!part.querySelector('[data-done]')) setTimeout(again, Number(part.dataset.seconds) * 1000);
  };
  setTimeout(again, Number(part.dataset.seconds) * 1000);
}
// <div class="chart" data-chart='{"x":[seconds…],"series":[{"label":"…","values":[…]}]}'>: drawn by uPlot where it was loaded.
for (const place of document.querySelectorAll('[data-chart]')) {
  if (typeof uPlot === 'undefined') break;
  const { x, series } = JSON.parse(place.dataset.chart);
  const style = getComputedStyle(document.documentElement);
  const colours = ['--accent', '--warn', '--good', '--bad', '--quiet'].map((name) => {
    const probe = document.createElement('span');
    probe.style.color = `var(${name})`;
    place.append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
  });
  const axis = { stroke: getComputedStyle(place).color, grid: { stroke: style.getPropertyValue('--line') || '#8884', width: 1 } };
  const draw = new uPlot({
    width: place.clientWidth, height: 220, legend: { live: true },
    axes: [{ ...axis }, { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => tick.toLocaleString(document.documentElement.lang)) }],
    series: [{}, ...series.map((one, index) => ({ label: one.label, stroke: colours[index % colours.length], width: 2, fill: index === 0 ? `color-mix(in srgb, ${colours[0]} 12%, transparent)` : undefined }))],
  }, [x, ...series.map((one) => one.values)], place);
  new ResizeObserver(() => draw.setSize({ width: place.clientWidth, height: 220 })).observe(place);
}

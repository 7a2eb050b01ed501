// Improvements only: every page works without this file.
'use strict';
const buttons = (form, off) => {
  for (const button of form.querySelectorAll('button')) button.disabled = off;
};
// A second tap on a slow line must not send twice.
addEventListener('submit', (event) => setTimeout(buttons, 0, event.target, true));
// A page that comes back from the browser's memory can be sent again.
addEventListener('pageshow', (event) => {
  if (event.persisted) for (const form of document.forms) buttons(form, false);
});
// <div data-refresh="/path" data-seconds="3">: asked with the data-version of what stands in it; a newer one (200) takes
// its place, until that says data-done.
for (const part of document.querySelectorAll('[data-refresh]')) {
  const { refresh, seconds } = part.dataset;
  const wait = () => {
    if (!part.querySelector('[data-done]')) setTimeout(again, seconds * 1000);
  };
  const again = async () => {
    try {
      if (!document.hidden) {
        const answer = await fetch(`${refresh}?version=${part.querySelector('[data-version]').dataset.version}`);
        // Logged out meanwhile: what came is another page.
        if (answer.redirected) return location.reload();
        if (answer.status === 200) part.innerHTML = await answer.text();
      }
    } catch {
      /* the line may be redialling just now */
    }
    wait();
  };
  wait();
}
// <form data-pay="/api/…">: asks for the link behind the page and opens it in a tab of its own.
let paying = false;
addEventListener('submit', async (event) => {
  const form = event.target;
  const { pay, now, busy, offline, again } = form.dataset;
  if (!pay) return;
  event.preventDefault();
  // In the tap itself: a tab that opens later is taken for an unasked one. It must not reach back to us.
  const tab = open('', '_blank');
  if (tab) tab.opener = null;
  const [label, says, choice] = ['button span', '[role=alert]', 'select'].map((one) => form.querySelector(one));
  const before = label.textContent;
  label.textContent = busy;
  says.textContent = '';
  try {
    const answer = await fetch(pay + (choice ? `&gateway=${choice.value}` : ''));
    if (answer.status === 401) {
      tab?.close();
      return location.reload();
    }
    const { paymentLink, error } = await answer.json();
    if (!paymentLink) throw { error };
    if (tab) tab.location = paymentLink;
    // It took the place of a link that stands in the page.
    if (again !== undefined) return location.reload();
    const link = document.createElement('a');
    Object.assign(link, { className: 'button', href: paymentLink, target: '_blank', rel: 'noopener noreferrer' });
    link.textContent = now;
    form.replaceWith(link);
    link.focus();
    paying = true;
  } catch ({ error }) {
    tab?.close();
    label.textContent = before;
    says.textContent = error ?? offline;
    buttons(form, false);
  }
});
// Who comes back from paying sees what has become of it.
addEventListener('click', (event) => {
  if (event.target.closest('[data-paying]')) paying = true;
});
addEventListener('visibilitychange', () => {
  if (paying && !document.hidden && !document.querySelector('[data-refresh]')) location.reload();
});
// <b data-left="MILLISECONDS">: counts down, by this device's clock from now on, for its time of the day may be wrong.
const began = Date.now();
const units = [86400, 'day', 3600, 'hour', 60, 'minute', 1, 'second'];
const count = () => {
  for (const part of document.querySelectorAll('[data-left]')) {
    let rest = Math.max(0, Math.ceil((part.dataset.left - Date.now() + began) / 1000));
    const words = [];
    for (let at = 0; at < 8 && words.length < 2; at += 2) {
      const many = Math.floor(rest / units[at]);
      rest -= many * units[at];
      if (many || words.length || at === 6) {
        const style = { style: 'unit', unit: units[at + 1], unitDisplay: 'long' };
        words.push(many.toLocaleString(document.documentElement.lang, style));
      }
    }
    part.textContent = words.join(' ');
  }
};
if (document.querySelector('[data-left]')) setInterval(count, 1000);

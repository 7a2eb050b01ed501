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

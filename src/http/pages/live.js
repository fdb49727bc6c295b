// Keeps the page up to date: asks for it again and exchanges what changed. Without scripts the page is as it was loaded.
"use strict";
(() => {
  const EVERY_MS = 3000;
  // An answer that takes long to make is asked for less often, so that looking on costs the worker a tenth of its time.
  const WAIT_PER_ANSWER = 10;
  let shown = null;

  const told = (stale) => document.querySelector(".stale").hidden = !stale;
  const selected = () => String(getSelection() ?? "") !== "";

  async function refresh() {
    const live = document.querySelector("main[data-live]");
    if (!live || document.hidden || selected()) return;
    const answer = await fetch(location.href, { credentials: "same-origin" });
    // Signed out: the form stands where the page did, and leads back to it.
    if (answer.status === 401) return location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    told(false);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main[data-live]");
    if (!fresh || fresh.isEqualNode(shown ?? live)) return;
    // A reader who moves by keyboard stays where they are.
    const focused = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    const scroll = live.querySelector(".scroll")?.scrollLeft ?? 0;
    shown = fresh.cloneNode(true);
    live.replaceChildren(...fresh.childNodes);
    if (focused) live.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    const region = live.querySelector(".scroll");
    if (region) region.scrollLeft = scroll;
  }

  async function run() {
    const began = performance.now();
    try {
      await refresh();
    } catch {
      // The worker is away; the page stays as it is until it is back, and says so.
      told(true);
    }
    setTimeout(run, Math.max(EVERY_MS, WAIT_PER_ANSWER * (performance.now() - began)));
  }
  setTimeout(run, EVERY_MS);

  // A choice in the filter needs no button.
  document.querySelector("form.filter")?.addEventListener("change", (event) => event.currentTarget.requestSubmit());
})();

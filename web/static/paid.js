// What pages do beyond htmx: ages that count on, output that follows its end, streams that resume.
// Every page works without this file.
"use strict";

(() => {
  const TICK_MILLISECONDS = 1000;
  const MOST_CHUNKS = 400;
  const MOST_ITEMS = 1500;
  const AT_THE_END_PIXELS = 48;

  // Ages. The same two units as `span` in web/rendering.py.
  const UNITS = [[86400, "d", 3600, "h"], [3600, "h", 60, "m"], [60, "m", 1, "s"]];

  function span(total) {
    const seconds = Math.max(0, Math.floor(total));
    for (const [size, unit, smallerSize, smaller] of UNITS) {
      if (seconds >= size) {
        const rest = Math.floor((seconds % size) / smallerSize);
        return `${Math.floor(seconds / size)}${unit}${rest ? ` ${rest}${smaller}` : ""}`;
      }
    }
    return `${seconds}s`;
  }

  function tick() {
    for (const element of document.querySelectorAll("time[data-since]")) {
      const began = Date.parse(element.dataset.since);
      const plus = Number(element.dataset.plus || 0);
      if (!Number.isNaN(began)) {
        element.textContent = span((Date.now() - began) / 1000 + plus);
      }
    }
  }

  // Following: a box that shows its end keeps showing it; one that was scrolled up stays there.
  const following = new WeakMap();

  function isAtEnd(box) {
    return box.scrollHeight - box.scrollTop - box.clientHeight < AT_THE_END_PIXELS;
  }

  function toEnd(box) {
    box.scrollTop = box.scrollHeight;
  }

  function trim(list, most) {
    while (list && list.children.length > most) {
      list.firstElementChild.remove();
    }
  }

  // Streams. htmx makes a new EventSource after an error answer, which forgets Last-Event-ID; so the
  // last id that was shown goes into the address, and nothing is shown twice or left out.
  let lastEventId = "";

  function installResume() {
    const htmx = window.htmx;
    if (!htmx) return;
    htmx.createEventSource = (address) => {
      const url = new URL(address, window.location.href);
      if (lastEventId && url.searchParams.has("after")) {
        url.searchParams.set("after", lastEventId);
      }
      return new EventSource(url);
    };
  }

  document.addEventListener("htmx:sseBeforeMessage", (event) => {
    const target = event.target;
    const box = target.closest("[data-follow]");
    if (box) following.set(box, isAtEnd(box));
    // A form that somebody is filling in is not replaced under their hands.
    const focused = document.activeElement;
    if (focused && target.contains(focused) && focused.matches("input, textarea, select")) {
      event.preventDefault();
    }
  });

  document.addEventListener("htmx:sseMessage", (event) => {
    const id = event.detail && event.detail.lastEventId;
    if (id && /^e\d+\.o\d+$/.test(id)) lastEventId = id;
    const target = event.target;
    trim(target.id === "output" ? target : null, MOST_CHUNKS);
    trim(target.id === "activity" ? target : null, MOST_ITEMS);
    const box = target.closest && target.closest("[data-follow]");
    if (box && following.get(box)) toEnd(box);
    tick();
  });

  // A question before what cannot be undone; forms that htmx sends have hx-confirm instead.
  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });

  // A run that ended: stop saying "live".
  document.addEventListener("htmx:sseClose", () => {
    for (const dot of document.querySelectorAll(".live-dot")) dot.remove();
  });

  document.addEventListener("htmx:afterSwap", tick);
  installResume();
  document.addEventListener("DOMContentLoaded", () => {
    installResume();
    for (const box of document.querySelectorAll("[data-follow]")) toEnd(box);
    tick();
    window.setInterval(tick, TICK_MILLISECONDS);
  });
})();

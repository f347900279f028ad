"use strict";
/* A grid of cards of one size: only those near the window exist, so that 10,000 cost no more than 50. */
(() => {
  const { el, t } = window.Evalsuite;
  const GAP = 16;
  const PORTION = 12;
  const BEYOND = 700; // pixels drawn above and below the window

  /**
   * `list` is the element; `minimum` a card's least width; `height(width)` its height; `card(place)` makes the card at
   * a place, whose first link or button takes the focus. `ratio` is the height of its pictures by their width. On a
   * narrow screen the grid grows by `PORTION` cards at a time, so that what follows it can be reached.
   */
  function grid({ list, minimum, height, card, ratio = 1 }) {
    list.style.setProperty("--ratio", 1 / ratio);
    const narrow = window.matchMedia("(max-width: 46rem)");
    const more = el("button", { type: "button", class: "more", hidden: true, onclick: () => { portion += PORTION; redraw(); } });
    list.after(more);
    let portion = PORTION;
    let total = 0;
    const cards = new Map();
    let count = 0;
    let active = -1;
    let space = 0;
    let layout = { columns: 1, width: 0, height: 0 };

    function measure() {
      space = list.clientWidth;
      const columns = Math.max(1, Math.floor((space + GAP) / (minimum + GAP)));
      const width = Math.floor((space - GAP * (columns - 1)) / columns);
      layout = { columns, width, height: height(width) };
      list.style.height = `${Math.ceil(count / columns) * (layout.height + GAP)}px`;
    }

    function put(place) {
      const element = card(place);
      element.setAttribute("aria-setsize", total);
      element.setAttribute("aria-posinset", place + 1);
      element.addEventListener("focusin", () => { active = place; });
      const left = (place % layout.columns) * (layout.width + GAP);
      const top = Math.floor(place / layout.columns) * (layout.height + GAP);
      element.style.width = `${layout.width}px`;
      element.style.height = `${layout.height}px`;
      element.style.transform = `translate(${left}px, ${top}px)`;
      // In order, so that the keyboard and a screen reader walk the cards as they stand.
      let next = null;
      for (const other of cards.keys()) if (other > place && (next === null || other < next)) next = other;
      list.insertBefore(element, next === null ? null : cards.get(next));
      cards.set(place, element);
    }

    function draw() {
      const top = list.getBoundingClientRect().top;
      const step = layout.height + GAP;
      const first = Math.max(0, Math.floor((-top - BEYOND) / step)) * layout.columns;
      // The first two rows exist even where the grid is far below the window: for links, keys and screen readers.
      const rows = Math.max(Math.ceil((-top + window.innerHeight + BEYOND) / step), first ? 0 : 2);
      const last = Math.min(count, rows * layout.columns);
      for (const [place, element] of cards) {
        if (place < first || place >= last) { element.remove(); cards.delete(place); }
      }
      for (let place = first; place < last; place += 1) if (!cards.has(place)) put(place);
    }

    /** Draw anew, with another number of cards or in another language. */
    function redraw(all = total) {
      total = all;
      count = narrow.matches ? Math.min(total, portion) : total;
      more.hidden = count === total;
      more.textContent = t("gallery.more", { n: Math.min(PORTION, total - count), left: total - count });
      active = Math.min(active, count - 1);
      for (const element of cards.values()) element.remove();
      cards.clear();
      measure();
      draw();
    }

    /** Make a card the current one: bring it into the window and, unless told otherwise, focus it. */
    function activate(place, { focus = true } = {}) {
      if (!count) return;
      if (place >= count && count < total) { portion = place + PORTION; redraw(); }
      active = Math.min(Math.max(place, 0), count - 1);
      const step = layout.height + GAP;
      const y = list.getBoundingClientRect().top + window.scrollY + Math.floor(active / layout.columns) * step;
      const bar = document.querySelector(".bar").offsetHeight + 8;
      if (y < window.scrollY + bar) window.scrollTo({ top: y - bar, behavior: "instant" });
      else if (y + layout.height > window.scrollY + window.innerHeight) {
        window.scrollTo({ top: y + layout.height - window.innerHeight + 8, behavior: "instant" });
      }
      draw();
      if (focus) cards.get(active)?.querySelector("a, button").focus({ preventScroll: true });
    }

    let waiting = false;
    window.addEventListener("scroll", () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; draw(); });
    }, { passive: true });
    new ResizeObserver(() => { if (list.clientWidth !== space) redraw(); }).observe(list);

    /** The arrow keys and J and K: walk the cards. True where the key was one of them. */
    function walk(event) {
      const inside = Boolean(document.activeElement.closest?.(`#${list.id}`));
      const by = { j: 1, k: -1, ...(inside && { ArrowRight: 1, ArrowLeft: -1, ArrowDown: layout.columns, ArrowUp: -layout.columns }) }[event.key];
      if (!by) return false;
      activate(active + by);
      event.preventDefault();
      return true;
    }

    return { redraw, activate, walk, get active() { return active; } };
  }

  Object.assign(window.Evalsuite, { grid });
})();

"use strict";
/* The grid of cards: only those near the window exist, so that 10,000 images cost no more than 50. */
(() => {
  const { el, svg, t, rate, seconds, visible, inline, lines, filters } = window.Evalsuite;
  const GAP = 16;
  const MIN_WIDTH = 300;
  const TEXT_HEIGHT = 212;
  const BEYOND = 700; // pixels drawn above and below the window

  const grid = document.getElementById("grid");
  let shown = [];
  let layout = { columns: 1, width: 0, height: 0 };
  let active = -1;
  const cards = new Map(); // place in the list -> element

  const name = (item) => ({ prompt: item.prompt.id, model: visible(item.model.name), seed: item.seed });

  /** The OCR boxes of an image, to lie over its picture. */
  function overlay(item) {
    if (!item.size) return null;
    const [width, height] = item.size;
    return svg("svg", { class: "boxes", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "xMidYMid meet", "aria-hidden": "true" },
      lines(item).map((line, index) => line.polygon && svg("polygon", { class: `b-${line.state}`, "data-line": index, points: line.polygon.join(" ") },
        svg("title", {}, visible(line.text)))));
  }

  /** The picture of a card: the thumbnail, else the image itself, else why there is none. */
  function picture(item, { boxes = false } = {}) {
    const source = item.thumbnail ?? item.full;
    const frame = el("span", { class: "picture" });
    if (item.status === "missing") frame.append(el("span", { class: "none" }, t("card.missing")));
    else if (!source) frame.append(el("span", { class: "none" }, t("viewer.no_thumbnail")));
    else {
      const [width, height] = item.size ?? [null, null];
      frame.append(el("img", { src: source, alt: t("card.image", name(item)), loading: "lazy", decoding: "async", width, height, draggable: "false" }));
      if (boxes) { const over = overlay(item); if (over) frame.append(over); }
    }
    return frame;
  }

  function diffs(item) {
    const wrong = item.targets.filter((target) => !target.exact || target.caseErrors);
    const right = item.targets.filter((target) => target.exact && !target.caseErrors);
    return [
      ...[...wrong, ...right].slice(0, 12).map((target) => el("p", { lang: item.prompt.language }, inline(target))),
      ...item.extras.slice(0, 4).map((extra) => el("p", {}, el("span", { class: "quiet" }, `${t("card.extra")} `), el("bdi", { class: "d-extra" }, visible(extra.text)))),
    ];
  }

  function card(item, place) {
    const score = item.status === "scored" ? rate(item.accuracy) : t(`card.${item.status}`);
    return el("li", { class: "card", "aria-setsize": shown.length, "aria-posinset": place + 1, "data-key": item.key },
      el("a", {
        class: "card-open", href: filters.address({ image: item.key }), "aria-label": t("card.open", name(item)),
        onclick: (event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
          event.preventDefault();
          activate(place, { focus: false });
          window.Evalsuite.viewer.open(item.key);
        },
        onfocus: () => { active = place; },
      }, picture(item, { boxes: Boolean(filters.view.boxes) })),
      el("div", { class: "card-text" },
        el("div", { class: "card-head" },
          el("span", { class: item.status === "scored" ? "card-score" : "card-score bad-text", title: item.status === "scored" ? t("card.accuracy", { value: score }) : null }, score),
          el("span", { class: "card-model" }, el("bdi", {}, visible(item.model.name)), item.model.role === "model" ? null : ` · ${t(`role.${item.model.role}`)}`)),
        el("div", { class: "card-diffs" }, item.status === "scored" ? diffs(item) : el("p", { class: "quiet" }, visible(item.detail ?? ""))),
        el("div", { class: "card-foot" }, `${item.prompt.id} · ${t("card.seed", { seed: item.seed })}${item.timing ? ` · ${seconds(item.timing.total)}` : ""}`)));
  }

  function measure() {
    const space = grid.clientWidth;
    const columns = Math.max(1, Math.floor((space + GAP) / (MIN_WIDTH + GAP)));
    const width = Math.floor((space - GAP * (columns - 1)) / columns);
    layout = { columns, width, height: width + TEXT_HEIGHT };
    grid.style.height = `${Math.ceil(shown.length / columns) * (layout.height + GAP)}px`;
  }

  function draw() {
    const top = grid.getBoundingClientRect().top;
    const step = layout.height + GAP;
    const first = Math.max(0, Math.floor((-top - BEYOND) / step)) * layout.columns;
    const last = Math.min(shown.length, Math.ceil((-top + window.innerHeight + BEYOND) / step) * layout.columns);
    for (const [place, element] of cards) {
      if (place < first || place >= last) { element.remove(); cards.delete(place); }
    }
    for (let place = first; place < last; place += 1) {
      if (cards.has(place)) continue;
      const element = card(shown[place], place);
      element.style.width = `${layout.width}px`;
      element.style.height = `${layout.height}px`;
      element.style.transform = `translate(${(place % layout.columns) * (layout.width + GAP)}px, ${Math.floor(place / layout.columns) * step}px)`;
      // In order, so that the keyboard and a screen reader walk the cards as they stand.
      const after = [...cards.keys()].filter((other) => other > place);
      grid.insertBefore(element, after.length ? cards.get(Math.min(...after)) : null);
      cards.set(place, element);
    }
  }

  let waiting = false;
  function soon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }

  function redraw() {
    for (const element of cards.values()) element.remove();
    cards.clear();
    measure();
    draw();
  }

  function refresh() {
    shown = filters.selected();
    active = Math.min(active, shown.length - 1);
    document.getElementById("gallery-count").textContent = t("gallery.count", { shown: shown.length, total: window.Evalsuite.items.length });
    document.getElementById("gallery-none").hidden = shown.length > 0;
    redraw();
  }

  /** Make a card the current one: bring it into the window and, unless told otherwise, focus it. */
  function activate(place, { focus = true } = {}) {
    if (!shown.length) return;
    active = Math.min(Math.max(place, 0), shown.length - 1);
    const step = layout.height + GAP;
    const y = grid.getBoundingClientRect().top + window.scrollY + Math.floor(active / layout.columns) * step;
    const bar = document.querySelector(".bar").offsetHeight + 8;
    if (y < window.scrollY + bar) window.scrollTo({ top: y - bar, behavior: "instant" });
    else if (y + layout.height > window.scrollY + window.innerHeight) window.scrollTo({ top: y + layout.height - window.innerHeight + 8, behavior: "instant" });
    draw();
    if (focus) cards.get(active)?.querySelector(".card-open").focus({ preventScroll: true });
  }

  window.addEventListener("scroll", soon, { passive: true });
  new ResizeObserver(() => { if (grid.clientWidth !== layout.space) { layout.space = grid.clientWidth; const space = layout.space; redraw(); layout.space = space; } }).observe(grid);

  Object.assign(window.Evalsuite, {
    gallery: {
      refresh, redraw, activate, picture, overlay,
      get shown() { return shown; },
      get active() { return active; },
      get columns() { return layout.columns; },
    },
  });
})();

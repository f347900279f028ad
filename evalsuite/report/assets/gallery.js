"use strict";
/* The gallery: a card an image, in the chosen order. */
(() => {
  const { el, t, seconds, picture, diffs, score, model, imageName, items, filters, page } = window.Evalsuite;
  const TEXT_HEIGHT = 212;
  let shown = [];

  /** How many suspicious glyphs the image has, with the way to their cut-outs where there is a page of them. */
  function badge(item) {
    const n = page.glyphs?.[item.key];
    if (!n) return null;
    const text = t("card.glyphs", { n });
    return page.glyphs_page ? el("a", { class: "chip glyph-badge", href: `${page.glyphs_page}#${item.key}` }, text) : el("span", { class: "chip glyph-badge" }, text);
  }

  function card(place) {
    const item = shown[place];
    return el("li", { class: "card", "data-key": item.key },
      el("a", {
        class: "card-open", href: filters.address({ image: item.key }), "aria-label": t("card.open", imageName(item)),
        onclick: (event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
          event.preventDefault();
          cards.activate(place, { focus: false });
          window.Evalsuite.viewer.open(item.key);
        },
      }, picture(item, { boxes: Boolean(filters.state.boxes) })),
      el("div", { class: "card-text" },
        el("div", { class: "card-head" }, score(item), el("span", { class: "card-model" }, model(item))),
        el("div", { class: "card-diffs" }, diffs(item)),
        badge(item),
        el("div", { class: "card-foot" }, `${item.prompt.id} · ${t("card.seed", { seed: item.seed })}`, item.timing ? ` · ${seconds(item.timing.total)}` : null)));
  }

  const cards = window.Evalsuite.grid({ list: document.getElementById("grid"), minimum: 300, height: (width) => width + TEXT_HEIGHT, card });

  /** Filter and sort anew. */
  function refresh() {
    shown = filters.selected();
    document.getElementById("gallery-count").textContent = t("gallery.count", { shown: shown.length, total: items.length });
    document.getElementById("gallery-none").hidden = shown.length > 0;
    cards.redraw(shown.length);
  }

  Object.assign(window.Evalsuite, { gallery: { refresh, activate: cards.activate, walk: cards.walk, get shown() { return shown; }, get active() { return cards.active; } } });
})();

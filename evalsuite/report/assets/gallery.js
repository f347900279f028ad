"use strict";
/* The gallery: a card an image, in the chosen order. */
(() => {
  const { el, t, seconds, picture, diffs, score, model, imageName, items, filters, marks, download, lines, textHeight, tallest, page } = window.Evalsuite;
  /* A badge for suspicious glyphs takes a line of its own. */
  const BADGE_HEIGHT = Object.keys(page.glyphs ?? {}).length ? 24 : 0;
  const HEIGHT = textHeight(items) + BADGE_HEIGHT;
  const RATIO = tallest(items);
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
        el("div", { class: "card-foot" }, marks.badge(item), marks.badge(item) ? " " : null, `${item.prompt.id} · ${t("card.seed", { seed: item.seed })}`, item.timing ? ` · ${seconds(item.timing.total)}` : null)));
  }

  const cards = window.Evalsuite.grid({ list: document.getElementById("grid"), minimum: 300, ratio: RATIO, height: (width) => Math.round(width * RATIO) + HEIGHT, card });

  /** Filter and sort anew. */
  function refresh() {
    shown = filters.selected();
    document.getElementById("gallery-count").textContent = t("gallery.count", { shown: shown.length, total: items.length });
    document.getElementById("gallery-none").hidden = shown.length > 0;
    cards.redraw(shown.length);
  }

  /** A value as a cell of CSV (RFC 4180); what a spreadsheet would take for a formula gets an apostrophe in front. */
  function cell(value) {
    const text = String(value ?? "");
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  /** The images that are shown, in their order, as a table for spreadsheets. */
  function rows() {
    const columns = {
      key: (item) => item.key, model: (item) => item.model.name, role: (item) => item.model.role, prompt: (item) => item.prompt.id, seed: (item) => item.seed,
      suite: (item) => item.prompt.suite, language: (item) => item.prompt.language, category: (item) => item.prompt.category, length_class: (item) => item.prompt.length,
      status: (item) => item.status, character_accuracy: (item) => item.accuracy, strict_accuracy: (item) => item.strict,
      target_characters: (item) => item.length, errors: (item) => item.edits, extra_characters: (item) => item.extra, seconds: (item) => item.timing?.total,
      prompt_text: (item) => item.prompt.text, targets: (item) => item.prompt.targets.join("\n"), reading: (item) => lines(item).map((line) => line.text).join("\n"),
      image: (item) => item.full, sha256: (item) => item.sha, detail: (item) => item.lost ?? item.detail,
    };
    const table = [Object.keys(columns), ...shown.map((item) => Object.values(columns).map((column) => column(item)))];
    return table.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
  }

  /** The button that downloads them. */
  const rowsButton = () => el("button", { type: "button", id: "rows", onclick: () => download("images.csv", `\ufeff${rows()}`, "text/csv") }, t("gallery.rows"));

  Object.assign(window.Evalsuite, { gallery: { refresh, rowsButton, redraw: () => cards.redraw(), activate: cards.activate, walk: cards.walk, get shown() { return shown; }, get active() { return cards.active; } } });
})();

"use strict";
/* Pairs of images of the same prompt and seed by two contestants: choosing, filtering, sorting, cards. */
(() => {
  const { el, t, rate, page, prompts, items, choices, picture, diffs, score, model, visible, textHeight, tallest } = window.Evalsuite;
  const names = page.models.map((each) => each.name);
  const FILTERS = { a: names[0], b: names[1], only: "", language: "", suite: "", category: "", q: "", sort: "regression" };
  /* `pair` is the prompt and seed that is open; `beside` says side by side instead of the slider. */
  const { state, read, address, write, reset } = choices({ ...FILTERS, pair: "", beside: "", boxes: "" }, "#images");
  const listeners = [];
  /** How many suspicious glyphs an image has; a badge for them takes a line of its own. */
  const suspicious = (item) => page.glyphs?.[item.m]?.[item.key] ?? 0;
  const BADGE_HEIGHT = items.some(suspicious) ? 24 : 0;
  const HEIGHT = textHeight(items) + 56 + BADGE_HEIGHT;
  const RATIO = tallest(items);
  let shown = [];

  const found = new Map(items.map((item) => [`${item.model.name}\n${item.prompt.id}\n${item.seed}`, item]));
  const seeds = [...new Set(items.map((item) => item.seed))];

  /** What was read, as one string, to tell whether two images differ. */
  const reading = (item) => JSON.stringify([item.s, item.rawTargets, item.rawExtras]);

  function pairs() {
    const all = [];
    prompts.forEach((prompt, place) => {
      for (const seed of seeds) {
        const [a, b] = [state.a, state.b].map((name) => found.get(`${name}\n${prompt.id}\n${seed}`));
        if (a && b) all.push({ id: `${prompt.id}~${seed}`, place, prompt, seed, a, b, delta: b.accuracy - a.accuracy });
      }
    });
    return all;
  }

  function fits(pair) {
    const { prompt, a, b } = pair;
    if (state.only && reading(a) === reading(b)) return false;
    if (state.language && prompt.language !== state.language) return false;
    if (state.suite && prompt.suite !== state.suite) return false;
    if (state.category && prompt.category !== state.category) return false;
    return !state.q || state.q.toLowerCase().split(/\s+/).every((word) => a.haystack.includes(word) || b.haystack.includes(word));
  }

  const ORDERS = {
    regression: (x, y) => x.delta - y.delta || x.place - y.place || x.seed - y.seed,
    improvement: (x, y) => y.delta - x.delta || x.place - y.place || x.seed - y.seed,
    prompt: (x, y) => x.place - y.place || x.seed - y.seed,
  };

  /** A difference of rates with its sign, as wording.py writes it. */
  function signed(value) {
    for (let digits = 3; digits < 8; digits += 1) {
      if (Number(value.toFixed(digits)) !== 0) return `${value > 0 ? "+" : "\u2212"}${Math.abs(value).toFixed(digits)}`;
    }
    return "0.000";
  }

  const tone = (delta) => (delta > 1e-9 ? "better" : delta < -1e-9 ? "worse" : "equal");

  const badge = (item) => (suspicious(item) ? el("span", { class: "chip glyph-badge" }, t("card.glyphs", { n: suspicious(item) })) : null);

  function card(place) {
    const pair = shown[place];
    const side = (item) => el("div", { class: "pair-side" }, el("div", { class: "card-head" }, score(item), el("span", { class: "card-model" }, model(item))),
      el("div", { class: "card-diffs" }, diffs(item)), badge(item));
    return el("li", { class: "card", "data-pair": pair.id },
      el("a", {
        class: "card-open pair-pictures", href: address({ pair: pair.id }), "aria-label": t("compare.open", { prompt: pair.prompt.id, seed: pair.seed }),
        onclick: (event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
          event.preventDefault();
          cards.activate(place, { focus: false });
          window.Evalsuite.viewer.open(pair.id);
        },
      }, picture(pair.a, { boxes: Boolean(state.boxes) }), picture(pair.b, { boxes: Boolean(state.boxes) })),
      el("div", { class: "pair-line" }, el("span", { class: `delta delta-${tone(pair.delta)}` }, signed(pair.delta)), el("span", { class: "quiet" }, `${pair.prompt.id} · ${t("card.seed", { seed: pair.seed })}`)),
      el("div", { class: "pair-texts" }, side(pair.a), side(pair.b)));
  }

  const cards = window.Evalsuite.grid({ list: document.getElementById("grid"), minimum: 560, ratio: RATIO, height: (width) => Math.floor((width / 2) * RATIO) + HEIGHT, card });

  function refresh() {
    const all = pairs();
    shown = all.filter(fits).sort(ORDERS[state.sort] ?? ORDERS.regression);
    const count = (kind) => shown.filter((pair) => tone(pair.delta) === kind).length;
    document.getElementById("gallery-count").textContent = t("compare.count", {
      shown: shown.length, total: all.length, better: count("better"), worse: count("worse"), equal: count("equal"),
    });
    document.getElementById("gallery-none").hidden = shown.length > 0;
    cards.redraw(shown.length);
  }

  function changed() {
    write();
    for (const listener of listeners) listener();
  }

  const unique = (values) => [...new Set(values)];

  function controls(form) {
    const active = document.activeElement?.id;
    const contestant = (name, key) => el("label", { class: "wide" }, t(key), el("select", { id: `filter-${name}`, onchange: (event) => { state[name] = event.target.value; changed(); } },
      page.models.map((each) => el("option", { value: each.name, selected: each.name === state[name] }, each.role === "model" ? visible(each.name) : `${visible(each.name)} (${t(`role.${each.role}`)})`))));
    const select = (name, values) => values.length < 2 && name !== "sort" ? null : el("label", {}, t(`filter.${name}`),
      el("select", { id: `filter-${name}`, onchange: (event) => { state[name] = event.target.value; changed(); } },
        (name === "sort" ? values : [["", t("filter.all")], ...values.map((value) => [value, value])]).map(([value, text]) => el("option", { value, selected: value === state[name] }, visible(text)))));
    const toggle = (name, key) => el("button", { type: "button", id: `toggle-${name}`, "aria-pressed": state[name] ? "true" : "false", onclick: () => flip(name) }, t(key));
    form.replaceChildren(...[
      contestant("a", "compare.a"), contestant("b", "compare.b"),
      el("label", { class: "search" }, t("filter.search"), el("input", { id: "filter-q", type: "search", value: state.q, autocomplete: "off", oninput: (event) => { state.q = event.target.value; changed(); } })),
      select("language", unique(prompts.map((prompt) => prompt.language))),
      select("suite", unique(prompts.map((prompt) => prompt.suite))),
      select("category", unique(prompts.map((prompt) => prompt.category))),
      select("sort", Object.keys(ORDERS).map((order) => [order, t(`sort.${order}`)])),
      el("div", { class: "buttons" }, toggle("only", "compare.only"), toggle("boxes", "gallery.boxes"),
        el("button", { type: "button", onclick: () => { reset(Object.keys(FILTERS)); controls(form); changed(); } }, t("gallery.reset"))),
    ].filter(Boolean));
    if (active) document.getElementById(active)?.focus();
  }

  function flip(name) {
    state[name] = state[name] ? "" : "1";
    document.getElementById(`toggle-${name}`)?.setAttribute("aria-pressed", state[name] ? "true" : "false");
    changed();
  }

  Object.assign(window.Evalsuite, {
    pairs: {
      state, badge, read, address, write, controls, refresh, flip, signed, tone, rate, activate: cards.activate, walk: cards.walk,
      find: (id) => pairs().find((pair) => pair.id === id), onChange: (listener) => listeners.push(listener),
      get shown() { return shown; }, get active() { return cards.active; },
    },
  });
})();

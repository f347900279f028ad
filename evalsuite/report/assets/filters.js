"use strict";
/* Which images are shown and in which order. The choice is kept in the address, so that a view can be linked. */
(() => {
  const { el, t, has, visible, choices, page, items, prompts } = window.Evalsuite;
  const REAL = page.models.some((model) => model.role !== "reference");
  const FILTERS = { model: REAL ? "real" : "", language: "", suite: "", category: "", length: "", kind: "", from: "", to: "", q: "", sort: "worst" };
  /* `image` is the key of the image that is open, `boxes` whether the OCR boxes are shown. */
  const { state, read, address, write, reset } = choices({ ...FILTERS, image: "", boxes: "" }, "#images");
  const DIFFERS = new Set(page.differs ?? []); // where another OCR reads something else
  const GLYPHS = page.glyphs ?? {}; // how many suspicious glyphs an image has
  const SAMPLED = (page.sample ?? []).length ? ["sample"] : [];
  const listeners = [];

  const number = (text) => (text.trim() === "" || Number.isNaN(Number(text)) ? null : Number(text));

  function fits(item) {
    const { prompt } = item;
    if (state.model === "real" ? item.model.role === "reference" : state.model && item.model.name !== state.model) return false;
    if (state.language && prompt.language !== state.language) return false;
    if (state.suite && prompt.suite !== state.suite) return false;
    if (state.category && prompt.category !== state.category) return false;
    if (state.length && prompt.length !== state.length) return false;
    if (state.kind === "differs" ? !DIFFERS.has(item.key) : state.kind === "glyphs" ? !GLYPHS[item.key] : state.kind === "sample" ? !window.Evalsuite.marks.sample.has(item.key) : state.kind === "marked" ? !window.Evalsuite.marks.get(item.key)
      : state.kind && !item.kinds.has(state.kind)) return false;
    const from = number(state.from);
    const to = number(state.to);
    if (from !== null && !(item.accuracy >= from)) return false;
    if (to !== null && !(item.accuracy <= to)) return false;
    return !state.q || state.q.toLowerCase().split(/\s+/).every((word) => item.haystack.includes(word));
  }

  /* The key is a hex digest, so its order is random and yet the same for everyone: fit for judging a sample. */
  const byKey = (a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
  const ORDERS = {
    worst: (a, b) => (a.s > 0 ? 0 : 1) - (b.s > 0 ? 0 : 1) || a.accuracy - b.accuracy || a.strict - b.strict || a.place - b.place,
    best: (a, b) => b.accuracy - a.accuracy || b.strict - a.strict || a.place - b.place,
    prompt: (a, b) => a.p - b.p || a.m - b.m || a.seed - b.seed,
    slowest: (a, b) => (b.rawTiming ? b.rawTiming[0] : -1) - (a.rawTiming ? a.rawTiming[0] : -1) || a.place - b.place,
    extra: (a, b) => b.extra - a.extra || a.place - b.place,
    random: byKey,
    sample: (a, b) => (window.Evalsuite.marks.sample.get(a.key) ?? Infinity) - (window.Evalsuite.marks.sample.get(b.key) ?? Infinity) || byKey(a, b),
  };

  const selected = () => items.filter(fits).sort(ORDERS[state.sort] ?? ORDERS.worst);

  function changed() {
    write();
    for (const listener of listeners) listener();
  }

  const KIND_ORDER = ["any", "none", "missing", "unreadable", "missing-target", "missing-word", "substitution", "dropped", "doubled",
    "inserted", "case", "punctuation", "traditional-for-simplified", "malformed", "duplicate", "other"];
  const unique = (values) => [...new Set(values)];

  function options() {
    const kinds = new Set();
    for (const item of items) for (const kind of item.kinds) kinds.add(kind);
    const known = KIND_ORDER.filter((kind) => kinds.has(kind));
    const other = [...kinds].filter((kind) => !KIND_ORDER.includes(kind)).sort();
    const kindName = (kind) => kind.startsWith("finding:") ? t("kind.finding", { code: kind.slice(8) }) : has(`kind.${kind}`) ? t(`kind.${kind}`) : kind;
    const plain = (values) => values.map((value) => [value, value]);
    return {
      model: [...(REAL && page.models.some((model) => model.role === "reference") ? [["real", t("filter.real")]] : []),
        ["", t("filter.all")], ...page.models.map((model) => [model.name, model.role === "model" ? model.name : `${model.name} (${t(`role.${model.role}`)})`])],
      language: [["", t("filter.all")], ...plain(unique(prompts.map((prompt) => prompt.language)))],
      suite: [["", t("filter.all")], ...plain(unique(prompts.map((prompt) => prompt.suite)))],
      category: [["", t("filter.all")], ...plain(unique(prompts.map((prompt) => prompt.category)))],
      length: [["", t("filter.all")], ...unique(prompts.map((prompt) => prompt.length)).map((length) => [length, t(`length.${length}`)])],
      kind: [["", t("filter.all")], ...[...known, ...other, "marked", ...SAMPLED, ...(Object.keys(GLYPHS).length ? ["glyphs"] : []), ...(DIFFERS.size ? ["differs"] : [])].map((kind) => [kind, kindName(kind)])],
      sort: Object.keys(ORDERS).filter((order) => order !== "sample" || SAMPLED.length).map((order) => [order, t(`sort.${order}`)]),
    };
  }

  /** Build the form anew, in the current language, with the current choice. */
  function controls(form) {
    const active = document.activeElement?.id;
    const lists = options();
    const select = (name) => el("label", { class: name === "model" ? "wide" : null }, t(`filter.${name}`),
      el("select", { id: `filter-${name}`, onchange: (event) => { state[name] = event.target.value; changed(); } },
        lists[name].map(([value, text]) => el("option", { value, selected: value === state[name] }, visible(text)))));
    const bound = (name) => el("input", {
      id: `filter-${name}`, type: "number", min: -1, max: 1, step: "any", value: state[name], "aria-label": t(`filter.${name}`),
      oninput: (event) => { state[name] = event.target.value; changed(); },
    });
    form.replaceChildren(
      el("label", { class: "search" }, t("filter.search"),
        el("input", { id: "filter-q", type: "search", value: state.q, autocomplete: "off", oninput: (event) => { state.q = event.target.value; changed(); } })),
      select("model"),
      ...["language", "suite", "category", "length"].filter((name) => lists[name].length > 2).map(select),
      select("kind"),
      el("fieldset", {}, el("legend", {}, t("filter.range")), el("div", { class: "range" }, bound("from"), "–", bound("to"))),
      select("sort"),
      el("div", { class: "buttons" },
        el("button", { id: "boxes", type: "button", "aria-pressed": state.boxes ? "true" : "false", onclick: () => toggleBoxes() }, t("gallery.boxes")),
        el("button", { type: "button", onclick: () => { reset(Object.keys(FILTERS)); controls(form); changed(); } }, t("gallery.reset"))),
    );
    if (active) document.getElementById(active)?.focus();
  }

  /** Start from no filter and take these choices. */
  function choose(choices) {
    reset(Object.keys(FILTERS));
    Object.assign(state, choices);
    controls(document.getElementById("filters"));
    changed();
  }

  function toggleBoxes() {
    state.boxes = state.boxes ? "" : "1";
    document.getElementById("boxes").setAttribute("aria-pressed", state.boxes ? "true" : "false");
    changed();
  }

  Object.assign(window.Evalsuite, {
    filters: { state, selected, controls, read, address, write, choose, toggleBoxes, onChange: (listener) => listeners.push(listener) },
  });
})();

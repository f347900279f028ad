"use strict";
/* The page of a comparison: the viewer of one pair, and the start. */
(() => {
  const { el, t, pairs, compared, aligned, score, model, visible, legend, copyButton, zoomable } = window.Evalsuite;
  const dialog = document.getElementById("viewer");
  const form = document.getElementById("filters");
  let current = null;
  let zoom = null;

  const button = (key, label, properties) => el("button", { type: "button", "aria-label": t(key), title: t(key), ...properties }, label);

  function bar(pair) {
    const place = pairs.shown.findIndex((other) => other.id === pair.id);
    const walk = (by) => ({ disabled: place < 0 || !pairs.shown[place + by], onclick: () => step(by) });
    const toggle = (name, key) => el("button", { type: "button", "aria-pressed": pairs.state[name] ? "true" : "false", onclick: () => { pairs.flip(name); redraw(); } }, t(key));
    return el("div", { class: "viewer-bar" },
      el("h2", { id: "viewer-title", tabindex: "-1" }, el("span", { class: `delta delta-${pairs.tone(pair.delta)}` }, pairs.signed(pair.delta)), ` ${pair.prompt.id} · ${t("card.seed", { seed: pair.seed })}`),
      place >= 0 ? el("span", { class: "quiet" }, t("viewer.position", { n: place + 1, total: pairs.shown.length })) : null,
      button("viewer.previous", "←", walk(-1)), button("viewer.next", "→", walk(1)),
      zoom ? zoom.buttons : null, toggle("beside", "compare.beside"), toggle("boxes", "gallery.boxes"), button("viewer.close", "✕", { onclick: () => dialog.close() }));
  }

  function side(item) {
    return [
      el("div", { class: "viewer-head" }, score(item, "score"), el("span", { class: "quiet" }, model(item)), pairs.badge(item)),
      item.targets.map((target) => el("div", { class: "string" }, aligned(target, item.prompt.language))),
      item.extras.map((extra) => el("p", {}, el("span", { class: "quiet" }, `${t("card.extra")} `), el("bdi", { class: "d-extra" }, visible(extra.text)))),
    ];
  }

  function commandOf(item) {
    const { command, note } = item.again;
    return [command === null ? null : el("div", { class: "command" }, el("pre", { tabindex: "0" }, visible(command)), copyButton(command)),
      note ? el("p", { class: "quiet" }, `${visible(item.model.name)}: ${t(note)}`) : null];
  }

  function show(pair) {
    current = pair;
    const buttons = [...dialog.querySelectorAll("button")];
    const focused = buttons.indexOf(document.activeElement);
    const { beside, boxes } = pairs.state;
    const picture = compared(pair.a, pair.b, { beside: Boolean(beside), boxes: Boolean(boxes) });
    const frames = [...picture.querySelectorAll(".frame")].map((frame) => [frame, frame.firstElementChild]);
    zoom = frames.length ? zoomable(frames) : null; // both sides move as one
    dialog.replaceChildren(bar(pair), el("div", { class: "viewer-body" },
      el("div", { class: "viewer-picture" }, picture),
      el("div", { class: "viewer-text", tabindex: "0" }, el("div", { class: "pair-texts" }, el("section", {}, side(pair.a)), el("section", {}, side(pair.b))),
        el("h3", {}, t("viewer.prompt")), el("p", { class: "prompt-text", dir: "auto", lang: pair.prompt.language }, visible(pair.prompt.text)), copyButton(pair.prompt.text),
        el("h3", {}, t("viewer.command")), [pair.a, pair.b].map(commandOf))));
    if (!dialog.open) dialog.showModal();
    const again = focused >= 0 ? dialog.querySelectorAll("button")[focused] : null;
    (again && !again.disabled ? again : dialog.querySelector("#viewer-title")).focus();
  }

  function open(id, { push = true } = {}) {
    const pair = pairs.find(id);
    if (!pair) { if (dialog.open) dialog.close(); return; }
    const first = !dialog.open;
    pairs.state.pair = id;
    pairs.write({ push: push && first });
    show(pair);
  }

  function step(by) {
    const place = pairs.shown.findIndex((pair) => pair.id === current.id);
    const next = pairs.shown[place + by];
    if (place < 0 || !next) return;
    pairs.activate(place + by, { focus: false });
    open(next.id);
  }

  function redraw() { if (current) show(pairs.find(current.id)); }

  dialog.addEventListener("close", () => {
    current = null;
    pairs.state.pair = "";
    pairs.write();
    if (pairs.active >= 0) pairs.activate(pairs.active);
  });
  window.Evalsuite.viewer = { open };

  function build() {
    pairs.controls(form);
    document.getElementById("legend").replaceChildren(...legend());
    pairs.refresh();
    redraw();
  }

  document.getElementById("gallery").hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  pairs.onChange(pairs.refresh);
  window.Evalsuite.onLanguage(build);
  build();

  window.addEventListener("popstate", () => {
    if (!location.hash.includes("=") && !dialog.open) return;
    pairs.read();
    build();
    if (pairs.state.pair) open(pairs.state.pair, { push: false });
    else if (dialog.open) dialog.close();
    else document.getElementById("images").scrollIntoView();
  });
  if (pairs.state.pair) open(pairs.state.pair, { push: false });

  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    if (event.target instanceof HTMLElement && event.target.closest("input, select, textarea")) return;
    const by = { ArrowRight: 1, ArrowLeft: -1, j: 1, k: -1 }[event.key];
    if (dialog.open && zoom?.press(event)) return;
    if (event.key === "b") { pairs.flip("boxes"); redraw(); }
    else if (dialog.open) { if (by) { step(by); event.preventDefault(); } }
    else if (event.key === "/") { document.getElementById("filter-q").focus(); event.preventDefault(); }
    else pairs.walk(event);
  });
  window.Evalsuite.ready = true;
})();

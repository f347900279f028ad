"use strict";
/* One image in full: the picture with its boxes, every string aligned, the prompt, the times, the command. */
(() => {
  const { el, t, has, rate, seconds, visible, aligned, lines, overlay, picture, score, model, imageName, copyButton, zoomable, items, filters, gallery, marks } = window.Evalsuite;
  const dialog = document.getElementById("viewer");
  const byKey = new Map(items.map((item) => [item.key, item]));
  const siblings = new Map();
  for (const item of items) {
    if (!siblings.has(item.p)) siblings.set(item.p, []);
    siblings.get(item.p).push(item);
  }
  let current = null;
  let zoom = null;

  const title = (item) => `${item.prompt.id} · ${visible(item.model.name)} · ${t("card.seed", { seed: item.seed })}`;
  const button = (key, label, properties) => el("button", { type: "button", "aria-label": t(key), title: t(key), ...properties }, label);

  function bar(item) {
    const place = gallery.shown.indexOf(item);
    const walk = (by) => ({ disabled: place < 0 || !gallery.shown[place + by], onclick: () => step(by) });
    return el("div", { class: "viewer-bar" },
      el("h2", { id: "viewer-title", tabindex: "-1" }, el("bdi", {}, title(item)), item.model.role === "model" ? null : [" ", el("span", { class: `chip chip-${item.model.role}` }, t(`role.${item.model.role}`))]),
      place >= 0 ? el("span", { class: "quiet" }, t("viewer.position", { n: place + 1, total: gallery.shown.length })) : null,
      button("viewer.previous", "←", walk(-1)),
      button("viewer.next", "→", walk(1)),
      zoom ? zoom.buttons : null,
      el("button", { type: "button", "aria-pressed": filters.state.boxes ? "true" : "false", onclick: () => { filters.toggleBoxes(); show(item); } }, t("gallery.boxes")),
      button("viewer.close", "✕", { onclick: close }));
  }

  function pictureSide(item) {
    const source = item.full ?? item.thumbnail;
    if (!source) {
      const reason = item.lost ?? (item.status === "missing" ? item.detail : null);
      return el("div", { class: "viewer-picture" }, el("p", { class: "bad-text" }, t("viewer.no_image", { reason: reason ? visible(reason) : t("viewer.no_thumbnail") })));
    }
    const [width, height] = item.size ?? [1, 1];
    const fit = el("div", { class: "fit" }, el("img", { src: source, alt: t("card.image", imageName(item)), width, height }));
    fit.style.aspectRatio = `${width} / ${height}`;
    if (filters.state.boxes) { const over = overlay(item); if (over) fit.append(over); }
    const frame = el("div", { class: "frame" }, fit);
    zoom = zoomable([[frame, fit]]);
    const file = `${item.prompt.id}-${item.model.name}-${item.seed}`.replace(/[^\w.-]+/g, "-");
    return el("div", { class: "viewer-picture" }, frame,
      el("p", { class: "files" }, item.full ? el("a", { href: item.full, target: "_blank", rel: "noopener" }, t("viewer.full")) : null,
        el("a", { href: source, download: `${file}.${item.full ? "png" : "webp"}` }, t("viewer.download")), el("span", { class: "quiet" }, `${width} × ${height}`)));
  }

  const section = (key, ...children) => [el("h3", {}, t(key)), ...children];

  function strings(item) {
    return item.targets.map((target) => {
      const verdict = !target.matched ? t("diff.unmatched") : !target.exact ? t("diff.errors", { n: target.errors })
        : target.caseErrors ? t("diff.case_only", { n: target.caseErrors }) : t("diff.exact");
      return el("div", { class: "string" }, el("p", { class: target.exact ? "verdict" : "verdict bad-text" }, verdict), aligned(target, item.prompt.language));
    });
  }

  /** The prompt with its targets marked; the longest first, so that a target inside another does not cut it. */
  function marked(text, { language, targets }) {
    const places = [];
    for (const target of [...new Set(targets)].sort((a, b) => b.length - a.length)) {
      let at = text.indexOf(target);
      while (at >= 0 && target) {
        const end = at + target.length;
        if (!places.some(([low, high]) => at < high && end > low)) places.push([at, end]);
        at = text.indexOf(target, end);
      }
    }
    const parts = [];
    let done = 0;
    for (const [low, high] of places.sort((a, b) => a[0] - b[0])) {
      parts.push(visible(text.slice(done, low)), el("mark", {}, visible(text.slice(low, high))));
      done = high;
    }
    return el("p", { class: "prompt-text", dir: "auto", lang: language }, parts, visible(text.slice(done)));
  }

  function lineList(item) {
    const states = ["viewer.line.exact", "viewer.line.errors", "viewer.line.extra"];
    const light = (index, on) => dialog.querySelector(`.boxes [data-line="${index}"]`)?.classList.toggle("lit", on);
    return el("ul", { class: "lines" }, lines(item).map((line, index) =>
      el("li", { onpointerenter: () => light(index, true), onpointerleave: () => light(index, false) },
        el("bdi", { lang: item.prompt.language }, visible(line.text)),
        el("span", { class: "state" }, t(states[line.state]), line.confidence === null ? null : ` · ${t("viewer.line.confidence", { value: line.confidence.toFixed(2) })}`))));
  }

  function timing(item) {
    const { total, warmup, batch, phases } = item.timing;
    return el("p", {}, t("viewer.timing.total", { time: seconds(total) }),
      phases.length > 1 ? `${window.Evalsuite.language === "zh" ? "：" : ": "}${phases.map((phase) => `${has(`phase.${phase.name}`) ? t(`phase.${phase.name}`) : visible(phase.name)} ${seconds(phase.seconds)}`).join(" · ")}` : null,
      warmup ? ` · ${t("viewer.timing.warmup")}` : null, batch > 1 ? ` · ${t("viewer.timing.batch", { n: batch })}` : null);
  }

  function strip(others, item, label) {
    return el("div", { class: "strip" }, others.map((other) =>
      el("a", { href: filters.address({ image: other.key }), "aria-current": other === item ? "true" : null, onclick: (event) => { event.preventDefault(); open(other.key); } },
        picture(other), el("span", { class: "line" }, label(other)), score(other, "line"))));
  }

  /** Where a picture was edited: the source, what became of it, and where they differ. */
  function editing(item) {
    const source = siblings.get(item.p).find((other) => other.seed === item.seed && other.model.name === window.Evalsuite.page.source);
    const [before, after] = [source, item].map((each) => each?.full ?? each?.thumbnail);
    if (!before || !after || source === item) return null;
    const [width, height] = item.size ?? [1, 1];
    const shown = (src, alt) => el("img", { src, alt, width, height });
    const side = (key, ...children) => el("figure", {}, children, el("figcaption", {}, t(key)));
    return section("viewer.edit", el("div", { class: "edit-pictures" },
      side("edits.before", shown(before, t("edits.before"))), side("edits.after", shown(after, t("edits.after"))),
      side("edits.difference", el("span", { class: "difference" }, shown(before, t("edits.difference")), shown(after, "")))));
  }

  /** The command that draws the image again, or what is to be said instead. */
  function commandOf(item) {
    const { command, note } = item.again;
    return [
      command === null ? null : el("div", { class: "command" }, el("pre", { tabindex: "0" }, visible(command)), copyButton(command)),
      note ? el("p", { class: "quiet" }, t(note)) : null,
    ];
  }

  function textSide(item) {
    const family = siblings.get(item.p);
    const seeds = family.filter((other) => other.m === item.m);
    const models = family.filter((other) => other.seed === item.seed);
    return el("div", { class: "viewer-text", tabindex: "0" },
      el("div", { class: "viewer-head" }, score(item, "score"),
        el("span", { class: "quiet" }, `${t("accuracy.characters")} · ${t("accuracy.strict")} ${rate(item.strict)}`)),
      item.status === "scored" && item.detail ? el("p", { class: "quiet" }, t("viewer.adjudicated")) : null,
      item.status !== "scored" && item.detail && (item.full ?? item.thumbnail) ? el("p", { class: "bad-text" }, visible(item.detail)) : null,
      item.exactSearch ? null : el("p", { class: "quiet" }, t("viewer.inexact")),
      editing(item),
      section("viewer.strings", strings(item)),
      item.extras.length ? section("viewer.extras", item.extras.map((extra) => el("p", {}, el("bdi", { class: "d-extra" }, visible(extra.text)), el("span", { class: "quiet" }, ` ${t(`diff.extra.${extra.kind}`)}`)))) : null,
      item.sha ? section("viewer.marks", marks.form(item)) : null,
      section("viewer.prompt", marked(item.prompt.text, item.prompt), copyButton(item.prompt.text)),
      item.revised ? section("viewer.revised", marked(item.revised, item.prompt)) : null,
      item.findings.length ? section("viewer.findings", item.findings.map(([code, message]) => el("p", {}, el("code", {}, visible(code)), ` ${visible(message)}`))) : null,
      seeds.length > 1 ? section("viewer.seeds", strip(seeds, item, (other) => t("card.seed", { seed: other.seed }))) : null,
      models.length > 1 ? section("viewer.models", strip(models, item, model)) : null,
      item.status === "scored" ? section("viewer.lines", lineList(item), lines(item).length ? copyButton(lines(item).map((line) => line.text).join("\n")) : null) : null,
      item.timing ? section("viewer.timing", timing(item)) : null,
      section("viewer.command", commandOf(item)));
  }

  function show(item) {
    current = item;
    const focused = dialog.contains(document.activeElement) ? [...dialog.querySelectorAll("button")].indexOf(document.activeElement) : -1;
    zoom = null;
    const side = pictureSide(item);
    dialog.replaceChildren(bar(item), el("div", { class: "viewer-body" }, side, textSide(item)));
    if (!dialog.open) dialog.showModal();
    const again = focused >= 0 ? dialog.querySelectorAll("button")[focused] : null;
    (again && !again.disabled ? again : dialog.querySelector("#viewer-title")).focus();
  }

  /** Open an image by its key; an unknown key (an old link) closes the viewer. */
  function open(key, { push = true } = {}) {
    const item = byKey.get(key);
    if (!item) { close(); return; }
    const first = !dialog.open;
    filters.state.image = key;
    filters.write({ push: push && first });
    show(item);
  }

  function step(by) {
    const place = gallery.shown.indexOf(current);
    const next = gallery.shown[place + by];
    if (place < 0 || !next) return;
    gallery.activate(place + by, { focus: false });
    open(next.key);
  }

  function close() {
    if (dialog.open) dialog.close();
  }

  dialog.addEventListener("close", () => {
    current = null;
    filters.state.image = "";
    filters.write();
    gallery.redraw();
    if (gallery.active >= 0) gallery.activate(gallery.active);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) close(); });

  Object.assign(window.Evalsuite, { viewer: { open, close, step, press: (event) => Boolean(zoom?.press(event)), redraw: () => current && show(current), get isOpen() { return dialog.open; }, get current() { return current; } } });
})();

"use strict";
/* The picture of an image with its OCR boxes, and what a card says of its text. */
(() => {
  const { el, svg, t, rate, visible, inline, lines } = window.Evalsuite;

  const name = (item) => ({ prompt: item.prompt.id, model: visible(item.model.name), seed: item.seed });

  /** The OCR boxes of an image, to lie over its picture; null where its size is not known. */
  function overlay(item) {
    if (!item.size) return null;
    const [width, height] = item.size;
    const box = (line, index) => line.polygon && svg("polygon", { class: `b-${line.state}`, "data-line": index, points: line.polygon.join(" ") },
      svg("title", {}, visible(line.text)));
    return svg("svg", { class: "boxes", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "xMidYMid meet", "aria-hidden": "true" },
      lines(item).map(box));
  }

  /** A square with the thumbnail, else with the image itself, else with the reason why there is none. */
  function picture(item, { boxes = false } = {}) {
    const source = item.thumbnail ?? item.full;
    const frame = el("span", { class: "picture" });
    if (!source) frame.append(el("span", { class: "none" }, t(item.lost ? "card.lost" : item.status === "missing" ? "card.missing" : "viewer.no_thumbnail")));
    else {
      const [width, height] = item.size ?? [null, null];
      frame.append(el("img", { src: source, alt: t("card.image", name(item)), loading: "lazy", decoding: "async", width, height, draggable: "false" }));
      if (boxes) { const over = overlay(item); if (over) frame.append(over); }
    }
    return frame;
  }

  const SHORT = 4; // strings that a card shows one by one even where all are exact

  /** The strings of an image in the order of the prompt, and its extra text. Of many, exact ones in a row are counted. */
  function diffs(item) {
    if (item.status !== "scored") return el("p", { class: "quiet" }, visible(item.detail ?? ""));
    const flawed = (target) => !target.exact || target.caseErrors > 0;
    const targets = item.targets;
    const shown = [];
    let run = [];
    const close = () => {
      if (run.length > 1) shown.push(el("p", { class: "quiet" }, t("card.exact", { n: run.length })));
      else shown.push(...run.map((target) => el("p", { lang: item.prompt.language }, inline(target))));
      run = [];
    };
    for (const target of targets) {
      if (targets.length > SHORT && !flawed(target)) { run.push(target); continue; }
      close();
      shown.push(el("p", { lang: item.prompt.language }, inline(target)));
    }
    close();
    return [
      ...shown.slice(0, 12),
      ...item.extras.slice(0, 4).map((extra) => el("p", {}, el("span", { class: "quiet" }, `${t("card.extra")} `), el("bdi", { class: "d-extra" }, visible(extra.text)))),
    ];
  }

  /** Room for a card's text in pixels: what most of the images need, between two and five lines of strings. */
  function textHeight(items) {
    const need = items.map((item) => item.status === "scored"
      ? item.prompt.targets.slice(0, 6).reduce((sum, target) => sum + Math.ceil(target.length / 30), 0) + Math.min(2, item.rawExtras.length) : 2);
    need.sort((a, b) => a - b);
    return 108 + 22 * Math.min(5, Math.max(2, need[Math.floor(need.length * 0.8)] ?? 2));
  }

  /** Height by width of the tallest picture that is usual here, between 0.5 and 1.25; 1 where no size is known. */
  function tallest(items) {
    const ratios = items.filter((item) => item.size).map((item) => item.size[1] / item.size[0]);
    return ratios.length ? Math.min(1.25, Math.max(0.5, ratios.reduce((a, b) => Math.max(a, b), 0))) : 1;
  }

  /** The accuracy of an image, or that there is none. */
  function score(item, style = "card-score") {
    if (item.status !== "scored") {
      const blank = item.status === "missing" && (item.full ?? item.thumbnail);
      return el("span", { class: `${style} bad-text` }, t(blank ? "card.blank" : `card.${item.status}`));
    }
    return el("span", { class: style, title: t("card.accuracy", { value: rate(item.accuracy) }) }, rate(item.accuracy));
  }

  /** A model's name, and what it is where it is no real model. */
  const model = (item) => [el("bdi", {}, visible(item.model.name)), item.model.role === "model" ? null : el("span", { class: "role" }, ` · ${t(`role.${item.model.role}`)}`)];

  Object.assign(window.Evalsuite, { overlay, picture, diffs, score, model, textHeight, tallest, imageName: name });
})();

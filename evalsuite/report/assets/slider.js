"use strict";
/* Two images on top of each other with a line between them that the pointer or the arrow keys move. */
(() => {
  const { el, t, visible, picture, overlay, imageName } = window.Evalsuite;

  const source = (item) => item.full ?? item.thumbnail;

  function image(item, style) {
    const [width, height] = item.size ?? [null, null];
    return el("img", { class: style, src: source(item), alt: t("card.image", imageName(item)), width, height, draggable: "false" });
  }

  /** The comparison of two images: with a slider where both are there and the slider is wanted, else side by side. */
  function compared(left, right, { boxes, beside }) {
    const label = (item) => el("figcaption", {}, el("bdi", {}, visible(item.model.name)), item.model.role === "model" ? null : ` · ${t(`role.${item.model.role}`)}`);
    if (beside || !source(left) || !source(right)) {
      return el("div", { class: "beside" }, [left, right].map((item) => el("figure", {}, label(item),
        source(item) ? el("div", { class: "frame" }, el("div", { class: "whole" }, image(item), boxes ? overlay(item) : null)) : picture(item))));
    }
    const top = el("div", { class: "slider-top" }, image(right), boxes ? overlay(right) : null);
    const line = el("div", { class: "slider-line", "aria-hidden": "true" });
    const range = el("input", { type: "range", min: 0, max: 100, step: 1, value: 50, class: "slider-range", "aria-label": t("compare.slider") });
    const stage = el("div", { class: "slider-stage" }, image(left), boxes ? overlay(left) : null, top, line);
    const [width, height] = left.size ?? [1, 1];
    stage.style.aspectRatio = `${width} / ${height}`;
    function place(value) {
      range.value = value;
      top.style.clipPath = `inset(0 0 0 ${value}%)`;
      line.style.left = `${value}%`;
    }
    const follow = (event) => {
      const box = stage.getBoundingClientRect();
      place(Math.min(100, Math.max(0, ((event.clientX - box.left) / box.width) * 100)));
    };
    stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); follow(event); event.preventDefault(); });
    stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) follow(event); });
    range.addEventListener("input", () => place(Number(range.value)));
    place(50);
    const slider = el("div", { class: "slider" }, el("div", { class: "slider-names" }, label(left), label(right)), stage, range);
    slider.style.setProperty("--ratio", width / height);
    return slider;
  }

  Object.assign(window.Evalsuite, { compared });
})();

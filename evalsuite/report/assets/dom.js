"use strict";
/* Small helpers: elements without markup strings, and untrusted text made visible. */
(() => {
  const SVG = "http://www.w3.org/2000/svg";

  function fill(element, properties, children) {
    for (const [name, value] of Object.entries(properties)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : value);
    }
    for (const child of children.flat(Infinity)) {
      if (child !== null && child !== undefined && child !== false) element.append(child);
    }
    return element;
  }

  /** An element: attributes, `onevent` listeners, children. Strings become text, never markup. */
  const el = (name, properties = {}, ...children) => fill(document.createElement(name), properties, children);
  const svg = (name, properties = {}, ...children) => fill(document.createElementNS(SVG, name), properties, children);

  /* The same characters as wording.py writes out: controls, and what reorders or hides its neighbours. */
  const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

  /** Text with its controls and reordering characters written out, e.g. ‹U+202E›. */
  const visible = (text) =>
    text.replace(HIDDEN, (character) => `‹U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}›`);

  const segmenter = typeof Intl.Segmenter === "function" ? new Intl.Segmenter(undefined, { granularity: "grapheme" }) : null;
  const graphemes = (text) => (segmenter ? Array.from(segmenter.segment(text), (part) => part.segment) : Array.from(text));

  /** A rate with three decimals, and more where it would look perfect and is not; as wording.py does. */
  function rate(value) {
    if (value === null) return "–";
    for (let digits = 3; digits < 8; digits += 1) {
      const text = value.toFixed(digits);
      if (value === 1 || Number(text) !== 1) return text.replace("-", "\u2212");
    }
    return value.toFixed(7);
  }

  function seconds(value) {
    if (value < 0.1) return `${Number((value * 1000).toPrecision(3))} ms`;
    if (value < 120) return `${value < 100 ? Number(value.toPrecision(3)) : Math.round(value)} s`;
    const whole = Math.round(value);
    return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  }

  /** A button that copies a text; where the browser forbids it (an address without encryption), by a hidden field. */
  function copyButton(text, key = "viewer.copy") {
    const { t } = window.Evalsuite;
    const button = el("button", { type: "button", class: "copy", onclick: async () => {
      if (navigator.clipboard && window.isSecureContext) await navigator.clipboard.writeText(text);
      else {
        const field = el("textarea", { class: "unseen", "aria-hidden": "true" });
        field.value = text;
        button.after(field);
        field.select();
        document.execCommand("copy");
        field.remove();
        button.focus();
      }
      button.textContent = t("viewer.copied");
    } }, t(key));
    return button;
  }

  /** Hand a text to the browser as a file. */
  function download(name, text, type) {
    const url = URL.createObjectURL(new Blob([text], { type }));
    const link = el("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    URL.revokeObjectURL(url);
  }

  /* On paper every table is open. */
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const details of closed) details.open = true;
  });
  window.addEventListener("afterprint", () => { for (const details of closed) details.open = false; });

  Object.assign(window.Evalsuite, { el, svg, visible, graphemes, rate, seconds, copyButton, download });
})();

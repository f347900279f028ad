"use strict";
/* What was wanted against what was read: inline for cards, aligned character by character for the viewer. */
(() => {
  const { el, visible, graphemes, t } = window.Evalsuite;

  /** An OCR line break inside a reading, shown as a mark and not as a new line. */
  function withBreaks(text) {
    return text.split("\n").flatMap((part, index) => (index ? [el("span", { class: "d-break", "aria-hidden": "true" }, "⏎"), part] : [part]))
      .map((part) => (typeof part === "string" ? visible(part) : part));
  }

  function piece(edit) {
    const named = (kind) => `${t(`diff.${kind}`)}: ${visible(edit.target || edit.read)}`;
    switch (edit.kind) {
      case "equal": return visible((edit.read || edit.target).replace(/\n/g, " ")); // as it was read, its blanks too
      case "delete": return el("del", { class: "d-delete", title: named("delete") }, visible(edit.target));
      case "insert": return el("ins", { class: "d-insert", title: named("insert") }, withBreaks(edit.read));
      case "case": return el("span", { class: "d-case", title: `${t("diff.case")}: ${visible(edit.target)}` }, visible(edit.read));
      default: return el("span", { class: "d-substitute", title: `${t("diff.substitute")}: ${visible(edit.target)} → ${visible(edit.read)}` },
        el("del", {}, visible(edit.target)), el("ins", {}, withBreaks(edit.read)));
    }
  }

  /** One target on one line: text as drawn, with what is missing struck out and what was added underlined. */
  const inline = (target) => el("bdi", { class: "diff" }, target.edits.map(piece));

  const blank = (text) => /^\s*$/u.test(text);

  /** Columns of one edit: pairs of a wanted and a read grapheme, either of them possibly null. */
  function columns(edit) {
    const wanted = graphemes(edit.target);
    const read = graphemes(edit.read);
    if (edit.kind === "delete") return wanted.map((glyph) => [glyph, null]);
    if (edit.kind === "insert") return read.map((glyph) => [null, glyph]);
    const pairs = [];
    let i = 0;
    let j = 0;
    while (i < wanted.length || j < read.length) {
      // White space is not charged in most profiles, so it may stand on one side only.
      const alone = (side, place, other, there) => place < side.length && blank(side[place]) && !(there < other.length && blank(other[there]));
      if (alone(wanted, i, read, j)) pairs.push([wanted[i++], ""]);
      else if (alone(read, j, wanted, i)) pairs.push(["", read[j++]]);
      else if (i < wanted.length && j < read.length) pairs.push([wanted[i++], read[j++]]);
      else return [[edit.target, edit.read]]; // folded forms of other length: shown as one column
    }
    return pairs;
  }

  const EAST_ASIAN = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff00-\uff65]/u;
  const CLOSING = /^[\p{Pe}\p{Pf}\p{Po}]/u;

  /** Columns in groups that a line break should not part: Western words, and punctuation with what it follows. */
  function words(all) {
    const found = [];
    let last = " ";
    for (const each of all) {
      const text = each.wanted ?? each.read;
      const joins = !blank(text) && !blank(last) && (CLOSING.test(text) || !(EAST_ASIAN.test(text) || EAST_ASIAN.test(last)));
      if (joins) found.at(-1).push(each);
      else found.push([each]);
      last = text;
    }
    return found;
  }

  const MAX_COLUMNS = 600;

  /** Two lines, the target above what was read, one column a character. Read out as one sentence. */
  function aligned(target, language) {
    const all = target.edits.flatMap((edit) => columns(edit).map(([wanted, read]) => ({ kind: edit.kind, wanted, read })));
    const shown = all.slice(0, MAX_COLUMNS);
    const glyph = (text, absent) => (text === null ? absent : text === "\n" ? "⏎" : text === " " ? "\u00a0" : visible(text));
    const spoken = t("diff.spoken", {
      target: visible(target.target.slice(0, 500)), read: visible(target.edits.map((edit) => edit.read).join("").slice(0, 500)) || "–",
    });
    /** White space that stands on one side only costs nothing, and is shown as it was read: joined, or apart. */
    function blankRead(wanted, read) {
      if (read === "" && wanted !== null && blank(wanted)) return el("bdi", { class: "read d-blank", title: t("diff.joined") }, "‿");
      if (wanted === "" && read === " ") return el("bdi", { class: "read d-blank", title: t("diff.apart") }, "␣");
      return null;
    }
    const column = ({ kind, wanted, read }) =>
      el("span", { class: `pair p-${kind}` },
        el("bdi", { class: "target" }, wanted === "" ? "" : glyph(wanted, "\u00a0")),
        blankRead(wanted, read) ?? el("bdi", { class: "read" }, glyph(read, kind === "delete" ? "·" : "\u00a0")));
    const grid = el("div", { class: "aligned", "aria-hidden": "true", lang: language },
      words(shown).map((word) => (word.length > 1 ? el("span", { class: "word" }, word.map(column)) : column(word[0]))));
    return [
      el("span", { class: "unseen" }, spoken),
      grid,
      all.length > shown.length ? el("p", { class: "quiet" }, `… +${(all.length - shown.length).toLocaleString("en")}`) : null,
    ];
  }

  /** The legend of the marks. */
  function legend() {
    const sample = { delete: ["delete", "A", ""], substitute: ["substitute", "A", "B"], insert: ["insert", "", "B"], case: ["case", "A", "a"] };
    return Object.entries(sample).map(([kind, [edit, target, read]]) =>
      el("li", {}, piece({ kind: edit, target, read }), ` ${t(`diff.${kind}`)}`));
  }

  Object.assign(window.Evalsuite, { inline, aligned, legend });
})();

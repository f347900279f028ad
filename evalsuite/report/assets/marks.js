"use strict";
/* Judging the judge: a person's marks on readings. Kept in this browser, exported and imported as JSON. */
(() => {
  const { el, t, page, items, lines, remembered, download } = window.Evalsuite;
  const PLACE = `evalsuite.marks.${page.run}.${page.engine}`;
  const byKey = new Map(items.map((item) => [item.key, item]));
  /* The random sample that a person judges (`evalsuite judge`), by its place in the order of drawing. */
  const sample = new Map((page.sample ?? []).filter((key) => byKey.has(key)).map((key, place) => [key, place]));
  const listeners = [];
  const marks = new Map();
  let kept = true;

  /** Marks from JSON that we or someone else wrote: only those that fit this run's images as they are now. */
  function take(list) {
    let refused = 0;
    for (const mark of Array.isArray(list) ? list : []) {
      const item = mark && byKey.get(mark.key);
      const reading = mark?.reading ?? null;
      const fits = item && item.sha === mark.image_sha256 && ["ocr-misread", "model-misdrew"].includes(mark.verdict)
        && (reading === null || (Array.isArray(reading) && reading.every((line) => typeof line === "string")))
        && (mark.verdict === "model-misdrew" || reading !== null);
      if (fits) marks.set(mark.key, entry(item, mark.verdict, reading, String(mark.marked_at)));
      else refused += 1;
    }
    return refused;
  }

  function entry(item, verdict, reading, when = new Date().toISOString()) {
    return { key: item.key, model: item.model.name, prompt: item.prompt.id, seed: item.seed, image_sha256: item.sha, verdict, reading, marked_at: when };
  }

  function save() {
    kept = remembered.set(PLACE, JSON.stringify([...marks.values()]));
    for (const listener of listeners) listener();
  }

  function set(item, verdict, reading) {
    if (verdict) marks.set(item.key, entry(item, verdict, reading));
    else marks.delete(item.key);
    save();
  }

  /** What `evalsuite score --adjudications` reads. A misreading without its correction is no mark yet and stays here. */
  function exported() {
    const whole = [...marks.values()].filter((mark) => !unfinished(mark)).sort((a, b) => (a.key < b.key ? -1 : 1));
    return { format: 1, run: page.run, engine_digest: page.engine, marks: whole };
  }

  const readBy = (item) => lines(item).map((line) => line.text);
  const unfinished = (mark) => mark.verdict === "ocr-misread"
    && (mark.reading === null || JSON.stringify(mark.reading) === JSON.stringify(readBy(byKey.get(mark.key))));

  const saveFile = () => download(`marks-${page.run.slice(0, 8)}.json`, JSON.stringify(exported(), null, 1), "application/json");

  async function upload(file, say) {
    let found;
    try { found = JSON.parse(await file.text()); } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      say(t("mark.import.broken"));
      return;
    }
    if (found?.format !== 1 || found.run !== page.run || found.engine_digest !== page.engine) { say(t("mark.import.other")); return; }
    const before = found.marks?.length ?? 0;
    const refused = take(found.marks);
    save();
    say(t("mark.import.done", { n: before - refused, refused }));
  }

  const done = () => [...sample.keys()].filter((key) => marks.has(key) && !unfinished(marks.get(key)));

  /** Show the sample in its order, and open the first image that is not judged. */
  function judge() {
    const judged = new Set(done());
    const next = [...sample.keys()].find((key) => !judged.has(key)) ?? [...sample.keys()][0];
    window.Evalsuite.filters.choose({ model: "", kind: "sample", sort: "sample" });
    window.Evalsuite.viewer.open(next);
  }

  /** Mark the open image by a key: Y right, N misread (the text is then corrected), U not judged. */
  function press(item, key) {
    const verdict = { y: "model-misdrew", n: "ocr-misread", u: "" }[key];
    if (verdict === undefined || !item.sha) return false;
    document.querySelector(`.mark input[value="${verdict}"]`)?.click();
    // A focused radio button would take the arrows for itself.
    document.querySelector(verdict === "ocr-misread" ? ".mark textarea" : "#viewer-title").focus();
    return true;
  }

  /** The line above the gallery: how many are judged, export, import. */
  function bar() {
    const note = el("span", { class: "quiet", role: "status" });
    const file = el("input", { type: "file", accept: "application/json,.json", class: "unseen", id: "marks-file", tabindex: "-1", "aria-hidden": "true",
      onchange: async (event) => {
        const chosen = event.target.files[0];
        event.target.value = ""; // so that the same file, corrected, can be chosen again
        if (chosen) await upload(chosen, (text) => { document.getElementById("marks-note").textContent = text; });
      } });
    note.id = "marks-note";
    const misread = [...marks.values()].filter((mark) => mark.verdict === "ocr-misread").length;
    return [
      el("span", { id: "marks-count" }, marks.size ? t("mark.count", { n: marks.size, misread }) : t("mark.none")),
      el("button", { type: "button", id: "marks-export", disabled: exported().marks.length === 0, onclick: saveFile }, t("mark.export")),
      el("button", { type: "button", id: "marks-import", onclick: () => file.click() }, t("mark.import")),
      file,
      sample.size ? el("button", { type: "button", id: "marks-sample", onclick: judge }, t("mark.sample", { judged: done().length, total: sample.size })) : null,
      marks.size > exported().marks.length ? el("span", { class: "quiet", id: "marks-open" }, t("mark.open", { n: marks.size - exported().marks.length })) : null,
      kept ? null : el("span", { class: "bad-text" }, t("mark.not_kept")),
      note,
    ];
  }

  /** The form in the viewer: who was wrong, and what the image says. */
  function form(item) {
    const mark = marks.get(item.key);
    const verdict = mark?.verdict ?? "";
    const radio = (value) => el("label", { class: "choice" },
      el("input", { type: "radio", name: "mark", value, checked: verdict === value, onchange: () => {
        set(item, value, value === "ocr-misread" ? readBy(item) : null);
        document.querySelector(".mark").replaceWith(form(item));
        document.querySelector(`.mark input[value="${value}"]`).focus();
      } }), t(`mark.verdict.${value || "none"}`));
    const area = el("textarea", { rows: Math.max(2, readBy(item).length), spellcheck: "false", dir: "auto", lang: item.prompt.language, onkeydown: (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      document.getElementById("viewer-title").focus();
      window.Evalsuite.viewer.step(1);
    }, oninput: (event) => {
      set(item, "ocr-misread", event.target.value.split("\n").filter((line) => line.trim() !== ""));
      hint.hidden = !unfinished(marks.get(item.key));
    } });
    area.value = (mark?.reading ?? []).join("\n");
    const hint = el("p", { class: "quiet hint", hidden: !(mark && unfinished(mark)) }, t("mark.unfinished"));
    return el("fieldset", { class: "mark" }, el("legend", { class: "unseen" }, t("mark.title")), el("div", { class: "choices" }, ["", "ocr-misread", "model-misdrew"].map(radio)),
      el("p", { class: "quiet keys" }, t("mark.keys")),
      verdict === "ocr-misread" ? [el("label", { class: "correction" }, t("mark.reading"), area), hint] : null);
  }

  const stored = remembered.get(PLACE);
  if (stored) {
    try { take(JSON.parse(stored)); } catch (error) { if (!(error instanceof SyntaxError)) throw error; }
  }

  /** What a card says of an image that was judged: nothing where it was not. */
  function badge(item) {
    const mark = marks.get(item.key);
    if (!mark) return null;
    const key = mark.verdict === "model-misdrew" ? "mark.badge.right" : unfinished(mark) ? "mark.badge.open" : "mark.badge.misread";
    return el("span", { class: "chip judged" }, t(key));
  }

  Object.assign(window.Evalsuite, { marks: { form, bar, badge, press, sample, get: (key) => marks.get(key), exported, onChange: (listener) => listeners.push(listener) } });
})();

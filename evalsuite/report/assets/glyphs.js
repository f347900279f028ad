"use strict";
/* A person's marks on glyphs: buttons and keys on each cut-out. Kept in this browser, exported and imported as JSON. */
(() => {
  const { el, t, remembered } = window.Evalsuite;
  const page = JSON.parse(document.getElementById("glyph-data").textContent);
  const PLACE = `evalsuite.glyph-marks.${page.run}.${page.engine}`;
  const VERDICTS = ["sound", "malformed", "not-this-character"];
  const tiles = [...document.querySelectorAll(".glyph-tiles li")];
  const marks = new Map(Object.entries(page.marks));
  let kept = true;

  const nameOf = (mark) => `${mark?.key}:${mark?.line}:${mark?.index}`;

  /** Marks that we or someone else exported: only those of glyphs on this page, as they are now. */
  function take(list) {
    let refused = 0;
    for (const mark of Array.isArray(list) ? list : []) {
      const glyph = page.glyphs[nameOf(mark)];
      const fits = glyph && glyph.image_sha256 === mark.image_sha256 && glyph.character === mark.character && VERDICTS.includes(mark.verdict);
      if (fits) marks.set(nameOf(mark), [mark.verdict, String(mark.marked_at)]);
      else refused += 1;
    }
    return refused;
  }

  /** What `evalsuite glyphs --marks` reads. */
  function exported() {
    const list = [...marks].filter(([name]) => page.glyphs[name]).map(([name, [verdict, when]]) => ({ ...page.glyphs[name], verdict, marked_at: when }));
    return { format: page.format, run: page.run, engine_digest: page.engine, marks: list };
  }

  function set(name, verdict) {
    if (verdict && marks.get(name)?.[0] !== verdict) marks.set(name, [verdict, new Date().toISOString()]);
    else marks.delete(name);
    kept = remembered.set(PLACE, JSON.stringify(exported().marks));
    show();
  }

  function download() {
    const url = URL.createObjectURL(new Blob([JSON.stringify(exported(), null, 1)], { type: "application/json" }));
    const link = el("a", { href: url, download: `glyph-marks-${page.run.slice(0, 8)}.json` });
    document.body.append(link);
    link.click();
    link.remove();
    URL.revokeObjectURL(url);
  }

  async function upload(file, say) {
    let found;
    try { found = JSON.parse(await file.text()); } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      say(t("mark.import.broken"));
      return;
    }
    if (found?.format !== page.format || found.run !== page.run || found.engine_digest !== page.engine) { say(t("mark.import.other")); return; }
    const before = found.marks?.length ?? 0;
    const refused = take(found.marks);
    kept = remembered.set(PLACE, JSON.stringify(exported().marks));
    show();
    say(t("mark.import.done", { n: before - refused, refused }));
  }

  const note = el("span", { class: "quiet", role: "status" });
  const file = el("input", { type: "file", accept: "application/json,.json", class: "unseen", tabindex: "-1", "aria-hidden": "true",
    onchange: async (event) => {
      const chosen = event.target.files[0];
      event.target.value = ""; // so that the same file, corrected, can be chosen again
      if (chosen) await upload(chosen, (text) => { note.textContent = text; });
    } });

  /** Every tile with its buttons, and the line above them. */
  function show() {
    for (const tile of tiles) {
      const verdict = marks.get(tile.dataset.place)?.[0];
      for (const button of tile.querySelectorAll(".glyph-verdicts button")) button.setAttribute("aria-pressed", button.value === verdict ? "true" : "false");
    }
    const sampled = page.sample.filter((name) => marks.has(name)).length;
    const bar = document.getElementById("marks");
    const focused = document.activeElement?.id;
    bar.hidden = tiles.length === 0;
    bar.replaceChildren(
      el("span", { id: "marks-count" }, t("glyphs.mark.count", { n: exported().marks.length, done: sampled, total: page.sample.length })),
      el("button", { type: "button", id: "marks-export", disabled: exported().marks.length === 0, onclick: download }, t("mark.export")),
      el("button", { type: "button", id: "marks-import", onclick: () => file.click() }, t("mark.import")),
      file, el("span", { class: "quiet" }, t("glyphs.keys")), note,
      ...(kept ? [] : [el("span", { class: "bad-text" }, t("mark.not_kept"))]),
    );
    if (focused?.startsWith("marks-")) document.getElementById(focused)?.focus();
  }

  function build() {
    for (const tile of tiles) {
      tile.querySelector(".glyph-verdicts")?.remove();
      tile.setAttribute("tabindex", "0");
      tile.append(el("div", { class: "glyph-verdicts", role: "group", "aria-label": t("glyphs.mark.group") }, VERDICTS.map((verdict) =>
        el("button", { type: "button", value: verdict, onclick: () => set(tile.dataset.place, verdict) }, t(`glyphs.verdict.${verdict}`)))));
    }
    show();
  }

  const stored = remembered.get(PLACE);
  if (stored) {
    try { take(JSON.parse(stored)); } catch (error) { if (!(error instanceof SyntaxError)) throw error; }
  }
  window.Evalsuite.onLanguage(build);
  build();

  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || event.target.closest?.("input, select, textarea")) return;
    const at = tiles.indexOf(document.activeElement?.closest?.(".glyph-tiles li"));
    const by = { ArrowRight: 1, j: 1, ArrowLeft: -1, k: -1 }[event.key];
    if (by) {
      tiles[Math.min(Math.max(at + by, 0), tiles.length - 1)]?.focus();
      event.preventDefault();
      return;
    }
    const verdict = { 1: "sound", 2: "malformed", 3: "not-this-character", 0: "" }[event.key];
    if (verdict === undefined || at < 0) return;
    const name = tiles[at].dataset.place;
    if (verdict === "" || marks.get(name)?.[0] !== verdict) set(name, verdict); // a key sets; only a button takes back
    if (verdict) tiles[Math.min(at + 1, tiles.length - 1)].focus();
    event.preventDefault();
  });
})();

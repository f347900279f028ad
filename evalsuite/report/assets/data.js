"use strict";
/* The page's data with names: one object an image. The places are those of payload.py, format 2. */
(() => {
  const page = JSON.parse(document.getElementById("gallery-data").textContent);
  if (page.format !== 2) throw new Error(`data format ${page.format}`);

  const prompts = page.prompts.map(([id, suite, language, category, length, text, targets]) => ({
    id, suite: page.suites[suite], language: page.languages[language], category: page.categories[category], length, text, targets,
  }));
  const KINDS = ["equal", "case", "substitute", "delete", "insert"];
  const STATUS = ["scored", "missing", "unreadable"];
  const EXTRA = ["duplicate", "other"];

  function target(entry, wanted) {
    if (entry === 0) return { target: wanted, matched: true, errors: 0, caseErrors: 0, exact: true, edits: [{ kind: "equal", target: wanted, read: wanted }] };
    const [matched, errors, caseErrors, exact, edits] = entry;
    return {
      target: wanted, matched: matched === 1, errors, caseErrors, exact: exact === 1,
      edits: edits.map(([kind, piece, read]) => ({ kind: KINDS[kind], target: piece, read })),
    };
  }

  /** A text as one word of a shell, as Python's shlex.quote writes it. */
  const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

  class Item {
    constructor(row, place) {
      [this.m, this.p, this.seed, this.key, this.s, this.full, this.thumbnail, this.size, this.length, this.edits, this.extra,
        this.rawTargets, this.rawExtras, this.rawErrors, this.rawTiming, this.findings, this.detail, this.revised,
        this.exactSearch, this.sha, this.lost] = row;
      this.place = place;
    }
    get model() { return page.models[this.m]; }
    get prompt() { return prompts[this.p]; }
    get status() { return STATUS[this.s]; }
    get accuracy() { return this.length ? (this.length - this.edits) / this.length : null; }
    get strict() { return this.length ? (this.length - this.edits - this.extra) / this.length : null; }
    get targets() { return this.rawTargets.map((entry, index) => target(entry, this.prompt.targets[index])); }
    get extras() { return this.rawExtras.map(([kind, text]) => ({ kind: EXTRA[kind], text })); }
    get errors() { return this.rawErrors.map(([kind, wanted, read, malformed]) => ({ kind: page.errors[kind], wanted, read, malformed })); }
    get timing() {
      if (!this.rawTiming) return null;
      const [total, warmup, batch, phases, steps] = this.rawTiming;
      return { total, warmup: warmup === 1, batch, steps, phases: phases.map(([name, time]) => ({ name: page.phases[name], seconds: time })) };
    }
    /** Every kind of error that this image shows, for the filter. */
    get kinds() {
      if (this.found) return this.found;
      const found = new Set(this.rawErrors.map((error) => page.errors[error[0]]));
      if (this.rawErrors.some((error) => error[3])) found.add("malformed");
      for (const extra of this.rawExtras) found.add(EXTRA[extra[0]]);
      if (this.status !== "scored") found.add(this.status);
      if (this.lost) found.add("missing");
      found.add(found.size ? "any" : "none");
      for (const finding of this.findings) found.add(`finding:${finding[0]}`);
      this.found = found;
      return found;
    }
    /** Prompt, targets and reading in lower case, for the search. */
    get haystack() {
      if (this.hay === undefined) {
        const read = this.rawTargets.flatMap((entry) => (entry === 0 ? [] : [entry[4].map((edit) => edit[2]).join("")]));
        this.hay = [this.prompt.id, this.prompt.text, ...this.prompt.targets, ...read, ...this.rawExtras.map((extra) => extra[1])]
          .join("\n").toLowerCase();
      }
      return this.hay;
    }
    /** The command that draws (or reads) the image again, and the message key of what is to be said of it; both may be null. */
    get again() {
      const { command, whole, note } = page.models[this.m].again;
      const own = whole ? "" : `${page.commands[this.prompt.suite] ?? ""} --prompt ${quoted(this.prompt.id)} --seed ${this.seed}`;
      return { command: command === null ? null : command + own, note };
    }
  }

  const items = page.rows.map((row, place) => new Item(row, place));
  let boxes = null;

  /** The OCR lines of an image: state (0 as wanted, 1 with errors, 2 no target), text, confidence, polygon. */
  function lines(item) {
    boxes ??= JSON.parse(document.getElementById("gallery-boxes").textContent);
    return boxes[item.place].map(([state, text, confidence, polygon]) => ({ state, text, confidence, polygon }));
  }

  Object.assign(window.Evalsuite, { page, prompts, items, lines });
})();

"use strict";
/* Tables whose lines can be sorted by a click on a column's heading, and parts that fold up on a narrow screen. */
(() => {
  const { el } = window.Evalsuite;
  const UNITS = { ms: 0.001, s: 1, min: 60, MiB: 2 ** 20, GiB: 2 ** 30, "%": 0.01 };

  /** What a cell sorts by: its first number, in seconds or bytes where it has a unit, or its text; null where empty. */
  function value(cell) {
    const text = cell.textContent.trim().replace(/\u2212/g, "-").replace(/\u00a0/g, " ");
    const found = /^[×~+ ]*(-?[\d,]*\.?\d+)(?: (ms|s|min|MiB|GiB|%)(?: (\d+) s)?)?/.exec(text);
    if (found) return Number(found[1].replaceAll(",", "")) * (UNITS[found[2]] ?? 1) + Number(found[3] ?? 0);
    return text === "" || text === "–" || cell.querySelector(":scope > .quiet:only-child") ? null : text;
  }

  /** Empty cells stay last in both directions; a heading of numbers starts with the smallest, like one of texts. */
  function compare(a, b, down) {
    if (a === null || b === null) return (a === null) - (b === null);
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), document.documentElement.lang);
    return down ? -order : order;
  }

  function sort(table, place, down) {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row, index) => ({ row, index, key: value(row.cells[place]) }));
    rows.sort((a, b) => compare(a.key, b.key, down) || a.index - b.index);
    body.append(...rows.map((each) => each.row));
    for (const [index, heading] of [...table.tHead.rows[0].cells].entries()) {
      if (index === place) heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
    }
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    if (table.tBodies.length !== 1 || table.tBodies[0].rows.length < 3) continue;
    for (const [place, heading] of [...table.tHead.rows[0].cells].entries()) {
      const button = el("button", { type: "button", class: "sort", onclick: () => sort(table, place, heading.getAttribute("aria-sort") === "ascending") });
      button.append(...heading.childNodes);
      heading.append(button);
    }
  }

  /* On a narrow screen the parts below the answer start folded; a link to one opens it. */
  const folds = [...document.querySelectorAll("details.fold")];
  const narrow = window.matchMedia("(max-width: 46rem)");
  const fit = () => { for (const fold of folds) fold.open = !narrow.matches; };
  narrow.addEventListener("change", fit);
  fit();
  function unfold() {
    const name = location.hash.slice(1);
    const target = name && !name.includes("=") ? document.getElementById(name) : null;
    for (const fold of folds) if (target && (target.contains(fold) && fold.parentElement === target || fold.contains(target))) fold.open = true;
  }
  window.addEventListener("hashchange", unfold);
  unfold();
})();

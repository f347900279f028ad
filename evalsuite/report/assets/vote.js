"use strict";
/* Two images, one question. Which model drew which is not on the page, nor in what it asks the server for. */
(() => {
  const { t, el, visible, rate } = window.Evalsuite;
  const query = document.getElementById("vote").dataset.query;
  const at = (id) => document.getElementById(id);
  let pair = null;

  function trouble(error) {
    at("trouble").textContent = error instanceof TypeError ? t("view.gone") : error.message;
    at("trouble").hidden = false;
  }

  async function ask(path, options) {
    const answer = await fetch(`${path}?${query}`, options);
    if (!answer.ok) throw new Error(t("view.cannot"));
    at("trouble").hidden = true;
    return answer.json();
  }

  async function next() {
    try {
      const found = await ask("/vote/next.json");
      pair = found.pair;
      at("pair").hidden = pair === null;
      at("finished").hidden = pair !== null;
      at("count").textContent = t("view.voted", { done: found.done, total: found.total });
      if (pair === null) return;
      at("prompt").textContent = visible(pair.text);
      for (const side of ["left", "right"]) at(side).src = `/vote/image/${pair.id}/${side}.png?${query}`;
    } catch (error) { trouble(error); }
  }

  async function cast(choice) {
    if (pair === null) return;
    const body = JSON.stringify({ pair: pair.id, choice });
    pair = null;
    try {
      await ask("/vote/cast", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    } catch (error) { trouble(error); }
    await next();
  }

  async function results() {
    try {
      const found = await ask("/vote/results.json");
      const share = found.first_share;
      const ends = share.low === null ? "" : ` [${rate(share.low)}, ${rate(share.high)}]`;
      const rows = [
        [t("view.votes"), String(found.votes)],
        [t("view.better", { name: visible(found.first) }), String(found.first_better)],
        [t("view.better", { name: visible(found.second) }), String(found.second_better)],
        [t("view.same"), String(found.same)],
        [t("view.share", { name: visible(found.first) }), rate(share.estimate) + ends],
      ];
      at("figures").replaceChildren(...rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
      at("figures").hidden = false;
    } catch (error) { trouble(error); }
  }

  for (const button of document.querySelectorAll("[data-choice]")) {
    button.addEventListener("click", () => cast(button.dataset.choice));
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.closest("select, input")) return;
    const choice = { ArrowLeft: "left", ArrowRight: "right", "=": "same" }[event.key];
    if (choice) { event.preventDefault(); cast(choice); }
  });
  at("show").addEventListener("click", results);
  next();
})();

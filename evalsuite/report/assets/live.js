"use strict";
/* A run in progress: its state is asked for every two seconds, and only what changed is put anew. */
(() => {
  const { t, el, visible, rate, seconds } = window.Evalsuite;
  const page = document.getElementById("live");
  const at = (id) => document.getElementById(id);
  let last = null;

  function interval(found) {
    if (found.estimate === null) return "–";
    const ends = found.low === null || found.high === null ? "" : ` [${rate(found.low)}, ${rate(found.high)}]`;
    return rate(found.estimate) + ends;
  }

  function times(now) {
    const told = [];
    if (now.elapsed !== null) told.push(t("view.elapsed", { time: seconds(now.elapsed) }));
    if (now.left_drawing) told.push(t("view.left.drawing", { time: seconds(now.left_drawing) }));
    else if (now.left_reading) told.push(t("view.left.reading", { time: seconds(now.left_reading) }));
    return told.join(" · ");
  }

  function bar(id, done, total) {
    at(id).max = total || 1;
    at(id).value = done;
    at(`${id}-text`).textContent = `${done} / ${total}`;
  }

  function image(item) {
    const said = item.failed !== null ? visible(item.failed) : item.accuracy === null ? t("view.not_read") : rate(item.accuracy);
    return el("li", {},
      el("span", { class: "picture" },
        item.shown ? el("img", { src: `${page.dataset.run}/thumbs/${item.key}.webp`, alt: `${visible(item.prompt)}, ${visible(item.model)}`, loading: "lazy" })
          : el("span", { class: "none" }, t("card.missing"))),
      el("p", { class: item.failed !== null ? "live-score bad-text" : "live-score" }, said),
      el("p", {}, visible(item.text)),
      el("p", { class: "quiet" }, `${visible(item.model)} · ${visible(item.prompt)} · ${item.seed}`));
  }

  function show(now) {
    last = now;
    at("state").textContent = t(`view.state.${now.state}`);
    at("times").textContent = times(now);
    bar("drawn", now.drawn, now.planned);
    bar("read", now.read, now.planned);
    at("model-rows").replaceChildren(...now.models.map((each) => el("tr", {},
      el("th", { scope: "row" }, el("bdi", {}, visible(each.model)), " ",
        each.role === "model" ? null : el("span", { class: `chip chip-${each.role}` }, t(`role.${each.role}`))),
      el("td", { class: "nowrap" }, interval(each.accuracy)),
      el("td", { class: "number" }, `${each.drawn} / ${each.planned}`),
      el("td", { class: "number" }, String(each.scored)),
      el("td", { class: "number" }, String(each.failed)))));
    const shown = JSON.stringify(now.latest);
    if (at("latest").dataset.shown !== shown) {
      at("latest").dataset.shown = shown;
      at("latest").replaceChildren(...now.latest.map(image));
    }
  }

  async function look() {
    let pause = 2000;
    try {
      const answer = await fetch(page.dataset.state);
      if (!answer.ok) throw new Error(t("view.cannot"));
      const now = await answer.json();
      at("trouble").hidden = true;
      show(now);
      if (now.state !== "running") pause = 10000;
    } catch (error) {
      at("trouble").textContent = error instanceof TypeError ? t("view.gone") : error.message;
      at("trouble").hidden = false;
      pause = 5000;
    }
    window.setTimeout(look, pause);
  }

  window.Evalsuite.onLanguage(() => { if (last) { delete at("latest").dataset.shown; show(last); } });
  look();
})();

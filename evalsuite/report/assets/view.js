"use strict";
/* The list of runs: search as you type, and a word when there is something new. What is chosen stays until then. */
(() => {
  const field = document.getElementById("filter");
  if (field) {
    const groups = [...document.querySelectorAll(".runs tbody")];
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const group of groups) {
        const text = group.textContent.toLowerCase();
        group.hidden = !words.every((word) => text.includes(word));
      }
    });
  }

  const changed = document.getElementById("changed");
  let before = null;

  async function look() {
    try {
      const answer = await fetch("/stamp");
      const now = await answer.text();
      if (answer.ok && before !== null && now !== before) {
        const busy = document.querySelector(".runs :checked") || (field && field.value);
        if (!busy) { location.reload(); return; }
        changed.hidden = false;
      }
      if (answer.ok) before = now;
    } catch (error) {
      /* The server was stopped: what is shown stays. */
      if (!(error instanceof TypeError)) throw error;
    }
    window.setTimeout(look, 5000);
  }
  if (changed) look();
})();

"use strict";
/* Start: put the parts together, listen to the keyboard and to the address. */
(() => {
  const { filters, gallery, viewer, legend } = window.Evalsuite;
  const form = document.getElementById("filters");

  function build() {
    filters.controls(form);
    document.getElementById("legend").replaceChildren(...legend());
    gallery.refresh();
    viewer.redraw();
  }

  document.getElementById("gallery").hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  filters.onChange(gallery.refresh);
  window.Evalsuite.onLanguage(build);
  build();

  function followAddress() {
    filters.readAddress();
    filters.controls(form);
    gallery.refresh();
    if (filters.view.image) viewer.open(filters.view.image, { push: false });
    else viewer.close();
  }
  window.addEventListener("popstate", () => { if (location.hash.includes("=") || viewer.isOpen) followAddress(); });
  if (filters.view.image) viewer.open(filters.view.image, { push: false });

  const typing = (target) => target instanceof HTMLElement && target.closest("input, select, textarea, [contenteditable]");
  const arrow = (event) => ({ ArrowRight: 1, ArrowLeft: -1, j: 1, k: -1 })[event.key];

  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || typing(event.target)) return;
    const by = arrow(event);
    if (event.key === "b") { filters.toggleBoxes(); viewer.redraw(); }
    else if (viewer.isOpen) { if (by) { viewer.step(by); event.preventDefault(); } }
    else if (event.key === "/") { document.getElementById("filter-q").focus(); event.preventDefault(); }
    else if (by && (event.key.length === 1 || document.activeElement.closest?.("#grid"))) { gallery.activate(gallery.active + by); event.preventDefault(); }
    else if (["ArrowDown", "ArrowUp"].includes(event.key) && document.activeElement.closest?.("#grid")) {
      gallery.activate(gallery.active + (event.key === "ArrowDown" ? 1 : -1) * gallery.columns);
      event.preventDefault();
    }
  });
  window.Evalsuite.ready = true;
})();

"use strict";
/* Start: put the parts together, listen to the keyboard and to the address. */
(() => {
  const { filters, gallery, viewer, legend, marks } = window.Evalsuite;
  const form = document.getElementById("filters");

  function build() {
    filters.controls(form);
    document.getElementById("legend").replaceChildren(...legend());
    showMarks();
    gallery.refresh();
    viewer.redraw();
  }

  function showMarks() {
    const bar = document.getElementById("marks");
    const focused = document.activeElement?.id;
    bar.replaceChildren(...marks.bar().filter(Boolean), gallery.rowsButton());
    if (focused?.startsWith("marks-")) document.getElementById(focused)?.focus();
  }

  document.getElementById("gallery").hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  filters.onChange(gallery.refresh);
  marks.onChange(showMarks);
  window.Evalsuite.onLanguage(build);
  build();

  function followAddress() {
    filters.read();
    filters.controls(form);
    gallery.refresh();
    if (filters.state.image) viewer.open(filters.state.image, { push: false });
    else viewer.close();
  }
  window.addEventListener("popstate", () => { if (location.hash.includes("=") || viewer.isOpen) followAddress(); });
  if (filters.state.image) viewer.open(filters.state.image, { push: false });

  const typing = (target) => target instanceof HTMLElement && target.closest("input, select, textarea, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || typing(event.target)) return;
    const by = { ArrowRight: 1, ArrowLeft: -1, j: 1, k: -1 }[event.key];
    if (viewer.isOpen && viewer.press(event)) return;
    if (event.key === "b") { filters.toggleBoxes(); viewer.redraw(); }
    else if (viewer.isOpen && marks.press(viewer.current, event.key)) event.preventDefault();
    else if (viewer.isOpen) { if (by) { viewer.step(by); event.preventDefault(); } }
    else if (event.key === "/") { document.getElementById("filter-q").focus(); event.preventDefault(); }
    else gallery.walk(event);
  });
  window.Evalsuite.ready = true;
  window.Evalsuite.readyAt = performance.now();
})();

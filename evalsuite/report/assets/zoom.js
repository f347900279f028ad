"use strict";
/* Looking closer: wheel, pinch, buttons and keys enlarge a picture; dragging moves it. Several frames move as one. */
(() => {
  const { el, t } = window.Evalsuite;
  const MOST = 16;
  const STEP = 1.5;

  /**
   * `frames` holds pairs of a frame, which cuts off, and its content. Gives the buttons, and `press(key)` for the
   * keyboard: + and - enlarge and shrink, 0 shows the whole; with Shift the arrows move. True where the key was one.
   */
  function zoomable(frames) {
    let scale = 1;
    let x = 0;
    let y = 0;
    const level = el("span", { class: "quiet zoom-level", role: "status" });
    const within = (value, size) => Math.min(0, Math.max(size * (1 - scale), value));

    function draw() {
      for (const [frame, content] of frames) {
        x = within(x, content.offsetWidth);
        y = within(y, content.offsetHeight);
        content.style.transform = scale === 1 ? "" : `translate(${x}px, ${y}px) scale(${scale})`;
        frame.classList.toggle("zoomed", scale > 1);
      }
      level.textContent = scale === 1 ? "" : `${scale >= 10 ? Math.round(scale) : Math.round(scale * 10) / 10} ×`;
      less.disabled = whole.disabled = scale === 1;
      more.disabled = scale === MOST;
    }

    /** Enlarge by `factor` so that the point (left, top) of the content's frame stays where it is. */
    function by(factor, left, top) {
      const next = Math.min(MOST, Math.max(1, scale * factor));
      x = left - ((left - x) * next) / scale;
      y = top - ((top - y) * next) / scale;
      scale = next;
      draw();
    }
    const middle = () => [frames[0][1].offsetWidth / 2, frames[0][1].offsetHeight / 2];
    const fit = () => { scale = 1; x = 0; y = 0; draw(); };
    const button = (key, label, onclick) => el("button", { type: "button", class: "zoom", "aria-label": t(key), title: t(key), onclick }, label);
    const less = button("zoom.less", "−", () => by(1 / STEP, ...middle()));
    const more = button("zoom.more", "+", () => by(STEP, ...middle()));
    const whole = button("zoom.whole", "1×", fit);

    for (const [frame, content] of frames) {
      const held = new Map();
      // The content's own corner, without its move and its scale.
      const corner = () => { const box = content.getBoundingClientRect(); return [box.left - x, box.top - y]; };
      const spread = () => { const [a, b] = [...held.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
      frame.addEventListener("wheel", (event) => {
        const [left, top] = corner();
        by(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX - left, event.clientY - top);
        event.preventDefault();
      }, { passive: false });
      frame.addEventListener("dblclick", (event) => {
        const [left, top] = corner();
        if (scale > 1) fit();
        else by(4, event.clientX - left, event.clientY - top);
      });
      frame.addEventListener("pointerdown", (event) => {
        held.set(event.pointerId, [event.clientX, event.clientY]);
        if (scale > 1 || held.size > 1) { frame.setPointerCapture(event.pointerId); event.preventDefault(); }
      });
      frame.addEventListener("pointermove", (event) => {
        const before = held.get(event.pointerId);
        if (!before) return;
        const apart = held.size === 2 ? spread() : 0;
        held.set(event.pointerId, [event.clientX, event.clientY]);
        if (held.size === 2) {
          const [left, top] = corner();
          const [a, b] = [...held.values()];
          by(spread() / (apart || 1), (a[0] + b[0]) / 2 - left, (a[1] + b[1]) / 2 - top);
        } else if (scale > 1) {
          x += event.clientX - before[0];
          y += event.clientY - before[1];
          draw();
        }
      });
      for (const end of ["pointerup", "pointercancel", "pointerleave"]) frame.addEventListener(end, (event) => held.delete(event.pointerId));
    }

    function press(event) {
      const move = event.shiftKey && scale > 1 ? { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key] : null;
      if (move) { x += move[0]; y += move[1]; draw(); }
      else if (event.key === "+" || event.key === "=") by(STEP, ...middle());
      else if (event.key === "-") by(1 / STEP, ...middle());
      else if (event.key === "0") fit();
      else return false;
      event.preventDefault();
      return true;
    }

    draw();
    return { buttons: [less, more, whole, level], press };
  }

  Object.assign(window.Evalsuite, { zoomable });
})();

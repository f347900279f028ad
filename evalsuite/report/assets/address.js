"use strict";
/* A view's choices, kept in the part of the address after #, so that any view can be linked. */
(() => {
  /** Choices with their defaults; what is at its default stays out of the address. `home` is the address without any. */
  function choices(defaults, home) {
    const state = { ...defaults };

    function read() {
      const asked = new URLSearchParams(location.hash.slice(1));
      for (const name of Object.keys(defaults)) state[name] = asked.has(name) ? asked.get(name) : defaults[name];
    }

    function address(changes = {}) {
      const asked = new URLSearchParams();
      for (const [name, value] of Object.entries({ ...state, ...changes })) {
        if (value !== defaults[name]) asked.set(name, value);
      }
      const text = asked.toString();
      return text ? `#${text}` : home;
    }

    function write({ push = false } = {}) {
      const target = location.pathname + location.search + address();
      if (push) history.pushState(null, "", target);
      else history.replaceState(null, "", target);
    }

    const reset = (names) => { for (const name of names) state[name] = defaults[name]; };

    read();
    return { state, read, address, write, reset };
  }

  Object.assign(window.Evalsuite, { choices });
})();

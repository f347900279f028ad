"use strict";
/* The page's language and its light or dark style: chosen by the reader's settings, kept in the browser. */
(() => {
  const words = JSON.parse(document.getElementById("words").textContent);
  const listeners = [];
  let language = "en";

  /* Storage may be forbidden (private windows, strict settings); the page then forgets, and works. */
  const remembered = {
    get(key) {
      try { return window.localStorage.getItem(key); } catch (error) { if (error instanceof DOMException) return null; throw error; }
    },
    set(key, value) {
      try { window.localStorage.setItem(key, value); return true; } catch (error) {
        if (error instanceof DOMException) return false;
        throw error;
      }
    },
  };

  /** The message for `key`; `{name}` and `{n|one|many}` are filled from `values`, as in i18n.py; a value may be a message itself. */
  function t(key, values = {}) {
    const message = words[language][key];
    if (message === undefined) throw new Error(`no message ${key}`);
    return message.replace(/\{(\w+)(?:\|([^|{}]*)\|([^|{}]*))?\}/g, (_, name, one, many) => {
      const value = values[name];
      if (value === undefined) throw new Error(`message ${key} wants ${name}`);
      if (typeof value === "object") return t(value.key, value.values);
      return one === undefined ? String(value) : String(value) === "1" ? one : many;
    });
  }

  const has = (key) => words[language][key] !== undefined;

  function translate(root) {
    for (const element of root.querySelectorAll("[data-i18n]")) {
      element.textContent = t(element.dataset.i18n, JSON.parse(element.dataset.i18nValues || "{}"));
    }
    for (const element of root.querySelectorAll("[data-i18n-attribute]")) {
      const [name, key] = element.dataset.i18nAttribute.split(":");
      element.setAttribute(name, t(key, JSON.parse(element.dataset.i18nValues || "{}")));
    }
  }

  function choose(code, { keep = true } = {}) {
    language = words[code] ? code : "en";
    document.documentElement.lang = language === "zh" ? "zh-Hans" : language;
    document.getElementById("language").value = language;
    translate(document);
    if (keep) remembered.set("evalsuite.language", language);
    for (const listener of listeners) listener(language);
  }

  function preferred() {
    const asked = new URLSearchParams(location.hash.slice(1)).get("lang");
    const wishes = [asked, remembered.get("evalsuite.language"), ...navigator.languages];
    for (const wish of wishes) {
      const code = (wish || "").toLowerCase().split("-")[0];
      if (words[code]) return code;
    }
    return "en";
  }

  function style(theme) {
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    document.getElementById("theme").value = theme;
  }

  window.Evalsuite = {
    t, has, translate, remembered,
    get language() { return language; },
    onLanguage(listener) { listeners.push(listener); },
  };

  document.getElementById("language").addEventListener("change", (event) => choose(event.target.value));
  document.getElementById("theme").addEventListener("change", (event) => {
    style(event.target.value);
    remembered.set("evalsuite.theme", event.target.value);
  });
  style(remembered.get("evalsuite.theme") || "auto");
  choose(preferred(), { keep: false });
})();

/* The preview beside a connector's form: shows what the form as it is now would send. Nothing is saved or sent. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const panel = document.querySelector("#kg-preview");
  const form = document.querySelector("#connector_form");
  if (!panel || !form) return;
  const shown = panel.querySelector("#kg-preview-shown");
  const status = panel.querySelector("#kg-preview-status");
  const sample = panel.querySelector("#kg-sample");
  const pause = 350; /* milliseconds of rest after which somebody has typed enough to look */
  let waiting = 0;
  let asked = null;

  async function refresh() {
    if (asked) asked.abort();
    const asking = new AbortController();
    asked = asking;
    const entered = new FormData(form);
    entered.set("sample", sample.value);
    panel.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(panel.dataset.address, { method: "POST", body: entered, signal: asking.signal, redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const html = await answer.text();
      if (asked !== asking) return;
      shown.innerHTML = html;
      status.textContent = shown.querySelector(":scope > .kg-wrong") ? "Updated. It cannot be saved like this." : "Updated. Nothing was sent.";
    } catch (error) {
      if (error.name === "AbortError") return;
      status.textContent = "The preview could not be made. It is tried again at the next change; if you were signed out, sign in again.";
    }
    if (asked === asking) panel.removeAttribute("aria-busy");
  }

  function soon() {
    clearTimeout(waiting);
    waiting = setTimeout(refresh, pause);
  }

  form.addEventListener("input", soon);
  form.addEventListener("change", soon);
  sample.addEventListener("change", refresh);
  refresh();
});

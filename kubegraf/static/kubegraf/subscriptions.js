/* What makes the form of a subscription quick to fill in. Without it, the form is plain inputs that work. */
"use strict";

(() => {
  /* --- Event types: a filter, "select all" of a category, and how many are chosen --- */

  function count(picker) {
    const chosen = [...picker.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.value);
    const words = chosen.length === 0 || chosen.includes("all") ? "Every type" : `${chosen.length} chosen`;
    picker.querySelector("[data-kg-count]").textContent = words;
    for (const group of picker.querySelectorAll("[data-kg-group]")) {
      const button = group.querySelector("[data-kg-all]");
      if (button) button.textContent = boxes(group).every((box) => box.checked) ? "Select none" : "Select all";
    }
  }

  const boxes = (group) => [...group.querySelectorAll("label:not([hidden]) > input[type=checkbox]")];

  function filter(picker, text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let found = false;
    for (const group of picker.querySelectorAll("[data-kg-group]")) {
      for (const label of group.querySelectorAll("[data-kg-words]")) {
        label.hidden = !words.every((word) => label.dataset.kgWords.includes(word));
      }
      group.hidden = boxes(group).length === 0;
      found = found || !group.hidden;
    }
    picker.querySelector("[data-kg-none]").hidden = found;
    count(picker);
  }

  function pick(picker) {
    const box = picker.querySelector("[data-kg-filter]");
    picker.querySelector(".kg-picker-bar").hidden = false;
    box.addEventListener("input", () => filter(picker, box.value));
    box.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
    picker.addEventListener("change", () => count(picker));
    for (const button of picker.querySelectorAll("[data-kg-all]")) {
      button.hidden = false;
      button.addEventListener("click", () => {
        const group = boxes(button.closest("[data-kg-group]"));
        const all = group.every((one) => one.checked);
        for (const one of group) one.checked = !all;
        group[0].dispatchEvent(new Event("change", { bubbles: true }));
      });
    }
    count(picker);
  }

  /* --- Conditions: a row for each, kept as JSON in the field that is sent --- */

  function conditions(box) {
    const [text, rows, json] = ["textarea", "[data-kg-rows]", "[data-kg-json]"].map((of) => box.querySelector(of));
    const toggle = box.querySelector("[data-kg-as-json]");
    const template = box.querySelector("template");

    function show(asRows) {
      rows.hidden = !asRows;
      json.hidden = asRows;
      box.querySelector("[data-kg-add]").hidden = !asRows;
      box.querySelector("[data-kg-row-buttons]").hidden = false;
      toggle.setAttribute("aria-pressed", String(!asRows));
      toggle.textContent = asRows ? "Edit as JSON" : "Edit as rows";
    }

    function describe(row) {
      const { meaning, wants } = row.querySelector("[data-kg-key]").selectedOptions[0].dataset;
      row.querySelector("[data-kg-meaning]").textContent = `Holds if ${meaning}. Wants ${wants}.`;
    }

    function add(key, value) {
      const row = template.content.firstElementChild.cloneNode(true);
      if (key !== undefined) row.querySelector("[data-kg-key]").value = key;
      row.querySelector("[data-kg-value]").value = Array.isArray(value) ? value.join(", ") : value ?? "";
      describe(row);
      rows.append(row);
      return row;
    }

    /* Whether what stands there can be rows: known keys, whose values are a text, a number or a list of texts. */
    function read() {
      let said;
      try { said = text.value.trim() ? JSON.parse(text.value) : {}; } catch { return false; }
      const known = [...template.content.querySelectorAll("option")].map((option) => option.value);
      const plain = (value) => ["string", "number"].includes(typeof value)
        || (Array.isArray(value) && value.every((item) => typeof item === "string" && !item.includes(",")));
      if (said === null || typeof said !== "object" || Array.isArray(said)) return false;
      if (!Object.entries(said).every(([key, value]) => known.includes(key) && plain(value))) return false;
      rows.replaceChildren();
      for (const [key, value] of Object.entries(said)) add(key, value);
      return true;
    }

    function write() {
      const said = {};
      for (const row of rows.children) {
        const key = row.querySelector("[data-kg-key]");
        const value = row.querySelector("[data-kg-value]").value.trim();
        const several = value.split(",").map((item) => item.trim()).filter(Boolean);
        if ("numeric" in key.selectedOptions[0].dataset) said[key.value] = value && !isNaN(value) ? Number(value) : value;
        else said[key.value] = several.length > 1 ? several : value;
      }
      text.value = rows.children.length ? JSON.stringify(said) : "";
      text.dispatchEvent(new Event("input", { bubbles: true }));
    }

    rows.addEventListener("input", (event) => {
      if (event.target.matches("[data-kg-key]")) describe(event.target.closest(".kg-condition"));
      write();
    });
    rows.addEventListener("click", (event) => {
      if (!event.target.closest("[data-kg-remove]")) return;
      event.target.closest(".kg-condition").remove();
      write();
      box.querySelector("[data-kg-add]").focus();
    });
    box.querySelector("[data-kg-add]").addEventListener("click", () => {
      const taken = [...rows.querySelectorAll("[data-kg-key]")].map((key) => key.value);
      const free = [...template.content.querySelectorAll("option")].find((option) => !taken.includes(option.value));
      if (!free) return;
      add(free.value).querySelector("[data-kg-key]").focus();
      write();
    });
    toggle.addEventListener("click", () => {
      const asRows = rows.hidden && read();
      box.querySelector("[data-kg-refused]").hidden = !rows.hidden || asRows;
      show(asRows);
    });
    show(read());
  }

  /* --- Hours: the zones that the browser knows, and its own for a start --- */

  function hours(input) {
    if (!document.getElementById("kg-timezones")) {
      const list = document.createElement("datalist");
      list.id = "kg-timezones";
      for (const zone of ["UTC", ...Intl.supportedValuesOf("timeZone")]) list.append(new Option(zone, zone));
      document.body.append(list);
    }
    const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!input.value) input.value = input.defaultValue = here || "UTC";
  }

  /* --- Names that the record can suggest, to be taken with a click --- */

  let suggestions;

  async function suggest(area) {
    suggestions ??= fetch(area.dataset.kgUrl).then((answer) => (answer.ok ? answer.json() : {}), () => ({}));
    const names = (await suggestions)[area.dataset.kgSuggest] ?? [];
    if (!names.length) return;
    const lines = () => area.value.split(/[\n,]/).map((line) => line.trim()).filter(Boolean);
    const chips = document.createElement("div");
    chips.className = "kg-chips";
    chips.setAttribute("role", "group");
    chips.setAttribute("aria-label", `Seen lately: ${area.dataset.kgSuggest}`);
    for (const name of names) {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.className = "kg-chip";
      chip.textContent = name;
      chip.addEventListener("click", () => {
        const now = lines();
        area.value = (now.includes(name) ? now.filter((line) => line !== name) : [...now, name]).join("\n");
        area.dispatchEvent(new Event("input", { bubbles: true }));
      });
      chips.append(chip);
    }
    const mark = () => {
      for (const chip of chips.children) chip.setAttribute("aria-pressed", String(lines().includes(chip.textContent)));
    };
    area.addEventListener("input", mark);
    mark();
    area.after(chips);
  }

  /* --- The backtest: what stands in the form is asked about; neither is it saved nor is the page left --- */

  function prefix(outlook) {
    for (let around = outlook; around; around = around.parentElement) {
      const severity = around.querySelector("[name$=min_severity]");
      if (severity) return severity.name.slice(0, -"min_severity".length);
    }
    return "";
  }

  const FIELDS = /^(connector|enabled|event_types|min_severity|namespaces|clusters|conditions|schedule_\w+|send_resolved)$/;

  async function backtest(button) {
    const outlook = button.closest("[data-kg-outlook]");
    const result = outlook.querySelector("[data-kg-result]");
    const form = button.form;
    const named = prefix(outlook);
    const draft = new FormData();
    for (const [name, value] of new FormData(form)) {
      const field = name.startsWith(named) ? name.slice(named.length) : "";
      if (FIELDS.test(field)) draft.append(field, value);
    }
    draft.append("days", outlook.querySelector("[data-kg-days]").value);
    button.disabled = true;
    result.setAttribute("aria-busy", "true");
    const failed = (words) => {
      const line = document.createElement("p");
      line.textContent = words;
      result.replaceChildren(line);
    };
    try {
      const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
      const answer = await fetch(outlook.dataset.kgOutlook, {
        method: "POST", body: draft, headers: { "X-CSRFToken": token },
      });
      if (answer.ok && !answer.redirected) result.innerHTML = await answer.text();
      else if (answer.status === 403) failed("A backtest takes the right to see events.");
      else failed("This did not work. Reload the page and try again.");
    } catch {
      failed("The server cannot be reached.");
    } finally {
      result.removeAttribute("aria-busy");
      button.disabled = false;
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-kg-backtest]");
    if (button) backtest(button);
  });

  /* --- On every form there is, and every one that is added --- */

  const PARTS = [
    ["[data-kg-picker]", pick],
    ["[data-kg-conditions]", conditions],
    ["[data-kg-timezone]", hours],
    ["[data-kg-suggest]", suggest],
  ];

  function prepare(root) {
    for (const [selector, begin] of PARTS) {
      for (const part of root.querySelectorAll(selector)) {
        if (!part.closest(".empty-form")) begin(part);
      }
    }
  }

  document.addEventListener("DOMContentLoaded", () => prepare(document));
  document.addEventListener("formset:added", (event) => prepare(event.target));
})();

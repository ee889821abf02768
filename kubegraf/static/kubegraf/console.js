/* What the console's own pages do in the browser. No inline scripts: the page's policy forbids them. */
"use strict";

/* <button class="kg-copy" data-copy="#id">: copies the text of that element and says so. */
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  event.preventDefault();
  const source = document.querySelector(button.dataset.copy);
  if (!source) return;
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    /* Without https a browser gives no clipboard: select the text, so that Ctrl-C takes it. */
    const range = document.createRange();
    range.selectNodeContents(source);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = label; }, 1500);
});

/* <form data-confirm="Really?">: asks before it is sent. */
document.addEventListener("submit", (event) => {
  const question = event.target.dataset && event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

/* Charts are labelled in the page's own colour. The theme's script draws them when all is loaded, and updates them
   when light becomes dark, each time after this. */
const labelCharts = () => {
  const colour = getComputedStyle(document.documentElement).getPropertyValue("--kg-quiet");
  Chart.defaults.color = colour;
  for (const chart of Object.values(Chart.instances)) {
    for (const scale of Object.values(chart.options.scales)) scale.ticks.color = colour;
  }
};
window.addEventListener("load", labelCharts);
new MutationObserver(labelCharts).observe(document.documentElement, { attributeFilter: ["class"] });

/* Who has the system choose between light and dark sees its choice at once: the theme asks for it but once. */
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  const theme = Alpine.$data(document.documentElement);
  const chosen = theme.adminTheme;
  theme.adminTheme = "";
  theme.adminTheme = chosen;
});

/* Paper is white: what is printed in the dark would be light on it. */
let dark = false;
window.addEventListener("beforeprint", () => {
  dark = document.documentElement.classList.contains("dark");
  document.documentElement.classList.remove("dark");
});
window.addEventListener("afterprint", () => document.documentElement.classList.toggle("dark", dark));

/* Light or dark as it is chosen in the console, or as the system has it: for a page that the theme does not draw.
   It stands in the page's head, so that nothing is drawn in the wrong colours first. */
"use strict";

const system = matchMedia("(prefers-color-scheme: dark)");
const wear = () => {
  const chosen = localStorage.getItem("adminTheme");
  const dark = chosen === '"dark"' || (chosen !== '"light"' && system.matches);
  document.documentElement.classList.toggle("dark-mode", dark);
};
wear();
system.addEventListener("change", wear);

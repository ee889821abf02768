/* <form data-into="#id">, or a button of a form: what the server answers appears there instead of on a page of
   its own. Without this script it is a page of its own. */
"use strict";

document.addEventListener("submit", async (event) => {
  const form = event.target, button = event.submitter;
  const into = (button && button.dataset.into) || form.dataset.into;
  const place = into && document.querySelector(into);
  if (!place || event.defaultPrevented) return;
  event.preventDefault();
  const address = (button && button.getAttribute("formaction")) || form.getAttribute("action");
  const label = button && button.textContent;
  if (button) { button.disabled = true; button.textContent = "Checking…"; }
  place.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, {
      method: "POST", body: new FormData(form), headers: { "X-Requested-With": "XMLHttpRequest" },
    });
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    place.innerHTML = await answer.text();
  } catch {
    place.textContent = "There was no answer. Reload the page and try again.";
  } finally {
    place.removeAttribute("aria-busy");
    if (button) { button.disabled = false; button.textContent = label; }
    place.focus();
    place.scrollIntoView({ block: "nearest" });
  }
});

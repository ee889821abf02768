/* The demo's inbox: what has arrived since is put on top, and who reads further down keeps their place. */
"use strict";

const EVERY = 3000;

async function look(inbox) {
  if (document.visibilityState !== "visible") return;
  let page;
  try {
    const answer = await fetch(window.location.href, { headers: { "X-Requested-With": "XMLHttpRequest" } });
    if (!answer.ok || answer.redirected) return;
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return; /* The demo is being restarted; the next look finds it. */
  }
  const first = inbox.querySelector("[data-number]");
  const newest = first ? Number(first.dataset.number) : 0;
  const arrived = [...page.querySelectorAll("[data-kg-inbox] > [data-number]")]
    .filter((one) => Number(one.dataset.number) > newest);
  if (!arrived.length) return;
  const before = inbox.getBoundingClientRect().height;
  if (!first) inbox.replaceChildren();
  inbox.prepend(...arrived.map((one) => document.adoptNode(one)));
  if (window.scrollY > 80) window.scrollBy(0, inbox.getBoundingClientRect().height - before);
}

document.addEventListener("DOMContentLoaded", () => {
  const inbox = document.querySelector("[data-kg-newest]");
  if (inbox) setInterval(look, EVERY, inbox);
});

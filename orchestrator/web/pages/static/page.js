"use strict";
// Keeps a page current without losing the reader's place, and adds comforts to its forms. Every page works without it.

const EVERY = 5000; // milliseconds between two questions while something changes
const SLOWEST = 20000; // while nothing does

// ---------------------------------------------------------------- times

const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

function spokenTime(moment) {
  const seconds = (moment - Date.now()) / 1000;
  for (const [unit, length] of units) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return Math.abs(seconds) < 5 ? "now" : relative.format(Math.trunc(seconds), "second");
}

function showTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    const text = spokenTime(moment);
    if (element.textContent !== text) element.textContent = text;
    if (!element.title) element.title = exact.format(moment);
  }
}

// ---------------------------------------------------------------- taking over a newer page, in place

const keyOf = (node) => (node.nodeType === 1 ? node.dataset.key || node.dataset.id || node.id || null : null);
const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

function adapt(old, fresh) {
  if (old.nodeType !== 1) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if ("keep" in old.dataset || old.matches("form")) return; // keep a form that is being filled in
  if (old.nodeName === "TIME" && old.dateTime === fresh.dateTime) return;
  for (const { name, value } of fresh.attributes) {
    if (old.nodeName === "DETAILS" && name === "open") continue;
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    const own = (old.nodeName === "DETAILS" && name === "open") || (old.nodeName === "TIME" && name === "title");
    if (!own && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  if (old.nodeName === "TIME") old.removeAttribute("title");
  adaptChildren(old, fresh);
}

function adaptChildren(old, fresh) {
  const keyed = new Map([...old.children].map((child) => [keyOf(child), child]).filter(([key]) => key));
  let place = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const key = keyOf(next);
    const known = key ? keyed.get(key) : null;
    if (known && alike(known, next)) {
      if (known === place) place = place.nextSibling;
      else old.insertBefore(known, place);
      adapt(known, next);
    } else if (!key && place && !keyOf(place) && alike(place, next)) {
      const current = place;
      place = place.nextSibling;
      adapt(current, next);
    } else {
      old.insertBefore(next, place);
    }
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    if (!(gone.nodeType === 1 && "keep" in gone.dataset)) gone.remove();
  }
}

// ---------------------------------------------------------------- asking for it

const live = document.getElementById("live");
const state = document.getElementById("live-state");
const toggle = document.getElementById("live-toggle");
const isCurrent = document.querySelector("main form[method=post]:not([data-drop])") === null;
let etag = "";
let wait = EVERY;
let timer = 0;
let paused = false;

function say(text) {
  if (state.textContent !== text) state.textContent = text;
}

async function ask() {
  const headers = { "X-Live": "1" };
  if (etag) headers["If-None-Match"] = etag;
  const answer = await fetch(location.href, { headers, cache: "no-store", redirect: "error" });
  if (answer.status === 304) return false;
  if (answer.status === 401 || answer.status === 403) return location.reload();
  if (!answer.ok) throw new Error(String(answer.status));
  etag = answer.headers.get("ETag") || "";
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const main = document.getElementById("main");
  adaptChildren(main, fresh.getElementById("main"));
  showTimes(main);
  return true;
}

async function refresh() {
  try {
    wait = (await ask()) ? EVERY : Math.min(SLOWEST, wait * 1.5);
    say("Up to date");
  } catch {
    wait = Math.min(SLOWEST, wait * 1.5);
    say("No connection, trying again");
  }
  schedule();
}

function schedule() {
  clearTimeout(timer);
  if (!paused && !document.hidden) timer = setTimeout(refresh, wait);
}

function begin() {
  if (!isCurrent) return;
  live.hidden = false;
  say("Up to date");
  toggle.addEventListener("click", () => {
    paused = !paused;
    toggle.textContent = paused ? "Resume updates" : "Pause updates";
    say(paused ? "Updates paused" : "Up to date");
    wait = EVERY;
    schedule();
  });
  document.addEventListener("visibilitychange", () => {
    wait = EVERY;
    if (document.hidden || paused) clearTimeout(timer);
    else refresh();
  });
  schedule();
}

// ---------------------------------------------------------------- forms

for (const form of document.querySelectorAll("form[data-filter]")) {
  form.addEventListener("change", (event) => {
    if (event.target.matches("select")) form.requestSubmit();
  });
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && !field.value) field.disabled = true; // short addresses
  });
}
addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("form[data-filter] :disabled")) field.disabled = false;
});

for (const form of document.querySelectorAll("form[data-drop]")) {
  const zone = form.querySelector(".drop");
  const input = zone.querySelector("input");
  for (const name of ["dragover", "dragenter"]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
  });
}

for (const notices of document.querySelectorAll(".notices")) setTimeout(() => notices.remove(), 12000);

showTimes(document);
setInterval(() => showTimes(document), 10000);
begin();

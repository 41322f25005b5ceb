"use strict";
const byId = id => document.getElementById(id);
const make = (name, text, attributes) => {
  const one = document.createElement(name);
  if (text) one.textContent = text;
  for (const [key, value] of Object.entries(attributes || {})) one.setAttribute(key, value);
  return one;
};
for (const one of document.querySelectorAll(".tool")) one.hidden = false;

// Tables: a column sorts by its head; long tables have a box that filters their rows.
// A table of several bodies keeps each body together: a row and those that belong to it.
const value = (body, column) => {
  const row = body.tagName === "TR" ? body : body.rows[0];
  const text = row.cells[column] ? row.cells[column].textContent.trim() : "";
  const found = text.replaceAll("−", "-").match(/^[^\p{L}\d-]*(-?\d+(?:\.\d+)?)/u);
  return { text, number: found ? Number(found[1]) : NaN };
};
function compare(a, b) {
  const numbers = [Number.isNaN(a.number), Number.isNaN(b.number)];
  if (!numbers[0] && !numbers[1] && a.number !== b.number) return a.number - b.number;
  if (numbers[0] !== numbers[1]) return numbers[0] ? 1 : -1;
  return a.text.localeCompare(b.text, "en", { numeric: true });
}
function sort(table, column, down) {
  const bodies = [...table.tBodies];
  const parts = bodies.length > 1 ? bodies : [...bodies[0].rows];
  const keyed = parts.map((one, place) => ({ one, place, key: value(one, column) }));
  keyed.sort((a, b) => (down ? -1 : 1) * compare(a.key, b.key) || a.place - b.place);
  const home = bodies.length > 1 ? table : bodies[0];
  home.append(...keyed.map(({ one }) => one));
  [...table.tHead.rows[0].cells].forEach((head, k) => {
    if (k === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}
function sortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = make("button", "", { type: "button", class: "sort" });
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(table, column, head.getAttribute("aria-sort") === "ascending"));
  });
}
const outcome = byId("outcome");
function filter(table, words, count) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const kind = table.dataset.filter === "clips" && outcome ? outcome.value : "";
  let shown = 0;
  const bodies = [...table.tBodies];
  for (const one of bodies.length > 1 ? bodies : bodies[0].rows) {
    const text = one.textContent.toLowerCase();
    one.hidden = !(wanted.every(word => text.includes(word)) && (!kind || one.dataset.outcome === kind));
    shown += !one.hidden;
  }
  count.textContent = words || kind ? shown + " shown" : "";
}
function filterable(table) {
  const box = make("input", "", { type: "search", size: "18" });
  const label = make("label", "Filter ");
  const count = make("output", "", { class: "grey", "aria-live": "polite" });
  label.append(box);
  const line = make("div", "", { class: "controls" });
  line.append(label, count);
  const room = table.parentElement;
  room.parentElement.insertBefore(line, room);
  box.addEventListener("input", () => filter(table, box.value, count));
  if (table.dataset.filter === "clips" && outcome) {
    outcome.addEventListener("change", () => filter(table, box.value, count));
  }
}
for (const table of document.querySelectorAll("main table:not(.confusion)")) {
  const parts = table.tBodies.length > 1 ? table.tBodies.length : table.rows.length - 1;
  if (parts > 1) sortable(table);
  if (parts > 10) filterable(table);
}

// What scrolls sideways can be reached by the keyboard.
let asked = 0;
function reachable() {
  asked = 0;
  // All is measured before anything is changed: the page is laid out once.
  const wide = [...document.querySelectorAll(".scroll, .block")].map(one => [one, one.scrollWidth > one.clientWidth]);
  for (const [one, scrolls] of wide) {
    if (scrolls) one.tabIndex = 0;
    else one.removeAttribute("tabindex");
  }
}
const soon = () => { asked = asked || requestAnimationFrame(reachable); };
soon();
addEventListener("resize", soon);
document.addEventListener("toggle", soon, true);

// The viewer of one clip. A clip's pictures lie in the page as text until it is looked at.
const looked = new Map();
const said = number => {
  if (!looked.has(number)) looked.set(number, JSON.parse(byId("look-" + number).textContent));
  return looked.get(number);
};
const slider = byId("look-frame");
let current = null, playing = 0;
function step() {
  const part = Number(slider.value) / (Number(slider.max) || 1);
  let spoken = "";
  for (const tile of document.querySelectorAll("#look-pictures figure")) {
    const labels = tile.labels, at = Math.round(part * (labels.length - 1));
    const image = tile.querySelector("img");
    image.style.objectPosition = (labels.length > 1 ? 100 * at / (labels.length - 1) : 0) + "% 0";
    image.alt = tile.product + ", " + labels[at];
    tile.querySelector("figcaption").textContent = labels[at];
    spoken = spoken || labels[at];
  }
  slider.setAttribute("aria-valuetext", spoken);
}
function verdicts(rows) {
  const table = make("table");
  const head = table.createTHead().insertRow();
  for (const name of ["system", "true class", "named", "", "score of the true class"]) head.append(make("th", name || "right?"));
  const body = table.createTBody();
  for (const [system, truth, named, right, share] of rows) {
    const row = body.insertRow();
    for (const text of [system, truth, named]) row.append(make("td", text));
    row.append(make("td", right ? "✓ right" : "✗ wrong", { class: right ? "good" : "bad" }));
    row.append(make("td", share === null ? "–" : share.toFixed(3), { class: "n" }));
  }
  return table;
}
function look(number, move) {
  const mark = document.querySelector(`table.clips [data-look="${number}"]`);
  const row = mark.closest("tr"), cells = [...row.cells].map(cell => cell.textContent);
  for (const one of document.querySelectorAll("tr[aria-current]")) one.removeAttribute("aria-current");
  row.setAttribute("aria-current", "true");
  current = row;
  const { pictures, verdicts: rows } = said(number);
  byId("look-name").textContent = cells[0];
  byId("look-facts").textContent = `${cells[1]}, subject ${cells[2]}, ${cells[3]}` + (rows.length ? `; wrong: ${cells[4]} systems` : "; not predicted");
  byId("look-pictures").replaceChildren(...pictures.map(([product, source, labels]) => {
    const one = make("figure"), [stage, variant] = product.split("/"), name = make("b", stage + "/");
    name.append(make("wbr"), variant);
    one.append(name, make("img", "", { src: source, alt: product }), make("figcaption"));
    return Object.assign(one, { labels, product });
  }));
  if (!pictures.length) byId("look-pictures").append(make("p", "No picture of this clip is in this page."));
  slider.max = Math.max(1, ...pictures.map(one => one[2].length - 1));
  slider.value = Math.floor(Number(slider.max) / 2);
  byId("look-verdicts").replaceChildren(...rows.length ? [verdicts(rows)] : []);
  step();
  if (move) { byId("look").scrollIntoView({ block: "start" }); byId("look-name").focus({ preventScroll: true }); }
}
function turn(way) {
  const rows = [...document.querySelectorAll("table.clips tbody tr")].filter(row => !row.hidden);
  if (!rows.length) return;
  const at = rows.indexOf(current), next = at < 0 ? 0 : (at + way + rows.length) % rows.length;
  look(rows[next].querySelector("[data-look]").dataset.look, false);
}
function play(on) {
  clearInterval(playing);
  playing = on ? setInterval(() => {
    slider.value = Number(slider.value) >= Number(slider.max) ? 0 : Number(slider.value) + 1;
    step();
  }, 160) : 0;
  byId("look-play").textContent = on ? "Pause" : "Play";
  byId("look-play").setAttribute("aria-pressed", String(on));
}
if (byId("look")) {
  for (const mark of document.querySelectorAll("span[data-look]")) {
    const button = make("button", mark.textContent, { type: "button", class: "link" });
    button.dataset.look = mark.dataset.look;
    mark.replaceWith(button);
  }
  document.addEventListener("click", event => {
    const button = event.target.closest("button[data-look]");
    if (button) look(button.dataset.look, true);
  });
  slider.addEventListener("input", () => { play(false); step(); });
  byId("look-back").addEventListener("click", () => turn(-1));
  byId("look-on").addEventListener("click", () => turn(1));
  byId("look-play").addEventListener("click", () => play(!playing));
  const watch = new IntersectionObserver(seen => {
    for (const { target, isIntersecting } of seen) {
      if (!isIntersecting) continue;
      watch.unobserve(target);
      const first = said(target.parentElement.querySelector("[data-look]").dataset.look).pictures[0];
      if (!first) continue;
      const image = make("img", "", { src: first[1], alt: "", class: "thumb" });
      const last = first[2].length - 1;
      image.style.objectPosition = (last ? 100 * Math.round(last / 2) / last : 0) + "% 0";
      target.replaceWith(image);
    }
  });
  for (const one of document.querySelectorAll("i.thumb")) watch.observe(one);
  const first = document.querySelector("table.clips [data-look]");
  if (first) look(first.dataset.look, false);
}

// The page's controls: one card per interval, the selected one, and keys.
const cards = () => [...document.querySelectorAll("article[data-item]")];
const cardOf = (k) => document.querySelector(`article[data-item="${k}"]`);

const wire = (card) => {
  const k = () => Number(card.dataset.item);
  card.addEventListener("click", (event) => {
    const act = event.target.closest("[data-act]")?.dataset.act;
    if (k() !== selected) select(k(), false);
    if (act === "accepted" || act === "rejected") judge(k(), act);
    else if (act === "remove") remove(k());
    else if (act === "watch") watch(k());
    else if (act) setLimit(k(), act);
  });
  for (const field of card.querySelectorAll("[data-field]")) {
    field.addEventListener("change", () => setField(k(), field.dataset.field, field.value.trim()));
  }
  const slider = card.querySelector("input[type=range]");
  if (slider) {
    const after = card.querySelector(".compare .after");
    const slide = () => { after.style.clipPath = `inset(0 0 0 ${100 - slider.value}%)`; };
    slider.addEventListener("input", slide);
    slide();
  }
};

const renderOwn = () => {
  const holder = byId("own");
  for (const card of holder.querySelectorAll("article")) {
    if (!items[Number(card.dataset.item)]) card.remove();
  }
  for (let k = data.candidates.length; k < items.length; k++) {
    if (cardOf(k)) continue;
    const card = byId("own-card").content.firstElementChild.cloneNode(true);
    card.dataset.item = String(k);
    card.id = `own-${k}`;
    holder.append(card);
    wire(card);
  }
};

const render = () => {
  renderOwn();
  for (const card of cards()) {
    const k = Number(card.dataset.item), item = items[k];
    card.dataset.verdict = item.verdict;
    card.toggleAttribute("aria-current", k === selected);
    if (k === selected) card.setAttribute("aria-current", "true");
    for (const button of card.querySelectorAll("[data-act=accepted], [data-act=rejected]")) {
      button.setAttribute("aria-pressed", String(item.verdict === button.dataset.act));
    }
    for (const field of card.querySelectorAll("[data-field]")) {
      if (field !== document.activeElement || field.value.trim() !== item[field.dataset.field]) field.value = item[field.dataset.field];
    }
    const own = card.querySelector(".own-title");
    if (own) own.textContent = `${titleOf(k)} · ${item.type}`;
    const from = frameOf(item.onset), to = frameOf(item.offset), first = data.candidates[k];
    const moved = !first || ["onset", "apex", "offset"].some((name) => first[name] !== item[name]);
    card.querySelector(".limits").textContent = moved
      ? `Yours: ${clock(from / fps)} to ${clock((to + 1) / fps)}, apex ${clock(frameOf(item.apex) / fps)}, frames ${item.onset} to ${item.offset}` : "";
  }
  items.forEach((item, k) => {
    const cell = document.querySelector(`[data-verdict-of="${k}"]`);
    if (cell) cell.textContent = item.verdict || "open";
  });
  const judged = items.filter((item) => item.spotted && item.verdict).length;
  const own = items.length - data.candidates.length;
  byId("progress").textContent = `${judged} of ${data.candidates.length} candidates judged${own ? `, ${own} of your own` : ""}`;
  byId("undo").disabled = !past.length;
  byId("coder").value = coder;
  redraw();
};

const select = (k, go) => {
  selected = k;
  const span = [frameOf(items[k].onset), frameOf(items[k].offset)];
  if (place.loop) setLoop(around(k));
  if (go) {
    seek(span[0]);
    const card = cardOf(k);
    if (card) { card.focus({ preventScroll: true }); card.scrollIntoView({ block: "nearest" }); }
    say(`${titleOf(k)}, ${clock(span[0] / fps)}.`);
  }
  render();
};
const order = () => items.map((item, k) => k).sort((a, b) => frameOf(items[a].onset) - frameOf(items[b].onset));
const neighbour = (way) => {
  const sorted = order();
  if (!sorted.length) { say("There is no interval."); return; }
  const from = sorted.indexOf(selected);
  select(sorted[from < 0 ? (way > 0 ? 0 : sorted.length - 1) : (from + way + sorted.length) % sorted.length], true);
};
const around = (k) => {
  const room = Math.round(0.3 * fps);
  return [Math.max(0, frameOf(items[k].onset) - room), Math.min(frames - 1, frameOf(items[k].offset) + room)];
};
const toggleLoop = () => {
  if (place.loop) { setLoop(null); say("Loop off."); return; }
  if (selected < 0) { say("Select an interval first: n selects the next."); return; }
  setLoop(around(selected));
  say(`${titleOf(selected)} plays in a loop.`);
};
const watch = (k) => {
  setLoop(around(k));
  seek(place.loop[0]);
  if (film) { film.play(); byId("desk").scrollIntoView({ block: "nearest" }); }
};
const focusField = (name) => {
  const field = selected >= 0 && cardOf(selected)?.querySelector(`[data-field=${name}]`);
  if (field) field.focus(); else say("Select an interval first: n selects the next.");
};

const KEYS = {
  n: () => neighbour(1), p: () => neighbour(-1), l: toggleLoop, s: slower, u: undo,
  a: () => judge(selected, "accepted"), r: () => judge(selected, "rejected"),
  e: () => focusField("emotion"), t: () => focusField("note"), "[": begin, "]": end,
};
const MOVES = {
  ArrowLeft: () => step(-1), ArrowRight: () => step(1), Home: () => seek(0), End: () => seek(frames - 1),
  PageUp: () => step(Math.round(fps)), PageDown: () => step(-Math.round(fps)),
};
document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.key === "Escape" && target !== document.body) { target.blur(); return; }
  const typing = target.closest("input, select, textarea");
  if (typing || event.altKey || event.metaKey) return;
  if (event.ctrlKey) {
    if (event.key === "z") { event.preventDefault(); undo(); }
    return;
  }
  if (target === canvas && MOVES[event.key]) { event.preventDefault(); MOVES[event.key](); return; }
  if (!byId("keys").checked) return;
  if (event.key.startsWith("Arrow") && MOVES[event.key]) {
    event.preventDefault();
    if (event.shiftKey) step(Math.round(fps) * (event.key === "ArrowLeft" ? -1 : 1)); else MOVES[event.key]();
  } else if (event.key === " " && !target.closest("button, summary, a")) {
    event.preventDefault();
    toggle();
  } else if (KEYS[event.key]) {
    event.preventDefault();
    KEYS[event.key]();
  }
});

const ACTS = {
  play: toggle, back: () => step(-1), on: () => step(1), loop: toggleLoop, closer: () => zoom(0.5), wider: () => zoom(2),
  whole: () => show(0, duration), previous: () => neighbour(-1), next: () => neighbour(1), begin, end, undo, save,
  open: () => byId("file").click(),
};
for (const [id, act] of Object.entries(ACTS)) byId(id)?.addEventListener("click", act);
byId("speed").addEventListener("change", () => setSpeed(Number(byId("speed").value)));
byId("coder").addEventListener("change", () => change("Your name is noted.", () => { coder = byId("coder").value.trim(); }));
byId("file").addEventListener("change", async (event) => {
  if (event.target.files[0]) await load(event.target.files[0]);
  event.target.value = "";
});
for (const link of document.querySelectorAll("[data-go]")) {
  link.addEventListener("click", (event) => { event.preventDefault(); select(Number(link.dataset.go), true); });
}
cards().forEach(wire);
document.documentElement.classList.add("scripted");
render();
seek(0);

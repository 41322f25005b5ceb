// What a person says of the candidates: kept between visits, saved to a file, read back by `mer analyze --reviewed`.
const STORE = `mer-review-${data.film}`;
const items = data.candidates.map((one) => ({
  spotted: [one.type, one.onset, one.offset], doubtful: one.doubtful, frames: one.frames, verdict: "", type: one.type,
  emotion: one.emotion, onset: one.onset, apex: one.apex, offset: one.offset, note: "",
}));
const fresh = JSON.stringify(items);
const past = [];
let changed = "", coder = "", stray = [], selected = -1, mark = null;

const same = (a, b) => a && b && a.every((value, k) => value === b[k]);
const nameOf = (k) => k < data.candidates.length ? String(k + 1) : `+${k + 1 - data.candidates.length}`;
const titleOf = (k) => `${items[k].spotted ? "Candidate" : "Own interval"} ${nameOf(k)}`;
const KEPT = ["spotted", "verdict", "type", "emotion", "onset", "apex", "offset", "note"];
const kept = (item) => Object.fromEntries(KEPT.map((name) => [name, item[name]]));

const touched = (item, k) => !item.spotted || JSON.stringify(item) !== JSON.stringify(JSON.parse(fresh)[k]);
const asReview = () => ({
  format: data.format, film: data.film, video: data.video, mer: data.mer, coder, changed,
  intervals: [...items.filter(touched).map(kept), ...stray],
});
const restore = (review) => {
  items.splice(0, items.length, ...JSON.parse(fresh));
  stray = [];
  coder = String(review.coder || "");
  changed = String(review.changed || "");
  for (const one of review.intervals) {
    if (!one.spotted) { items.push({ ...kept(one), doubtful: false }); continue; }
    const item = items.find((candidate) => same(candidate.spotted, one.spotted));
    if (item) Object.assign(item, kept(one)); else stray.push(one);
  }
};
const keep = () => {
  try { localStorage.setItem(STORE, JSON.stringify(asReview())); } catch { say("This browser keeps nothing: save the review to a file."); }
};
const change = (words, act) => {
  past.push(JSON.stringify({ ...asReview(), selected }));
  act();
  changed = new Date().toISOString();
  keep();
  render();
  say(words);
};
const undo = () => {
  if (!past.length) { say("Nothing to undo."); return; }
  const before = JSON.parse(past.pop());
  restore(before);
  selected = Math.min(before.selected, items.length - 1);
  changed = new Date().toISOString();
  keep();
  render();
  say("Undone.");
};

const judge = (k, verdict) => {
  if (k < 0) { say("No interval is selected: n selects the next."); return; }
  const value = items[k].verdict === verdict ? "" : verdict;
  change(`${titleOf(k)}: ${value || "undecided"}.`, () => { items[k].verdict = value; });
};
const setField = (k, name, value) => {
  if (items[k][name] !== value) change(`${titleOf(k)}: ${name} ${value || "empty"}.`, () => { items[k][name] = value; });
};
const setLimit = (k, name) => {
  const number = numberOf(place.frame), item = { ...items[k], [name]: number };
  if (item.onset > item.offset) { say("An interval must begin before it ends."); return; }
  change(`${titleOf(k)}: ${name} at ${clock(place.frame / fps)}.`, () => {
    items[k][name] = number;
    items[k].apex = clamp(items[k].apex, items[k].onset, items[k].offset);
  });
};
const begin = () => {
  mark = place.frame;
  redraw();
  say(`An interval of your own begins at ${clock(mark / fps)}: ] ends it.`);
};
const end = () => {
  if (mark === null) { say("[ begins an interval of your own."); return; }
  const [first, last] = [Math.min(mark, place.frame), Math.max(mark, place.frame)];
  mark = null;
  const type = (last - first + 1) / fps <= 0.5 ? "micro" : "macro";
  change(`Own interval added, ${clock(first / fps)} to ${clock((last + 1) / fps)}.`, () => {
    items.push({
      spotted: null, doubtful: false, verdict: "accepted", type, emotion: "", onset: numberOf(first),
      apex: numberOf(Math.round((first + last) / 2)), offset: numberOf(last), note: "",
    });
    selected = items.length - 1;
  });
};
const remove = (k) => change(`${titleOf(k)} removed.`, () => {
  items.splice(k, 1);
  selected = -1;
});

const save = () => {
  if (!changed) changed = new Date().toISOString();
  const link = document.createElement("a");
  const address = URL.createObjectURL(new Blob([JSON.stringify(asReview(), null, 1) + "\n"], { type: "application/json" }));
  link.href = address;
  link.download = `${data.video}.review.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
  say(`Saved as ${link.download}.`);
};
const load = async (file) => {
  let review = null;
  try { review = JSON.parse(await file.text()); } catch { review = null; }
  if (!review || review.format !== data.format || !Array.isArray(review.intervals)) { say(`${file.name} is no review of mer.`); return; }
  if (review.film !== data.film) { say(`${file.name} reviews another film.`); return; }
  change(`${file.name} read.`, () => restore(review));
  changed = String(review.changed || changed);
  keep();
  render();
};

const stored = () => {
  try { return JSON.parse(localStorage.getItem(STORE)); } catch { return null; }
};
const latest = [data.review, stored()]
  .filter((one) => one && one.film === data.film && Array.isArray(one.intervals))
  .sort((a, b) => String(a.changed).localeCompare(String(b.changed))).pop();
if (latest) restore(latest);

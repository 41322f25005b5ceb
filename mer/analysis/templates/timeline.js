// The timeline: scores, regions, eyes, mouth and head on one axis of time, drawn at the width that there is.
const canvas = byId("timeline");
const HEIGHTS = { score: 76, region: 28, signal: 30 };
const STRIP = 16, GAP = 6, AXIS = 20, LEFT = 2, RIGHT = 2;
const TICKS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800];
const LONGEST_VIEW = 60;
const view = { from: 0, to: Math.min(duration, LONGEST_VIEW), width: 0 };
const tops = [];
let bottom = STRIP + GAP;
for (const lane of data.lanes) {
  tops.push(bottom);
  bottom += HEIGHTS[lane.kind] + GAP;
}
canvas.style.height = `${bottom + AXIS}px`;

const secondsOf = (lane, k) => lane.seconds ? lane.seconds[k] : lane.start + k * lane.step;
const xOf = (seconds) => LEFT + (seconds - view.from) / (view.to - view.from) * (view.width - LEFT - RIGHT);
const secondsAt = (x) => view.from + (x - LEFT) / (view.width - LEFT - RIGHT) * (view.to - view.from);
const colours = () => {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "soft", "line", "ground", "panel", "accent", "good", "bad", "chance"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
};

const curve = (pen, lane, top, height, colour) => {
  const y = (value) => top + height - 1 - (clamp(value, lane.low, lane.high) - lane.low) / (lane.high - lane.low || 1) * (height - 2);
  const count = lane.values.length;
  const drawn = [];
  pen.beginPath();
  let down = false;
  for (let k = 0; k < count; k++) {
    const seconds = secondsOf(lane, k);
    if (seconds < view.from - 1 || seconds > view.to + 1) { down = false; continue; }
    if (lane.values[k] === null) { down = false; continue; }
    const point = [xOf(seconds), y(lane.values[k])];
    if (down) pen.lineTo(...point); else pen.moveTo(...point);
    drawn.push(point);
    down = true;
  }
  pen.strokeStyle = colour;
  pen.lineWidth = lane.kind === "score" ? 1.6 : 1.1;
  pen.stroke();
  return y;
};

const block = (pen, from, to, top, height, colour, alpha) => {
  if (to < view.from || from > view.to) return;
  pen.globalAlpha = alpha;
  pen.fillStyle = colour;
  const x = Math.max(xOf(from), 0);
  pen.fillRect(x, top, Math.max(Math.min(xOf(to), view.width) - x, 1.5), height);
  pen.globalAlpha = 1;
};

const colourOf = (item, colour) => {
  if (item.verdict === "rejected") return colour.soft;
  if (!item.spotted) return colour.accent;
  return item.doubtful && item.verdict !== "accepted" ? colour.bad : colour.good;
};

const intervals = (pen, colour) => {
  items.forEach((item, k) => {
    const from = frameOf(item.onset) / fps, to = (frameOf(item.offset) + 1) / fps;
    const chosen = k === selected;
    data.lanes.forEach((lane, row) => {
      const own = lane.kind === "score" && lane.name === item.type;
      const alpha = own ? (item.verdict === "rejected" ? 0.15 : 0.34) : chosen ? 0.16 : 0.07;
      if (lane.kind !== "score" || own) block(pen, from, to, tops[row], HEIGHTS[lane.kind], colourOf(item, colour), alpha);
      if (!own || to < view.from || from > view.to) return;
      pen.fillStyle = colour.ink;
      pen.font = "600 11px system-ui, sans-serif";
      pen.textAlign = "center";
      pen.fillText(nameOf(k) + ({ accepted: " ✓", rejected: " ✗" }[item.verdict] || ""), clamp(xOf((from + to) / 2), 10, view.width - 10), tops[row] + HEIGHTS.score - 4);
      if (chosen) {
        pen.strokeStyle = colour.ink;
        pen.lineWidth = 1.5;
        pen.strokeRect(xOf(from), tops[row], xOf(to) - xOf(from), HEIGHTS.score);
      }
    });
  });
};

const label = (pen, text, unit, top, colour) => {
  pen.font = "11px system-ui, sans-serif";
  pen.textAlign = "left";
  const room = view.width > 520 && unit ? ` · ${unit}` : "";
  const width = pen.measureText(text + room).width;
  pen.globalAlpha = 0.75;
  pen.fillStyle = colour.panel;
  pen.fillRect(LEFT + 1, top + 1, width + 6, 13);
  pen.globalAlpha = 1;
  pen.fillStyle = colour.ink;
  pen.fillText(text, LEFT + 4, top + 11);
  pen.fillStyle = colour.soft;
  pen.fillText(room, LEFT + 4 + pen.measureText(text).width, top + 11);
};

const lane = (pen, one, row, colour) => {
  const top = tops[row], height = HEIGHTS[one.kind];
  pen.fillStyle = colour.panel;
  pen.fillRect(0, top, view.width, height);
  for (const mark of one.marks || []) block(pen, mark[0], mark[1], top, height, colour.accent, 0.35);
  for (const shade of data.shaded) {
    if (shade.kind === "gap") block(pen, shade.from, shade.to, top, height, colour.chance, 0.6);
    else if (shade.lane === one.name && shade.to > view.from && shade.from < view.to) {
      pen.strokeStyle = colour.soft;
      pen.setLineDash([3, 2]);
      pen.strokeRect(xOf(shade.from), top + 1, Math.max(xOf(shade.to) - xOf(shade.from), 2), height - 2);
      pen.setLineDash([]);
    }
  }
  const y = curve(pen, one, top, height, one.kind === "score" ? colour.accent : colour.soft);
  if (one.threshold !== undefined) {
    pen.setLineDash([4, 3]);
    pen.strokeStyle = colour.soft;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(0, y(one.threshold));
    pen.lineTo(view.width, y(one.threshold));
    pen.stroke();
    pen.setLineDash([]);
  }
};

const strip = (pen, colour) => {
  const x = (seconds) => seconds / duration * view.width;
  pen.fillStyle = colour.panel;
  pen.fillRect(0, 0, view.width, STRIP);
  for (const item of items) {
    pen.fillStyle = colourOf(item, colour);
    pen.fillRect(x(frameOf(item.onset) / fps), 3, Math.max(2, x((frameOf(item.offset) - frameOf(item.onset) + 1) / fps)), STRIP - 6);
  }
  pen.strokeStyle = colour.soft;
  pen.lineWidth = 1;
  pen.strokeRect(x(view.from) + 0.5, 0.5, x(view.to - view.from) - 1, STRIP - 1);
  pen.fillStyle = colour.ink;
  pen.fillRect(x((place.frame + 0.5) / fps) - 1, 0, 2, STRIP);
};

const axis = (pen, colour) => {
  const size = TICKS.find((tick) => (view.to - view.from) / tick <= view.width / 60) || 3600;
  pen.font = "11px system-ui, sans-serif";
  for (let k = Math.ceil(view.from / size - 1e-6); k * size <= view.to + 1e-6; k++) {
    const seconds = k * size, x = xOf(seconds);
    pen.fillStyle = colour.line;
    pen.fillRect(x, STRIP + GAP, 1, bottom - STRIP - GAP);
    pen.fillStyle = colour.soft;
    pen.textAlign = x < 16 ? "left" : x > view.width - 22 ? "right" : "center";
    const text = seconds >= 60 ? clock(seconds).replace(/\.00$/, "") : `${Number(seconds.toFixed(2))} s`;
    pen.fillText(text, x, bottom + 13);
  }
};

const draw = () => {
  view.width = canvas.clientWidth;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(view.width * ratio);
  canvas.height = Math.round((bottom + AXIS) * ratio);
  const pen = canvas.getContext("2d"), colour = colours();
  pen.scale(ratio, ratio);
  pen.clearRect(0, 0, view.width, bottom + AXIS);
  data.lanes.forEach((one, row) => lane(pen, one, row, colour));
  axis(pen, colour);
  intervals(pen, colour);
  data.lanes.forEach((one, row) => label(pen, one.kind === "score" ? `${one.name}-expressions` : one.name, one.unit, tops[row], colour));
  for (const cut of data.cuts) block(pen, cut, cut, STRIP + GAP, bottom - STRIP - GAP, colour.bad, 1);
  if (place.loop) block(pen, place.loop[0] / fps, (place.loop[1] + 1) / fps, bottom - 3, 4, colour.accent, 1);
  if (mark !== null) block(pen, mark / fps, (place.frame + 1) / fps, bottom - 3, 4, colour.good, 1);
  strip(pen, colour);
  const x = xOf((place.frame + 0.5) / fps);
  pen.fillStyle = colour.ink;
  pen.fillRect(x - 0.75, STRIP, 1.5, bottom - STRIP);
  pen.beginPath();
  pen.moveTo(x - 5, STRIP);
  pen.lineTo(x + 5, STRIP);
  pen.lineTo(x, STRIP + 7);
  pen.fill();
};

let waiting = false;
const redraw = () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; draw(); });
};

const zoom = (factor) => {
  const length = clamp((view.to - view.from) * factor, Math.min(duration, 0.5), duration);
  const middle = (place.frame + 0.5) / fps;
  show(middle - length / 2, length);
};
const show = (from, length) => {
  view.from = clamp(from, 0, duration - length);
  view.to = view.from + length;
  redraw();
};
const scrollTo = (frame) => {
  const seconds = (frame + 0.5) / fps, length = view.to - view.from;
  if (seconds < view.from || seconds > view.to) show(seconds - length * (place.playing ? 0.1 : 0.5), length);
};

const at = (event) => {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};
const scrub = (event) => {
  const [x, y] = at(event);
  seek(Math.floor((y <= STRIP ? x / view.width * duration : secondsAt(x)) * fps));
};
canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  pause();
  canvas.setPointerCapture(event.pointerId);
  scrub(event);
  const inside = items.findIndex((item) => frameOf(item.onset) <= place.frame && place.frame <= frameOf(item.offset));
  if (inside >= 0) select(inside, false);
});
canvas.addEventListener("pointermove", (event) => { if (canvas.hasPointerCapture(event.pointerId)) scrub(event); });
place.watchers.push((frame) => {
  scrollTo(frame);
  canvas.setAttribute("aria-valuenow", String(frame));
  const inside = items.map((item, k) => [item, k]).filter(([item]) => frameOf(item.onset) <= frame && frame <= frameOf(item.offset));
  const names = inside.map(([item, k]) => `, ${item.spotted ? "candidate" : "own interval"} ${nameOf(k)}`).join("");
  canvas.setAttribute("aria-valuetext", `${clock(frame / fps)}, frame ${numberOf(frame)}${names}`);
  redraw();
});
new ResizeObserver(redraw).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

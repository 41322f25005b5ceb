// The film, and the place in it: everything on the page that shows a time follows `place.frame`.
"use strict";
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const { fps, frames } = data;
const duration = frames / fps;
const film = byId("film");
const SPEEDS = [1, 0.5, 0.25, 0.1];
const place = { frame: 0, loop: null, playing: false, watchers: [] };

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const say = (text) => { byId("said").textContent = text; };
const clock = (seconds) => {
  if (seconds < 60) return `${seconds.toFixed(2)} s`;
  const whole = Math.floor(seconds / 60);
  return `${whole}:${(seconds - 60 * whole).toFixed(2).padStart(5, "0")}`;
};
// Frames of the results have the numbers of files, or of a video's frames before it was thinned.
const numberOf = (frame) => Array.isArray(data.numbers) ? data.numbers[frame] : data.numbers.first + frame * data.numbers.step;
const frameOf = (number) => {
  if (!Array.isArray(data.numbers)) return clamp(Math.round((number - data.numbers.first) / (data.numbers.step || 1)), 0, frames - 1);
  let best = 0;
  data.numbers.forEach((one, k) => { if (Math.abs(one - number) < Math.abs(data.numbers[best] - number)) best = k; });
  return best;
};

const moveTo = (frame) => {
  place.frame = frame;
  for (const watcher of place.watchers) watcher(frame);
};
const seek = (frame) => {
  const wanted = clamp(Math.round(frame), 0, frames - 1);
  // The middle of a frame: its edges belong to either neighbour.
  if (film) film.currentTime = (wanted + 0.5) / fps;
  moveTo(wanted);
};
const step = (count) => { pause(); seek(place.frame + count); };
const pause = () => { if (film) film.pause(); };
const toggle = () => {
  if (!film) { say("The page holds no copy of the film."); return; }
  if (!film.paused) { film.pause(); return; }
  if (place.frame >= frames - 1) seek(place.loop ? place.loop[0] : 0);
  film.play().catch((error) => say(`The film cannot be played: ${error.message}`));
};
const setSpeed = (speed) => {
  if (film) film.playbackRate = speed;
  byId("speed").value = String(speed);
};
const slower = () => {
  const next = SPEEDS[(SPEEDS.indexOf(Number(byId("speed").value)) + 1) % SPEEDS.length];
  setSpeed(next);
  say(`Speed ${next}`);
};
const setLoop = (span) => {
  place.loop = span;
  byId("loop").setAttribute("aria-pressed", String(Boolean(span)));
  moveTo(place.frame);
};

if (film) {
  const follow = () => {
    if (film.paused) return;
    const frame = clamp(Math.floor(film.currentTime * fps + 1e-3), 0, frames - 1);
    if (place.loop && (frame > place.loop[1] || frame < place.loop[0])) seek(place.loop[0]);
    else if (frame !== place.frame) moveTo(frame);
    requestAnimationFrame(follow);
  };
  const showState = () => {
    place.playing = !film.paused;
    byId("play").textContent = film.paused ? "Play" : "Pause";
    byId("play").setAttribute("aria-pressed", String(!film.paused));
  };
  film.addEventListener("play", () => { showState(); requestAnimationFrame(follow); });
  film.addEventListener("pause", () => {
    showState();
    if (!film.ended) moveTo(clamp(Math.floor(film.currentTime * fps + 1e-3), 0, frames - 1));
  });
  film.addEventListener("ended", () => {
    if (place.loop) { seek(place.loop[0]); film.play(); } else moveTo(frames - 1);
  });
  film.addEventListener("error", () => { byId("no-film").hidden = false; });
  film.addEventListener("click", toggle);
}

place.watchers.push((frame) => {
  byId("where").textContent = `${clock(frame / fps)} · frame ${numberOf(frame)}`;
});

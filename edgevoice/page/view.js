// The view: which part of the conversation is seen, drawing it, and moving it by key, mouse and finger.

const RULER = 24, GAP = 6, NAME_WIDTH = 124;
const CLOSEST_S = 0.02; // narrower than this shows single samples and nothing more
const canvas = byId("lanes"), overview = byId("overview"), tip = byId("tip");
const view = { from: DATA.start, to: DATA.start + DURATION };
let cursor = null, pointer = null, hits = [], drawn = false, colors = {};
const narrow = () => canvas.clientWidth < 700;
const left = () => (narrow() ? 0 : NAME_WIDTH);
const nameRow = () => (narrow() ? 15 : 0);
const laneTops = () => {
  let y = RULER + 4;
  return LANES.map((lane) => {
    const top = y + nameRow();
    y = top + lane.height + GAP;
    return top;
  });
};

function readColors() {
  const style = getComputedStyle(document.documentElement);
  for (const name of "bg surface sunken ink muted faint line user think thinkSoft voice out stop vad wait band".split(" ")) {
    colors[name] = style.getPropertyValue("--" + name.replace("Soft", "-soft")).trim();
  }
  colors.onBar = document.documentElement.dataset.theme === "dark" ? "#0f1113" : "#ffffff";
}

function surface(target, height) {
  const ratio = window.devicePixelRatio || 1, width = target.clientWidth;
  target.style.height = height + "px";
  if (target.width !== Math.round(width * ratio) || target.height !== Math.round(height * ratio)) {
    target.width = Math.round(width * ratio);
    target.height = Math.round(height * ratio);
  }
  const c = target.getContext("2d");
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, width, height);
  return c;
}

function redraw() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(() => {
    drawn = false;
    drawLanes();
    drawOverview();
    byId("clock").textContent = seconds((pointer && !playing() ? timeAt(pointer.x) : cursor) ?? view.from);
  });
}

function drawLanes() {
  const tops = laneTops(), height = tops[tops.length - 1] + LANES[LANES.length - 1].height + GAP;
  const c = surface(canvas, height), from = view.from, to = view.to, x0 = left(), right = canvas.clientWidth;
  const x = (t) => x0 + (t - from) / (to - from) * (right - x0);
  const g = { c, x, from, to, left: x0, right, color: colors, hits: [] };
  c.save();
  c.beginPath();
  c.rect(x0, 0, right - x0, height);
  c.clip();
  for (const turn of DATA.turns) {
    if (turn.playback_first_sample === null) continue;
    const a = x(turn.origin_s), b = x(turn.origin_s + turn.playback_first_sample);
    c.fillStyle = colors.band;
    c.fillRect(a, RULER, Math.max(1, b - a), height - RULER);
  }
  drawRuler(g, height);
  LANES.forEach((lane, k) => {
    c.save();
    c.beginPath();
    c.rect(x0, tops[k] - 1, right - x0, lane.height + 2);
    c.clip();
    lane.draw(g, tops[k], lane.height);
    c.restore();
  });
  for (const flag of DATA.flags) {
    const struck = ["barge_in_onset", "barge_in_confirmed", "playback_silent", "error"].includes(flag.event);
    if (!struck || flag.a < from || flag.a > to) continue;
    c.globalAlpha = 0.55;
    c.fillStyle = colors.stop;
    c.fillRect(x(flag.a), RULER + 38 + nameRow(), 1, height);
    c.globalAlpha = 1;
  }
  if (cursor !== null && cursor >= from && cursor <= to) {
    c.fillStyle = colors.ink;
    c.fillRect(x(cursor) - 0.75, 0, 1.5, height);
  }
  if (pointer) {
    c.globalAlpha = 0.35;
    c.fillStyle = colors.ink;
    c.fillRect(pointer.x, 0, 1, height);
    c.globalAlpha = 1;
  }
  c.restore();
  drawNames(c, tops, x0, height);
  hits = g.hits;
}

function drawNames(c, tops, x0, height) {
  c.textBaseline = "middle";
  LANES.forEach((lane, k) => {
    if (k) {
      c.fillStyle = colors.line;
      c.fillRect(0, tops[k] - GAP / 2 - nameRow(), canvas.clientWidth, 1);
    }
    c.font = narrow() ? SMALL : PLAIN;
    c.fillStyle = colors.muted;
    c.fillText(lane.name, narrow() ? 8 : 12, narrow() ? tops[k] - 8 : tops[k] + lane.height / 2);
  });
  if (x0) {
    c.fillStyle = colors.line;
    c.fillRect(x0 - 1, 0, 1, height);
  }
}

function drawRuler(g, height) {
  const room = (g.to - g.from) / (g.right - g.left) * 76;
  let step = 10 ** Math.ceil(Math.log10(room));
  for (const smaller of [0.5, 0.2]) if (step * smaller >= room) step = step * smaller;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  g.c.font = SMALL;
  g.c.textBaseline = "middle";
  for (let k = Math.ceil(g.from / step); k * step <= g.to; k++) {
    const at = g.x(k * step);
    g.c.fillStyle = colors.line;
    g.c.globalAlpha = 0.6;
    g.c.fillRect(at, RULER - 6, 1, height);
    g.c.globalAlpha = 1;
    g.c.fillStyle = colors.muted;
    g.c.fillText((k * step).toFixed(digits) + " s", at + 4, RULER / 2 - 1);
  }
}

function drawOverview() {
  const height = 40, c = surface(overview, height), width = overview.clientWidth;
  const whole = { c, from: DATA.start, to: DATA.start + DURATION, left: 0, right: width, color: colors, hits: [] };
  whole.x = (t) => (t - whole.from) / DURATION * width;
  c.globalAlpha = 0.8;
  if (WAVES.mic) drawWave(whole, "mic", 1, height / 2 - 1, colors.user);
  if (WAVES.speaker) drawWave(whole, "speaker", height / 2, height / 2 - 1, colors.out);
  c.globalAlpha = 1;
  if (!WAVES.mic && !WAVES.speaker) LANES[LANES.length - 1].draw(whole, 8, 24);
  const a = whole.x(view.from), b = whole.x(view.to);
  c.fillStyle = colors.sunken;
  c.globalAlpha = 0.72;
  c.fillRect(0, 0, a, height);
  c.fillRect(b, 0, width - b, height);
  c.globalAlpha = 1;
  c.strokeStyle = colors.muted;
  c.lineWidth = 1.5;
  if (view.to - view.from < DURATION * 0.999) {
    c.beginPath();
    c.roundRect(a + 1, 1, Math.max(4, b - a - 2), height - 2, 5);
    c.stroke();
  }
  if (cursor !== null) {
    c.fillStyle = colors.ink;
    c.fillRect(whole.x(cursor), 0, 1.5, height);
  }
}

// Moving.

function show(from, to) {
  const size = clamp(to - from, CLOSEST_S, DURATION), start = clamp(from, DATA.start, DATA.start + DURATION - size);
  view.from = start;
  view.to = start + size;
  tip.hidden = true;
  redraw();
}
const zoom = (factor, at = (view.from + view.to) / 2) => show(at - (at - view.from) * factor, at + (view.to - at) * factor);
const move = (part) => show(view.from + (view.to - view.from) * part, view.to + (view.to - view.from) * part);
const timeAt = (x) => view.from + (x - left()) / (canvas.clientWidth - left()) * (view.to - view.from);

function showTurn(index) {
  const turn = DATA.turns[index];
  if (!turn) return;
  const heard = turn.playback_first_sample ?? turn.stt_final ?? 0.5, size = Math.max(1.2, heard * 1.9);
  const middle = turn.origin_s + heard / 2;
  show(middle - size / 2, middle + size / 2);
}

function stepTurn(direction) {
  const middle = (view.from + view.to) / 2, zoomed = view.to - view.from < DURATION * 0.9;
  const starts = DATA.turns.map((turn) => turn.origin_s + (turn.playback_first_sample ?? 0.5) / 2);
  if (!zoomed) return showTurn(direction > 0 ? 0 : starts.length - 1);
  const ahead = direction > 0 ? starts.findIndex((s) => s > middle + 0.02) : starts.findLastIndex((s) => s < middle - 0.02);
  if (ahead >= 0) showTurn(ahead);
}

// Playing.

const playing = () => player !== null && !player.paused;
const player = SOUND ? new Audio(URL.createObjectURL(new Blob([SOUND.file], { type: "audio/flac" }))) : null;
if (player) {
  byId("play").hidden = false;
  decode(redraw).catch((error) => console.warn("the recording could not be decoded: " + error.message));
  const follow = () => {
    cursor = player.currentTime;
    if (cursor > view.to || cursor < view.from) show(cursor, cursor + view.to - view.from);
    redraw();
    if (!player.paused) requestAnimationFrame(follow);
  };
  const button = (text, name) => {
    byId("play").textContent = text;
    byId("play").setAttribute("aria-label", name);
  };
  player.addEventListener("play", () => { button("❚❚", "Pause"); follow(); });
  player.addEventListener("pause", () => button("▶", "Play the recording"));
}
function toggle() {
  if (!player) return;
  if (!player.paused) return player.pause();
  if (cursor === null) player.currentTime = Math.max(0, view.from);
  player.play().catch((error) => { byId("play").title = "Cannot be played: " + error.message; });
}
function seek(t) {
  cursor = clamp(t, DATA.start, DATA.start + DURATION);
  if (player) player.currentTime = Math.max(0, cursor);
  redraw();
}

// What is under the pointer.

function describe(x, y) {
  const under = hits.filter((h) => x >= h.x0 && x <= h.x1 && y >= h.y && y <= h.y + h.h).sort((a, b) => a.wide - b.wide)[0];
  tip.hidden = !under;
  if (!under) return;
  tip.replaceChildren();
  const add = (tag, text) => {
    if (!text) return null;
    const node = document.createElement(tag);
    node.textContent = text;
    tip.append(node);
    return node;
  };
  add("b", under.title);
  if (under.settled !== undefined) {
    add("span", under.settled);
    add("i", under.rest);
  } else add("span", under.body);
  add("small", under.note);
  const width = tip.offsetWidth, height = tip.offsetHeight, room = canvas.clientWidth;
  tip.style.left = clamp(x + 14 + width > room ? x - width - 14 : x + 14, 8, Math.max(8, room - width - 8)) + "px";
  tip.style.top = (y + 18 + height > canvas.clientHeight ? Math.max(4, y - height - 14) : y + 18) + "px";
}

// Mouse and fingers: one drags, two pinch, a tap or click sets the cursor.

const fingers = new Map();
let grabbed = null;
const position = (event) => {
  const area = canvas.getBoundingClientRect();
  return { x: event.clientX - area.left, y: event.clientY - area.top };
};
function grab() {
  const xs = [...fingers.values()].map((f) => f.x);
  grabbed = xs.length ? { from: view.from, to: view.to, xs, moved: grabbed ? grabbed.moved : false } : null;
  if (grabbed && xs.length > 1) grabbed.moved = true;
}
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, position(event));
  grab();
});
canvas.addEventListener("pointermove", (event) => {
  const at = position(event);
  if (!fingers.has(event.pointerId)) {
    pointer = at.x > left() ? at : null;
    describe(at.x, at.y);
    return redraw();
  }
  fingers.set(event.pointerId, at);
  const xs = [...fingers.values()].map((f) => f.x), width = canvas.clientWidth - left(), { from, to } = grabbed;
  const perPixel = (to - from) / width;
  if (xs.length === 1) {
    if (Math.abs(xs[0] - grabbed.xs[0]) > 4) grabbed.moved = true;
    if (!grabbed.moved) return;
    canvas.classList.add("held");
    tip.hidden = true;
    show(from - (xs[0] - grabbed.xs[0]) * perPixel, to - (xs[0] - grabbed.xs[0]) * perPixel);
  } else {
    const before = Math.max(20, Math.abs(grabbed.xs[0] - grabbed.xs[1])), now = Math.max(20, Math.abs(xs[0] - xs[1]));
    const held = from + ((grabbed.xs[0] + grabbed.xs[1]) / 2 - left()) * perPixel, size = (to - from) * before / now;
    const start = held - ((xs[0] + xs[1]) / 2 - left()) / width * size;
    show(start, start + size);
  }
});
for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, (event) => {
    const clicked = grabbed && !grabbed.moved && name === "pointerup" && fingers.size === 1, at = position(event);
    fingers.delete(event.pointerId);
    grab();
    canvas.classList.remove("held");
    if (clicked && at.x >= left()) {
      seek(timeAt(at.x));
      describe(at.x, at.y);
    }
  });
}
canvas.addEventListener("pointerleave", () => {
  pointer = null;
  tip.hidden = true;
  redraw();
});
canvas.addEventListener("dblclick", (event) => zoom(0.4, timeAt(position(event).x)));
canvas.addEventListener("wheel", (event) => {
  if (event.ctrlKey || event.metaKey) zoom(Math.exp(clamp(event.deltaY, -60, 60) * 0.01), timeAt(position(event).x));
  else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) move((event.deltaX || event.deltaY) / canvas.clientWidth);
  else return; // a plain wheel scrolls the page
  event.preventDefault();
}, { passive: false });
overview.addEventListener("pointerdown", (event) => {
  overview.setPointerCapture(event.pointerId);
  const go = (e) => {
    const x = e.clientX - overview.getBoundingClientRect().left, half = (view.to - view.from) / 2;
    const t = DATA.start + x / overview.clientWidth * DURATION;
    show(t - half, t + half);
  };
  go(event);
  overview.onpointermove = go;
  overview.onpointerup = overview.onpointercancel = () => { overview.onpointermove = null; };
});

const KEYS = {
  ArrowLeft: () => move(-0.15), ArrowRight: () => move(0.15), "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6),
  0: () => show(DATA.start, DATA.end), Home: () => show(DATA.start, DATA.start + view.to - view.from),
  End: () => show(DATA.end - (view.to - view.from), DATA.end), "[": () => stepTurn(-1), "]": () => stepTurn(1), " ": toggle,
  d: () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"),
};
document.addEventListener("keydown", (event) => {
  const onButton = event.target instanceof HTMLButtonElement && event.key === " ";
  if (event.ctrlKey || event.metaKey || event.altKey || onButton || !KEYS[event.key]) return;
  KEYS[event.key]();
  event.preventDefault();
});

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  readColors();
  redraw();
}
const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
byId("theme").onclick = KEYS.d;
byId("play").onclick = toggle;
byId("in").onclick = KEYS["+"];
byId("out").onclick = KEYS["-"];
byId("all").onclick = KEYS[0];
new ResizeObserver(redraw).observe(canvas);
setTheme(dark.matches ? "dark" : "light");

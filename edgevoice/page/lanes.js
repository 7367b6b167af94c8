// The lanes: each draws its own part of the view and leaves boxes that tell what the pointer is over.
// A drawing context g here is {c: canvas 2d, x: seconds -> pixels, from, to, left, right, color: theme, hits: []}.

const STAGE_COLOR = {
  speech_end_detected: "vad", endpoint: "wait", stt_final: "user", llm_first_token: "think", tts_chunk: "thinkSoft",
  tts_first_chunk: "voice", playback_first_sample: "out",
};
const ON_PALE = ["endpoint", "tts_chunk"]; // bars on which the page's own ink reads better
const STATE_COLOR = { idle: "faint", listening: "user", thinking: "think", speaking: "out", holding: "stop", followup: "voice" };
const FLAG_COLOR = {
  wake: "user", wake_ignored: "muted", endpoint: "muted", earcon: "faint", error: "stop", barge_in_onset: "stop", barge_in_confirmed: "stop",
  barge_in_paused: "stop", barge_in_rejected: "voice", playback_silent: "stop", underrun: "stop", cancel: "muted",
};
const FLAG_RANK = { error: 0, barge_in_confirmed: 1, wake: 2, barge_in_rejected: 2, underrun: 2, barge_in_onset: 3, endpoint: 4 };
const SMALL = '11px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
const PLAIN = '12px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';

// The stages of a turn as segments of the way from the last speech sample to the first reply sample, in order of time.
function segments(turn) {
  const found = DATA.stages.map((s) => ({ ...s, value: turn[s.name] })).filter((s) => s.value !== null && s.value !== undefined);
  found.sort((p, q) => p.value - q.value);
  let before = 0;
  return found.map((s) => {
    const item = { ...s, a: before, b: Math.max(before, s.value) };
    before = item.b;
    return item;
  });
}

function box(g, a, b, y, h, fill, alpha = 1, radius = 3) {
  const x0 = Math.max(g.x(a), g.left - 4), x1 = Math.min(Math.max(g.x(b), g.x(a) + 2), g.right + 4);
  if (x1 <= x0) return;
  g.c.globalAlpha = alpha;
  g.c.fillStyle = fill;
  g.c.beginPath();
  g.c.roundRect(x0, y, x1 - x0, h, Math.min(radius, (x1 - x0) / 2));
  g.c.fill();
  g.c.globalAlpha = 1;
}

function hit(g, a, b, y, h, title, body, note) {
  const x0 = Math.max(g.x(a), g.left), x1 = Math.min(g.x(b), g.right);
  if (x1 >= g.left - 3 && x0 <= g.right + 3) g.hits.push({ x0: x0 - 3, x1: x1 + 3, y, h, title, body, note, wide: x1 - x0 });
}

// As much of text as fits into room, its beginning or (tail) its end, with an ellipsis where something was cut; "" if hardly any.
function fitted(g, text, room, tail = false) {
  if (g.c.measureText(text).width <= room) return text;
  const cut = (n) => (tail ? "…" + text.slice(text.length - n).trimStart() : text.slice(0, n).trimEnd() + "…");
  let low = 0, high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (g.c.measureText(cut(middle)).width <= room) low = middle; else high = middle - 1;
  }
  const word = tail ? cut(low).indexOf(" ") : -1; // the newest words, whole
  return low < 3 ? "" : word > 0 ? "…" + cut(low).slice(word + 1) : cut(low);
}

// Text between x0 and x1, kept in view while its owner is. Returns its width.
function label(g, text, x0, x1, y, color, font = PLAIN, alpha = 1) {
  const from = Math.max(x0, g.left + 2), room = Math.min(x1, g.right) - from;
  if (room < 14 || !text) return 0;
  g.c.font = font;
  const shown = fitted(g, text, room), width = g.c.measureText(shown).width;
  g.c.globalAlpha = alpha;
  g.c.fillStyle = color;
  g.c.textBaseline = "middle";
  g.c.fillText(shown, from, y);
  g.c.globalAlpha = 1;
  return width;
}

const visible = (g, items) => items.filter((item) => item.b >= g.from && item.a <= g.to);
const span = (item) => `${seconds(item.a, 3)} – ${seconds(item.b, 3)}  ·  ${millis(item.b - item.a)}`;
const whose = (item) =>
  [(item.turn ?? null) === null ? "" : `turn ${item.turn}`, item.generation ? `generation ${item.generation}` : ""].filter(Boolean).join(", ");

function drawWave(g, name, y, h, color) {
  const wave = WAVES[name], middle = y + h / 2, perPixel = (g.to - g.from) / (g.right - g.left);
  g.c.fillStyle = g.color.line;
  g.c.fillRect(g.left, Math.round(middle), g.right - g.left, 1);
  if (!wave) return;
  const scale = (h / 2 - 2) / wave.peak;
  g.c.fillStyle = color;
  if (SOUND && SOUND[name] && perPixel < wave.levels[0].step / 4) return drawSamples(g, SOUND[name], middle, scale * 128, color);
  const level = wave.levels.findLast((l) => l.step <= perPixel) || wave.levels[0], pairs = level.data.length >> 1;
  g.c.beginPath();
  for (let px = g.left; px < g.right; px++) {
    const t = g.from + (px - g.left) * perPixel;
    const first = Math.floor(t / level.step), last = Math.max(first + 1, Math.ceil((t + perPixel) / level.step));
    if (last <= 0 || first >= pairs) continue;
    let low = 127, high = -128;
    for (let i = Math.max(0, first); i < Math.min(last, pairs); i++) {
      low = Math.min(low, level.data[2 * i]);
      high = Math.max(high, level.data[2 * i + 1]);
    }
    g.c.rect(px, middle - high * scale, 1, Math.max(1, (high - low) * scale));
  }
  g.c.fill();
}

function drawSamples(g, samples, middle, scale, color) {
  const rate = DATA.audioRate, first = Math.max(0, Math.floor(g.from * rate)), last = Math.min(samples.length, Math.ceil(g.to * rate) + 1);
  g.c.strokeStyle = color;
  g.c.lineWidth = 1.25;
  g.c.beginPath();
  for (let i = first; i < last; i++) g.c.lineTo(g.x(i / rate), middle - samples[i] * scale);
  g.c.stroke();
}

// The texts of one reply's clauses: each in its own box, or, where these are too narrow, one after the other over all of them or behind.
function clauses(g, chunks, y, until) {
  if (!chunks.length || chunks[0].a > g.to) return;
  const start = chunks[0].a, end = Math.max(...chunks.map((chunk) => chunk.b)), width = g.x(end) - g.x(start);
  if (width > chunks.length * 70) {
    chunks.forEach((chunk, k) => {
      const next = k + 1 < chunks.length ? chunks[k + 1].a : until;
      label(g, chunk.text, g.x(chunk.a) + 6, g.x(next) - 4, y, g.color.ink);
    });
  } else {
    const inside = width > 110 || until <= end;
    const [from, to] = inside ? [start, end] : [end, until];
    label(g, chunks.map((chunk) => chunk.text.trim()).join(" "), g.x(from) + 6, g.x(to) - 5, y, g.color.ink);
  }
}

const LANES = [
  {
    name: "Events", height: 34,
    draw(g, y, h) {
      const seen = DATA.flags.filter((flag) => flag.a >= g.from && flag.a <= g.to), rows = [[], []];
      seen.sort((p, q) => (FLAG_RANK[p.event] ?? 5) - (FLAG_RANK[q.event] ?? 5) || p.a - q.a);
      for (const flag of seen) {
        const x = g.x(flag.a), color = g.color[FLAG_COLOR[flag.event] || "muted"];
        g.c.fillStyle = color;
        g.c.beginPath();
        g.c.arc(x, y + h - 5, 3, 0, 7);
        g.c.fill();
        hit(g, flag.a, flag.a, y, h, flag.label, flag.detail, `${seconds(flag.a, 3)}  ${whose(flag)}`);
        if (flag.event === "earcon") continue;
        g.c.font = SMALL;
        const width = g.c.measureText(flag.label).width, from = Math.min(x - 3, g.right - width - 4), to = from + width + 8;
        const row = rows.findIndex((taken) => taken.every(([a, b]) => to <= a || from >= b));
        if (row < 0) continue;
        rows[row].push([from, to]);
        g.c.fillStyle = color;
        g.c.textBaseline = "middle";
        g.c.fillText(flag.label, from, y + 6 + row * 12);
      }
    },
  },
  {
    name: "Latency", height: 26,
    draw(g, y, h) {
      const turns = DATA.turns.filter((turn) => turn.playback_first_sample !== null);
      turns.forEach((turn, k) => {
        const zero = turn.origin_s, end = zero + turn.playback_first_sample, next = turns[k + 1];
        if (end < g.from - 5 || zero > g.to) return;
        for (const s of segments(turn)) {
          const a = zero + s.a, b = zero + s.b, color = g.color[STAGE_COLOR[s.name]];
          box(g, a, b, y + 4, h - 8, color, 1, 2);
          hit(g, a, b, y, h, s.label, `${millis(s.b - s.a)}, to ${millis(s.b)} after the last speech sample`,
            `${whose(turn)}  ·  ${span({ a, b })}`);
          const from = Math.max(g.x(a), g.left), room = Math.min(g.x(b), g.right) - from - 9;
          g.c.font = SMALL;
          const text = [`${s.label} ${millis(s.b - s.a)}`, s.label, millis(s.b - s.a)].find((t) => g.c.measureText(t).width <= room);
          if (text) label(g, text, from + 5, g.x(b), y + h / 2 + 0.5, g.color[ON_PALE.includes(s.name) ? "ink" : "onBar"], SMALL);
        }
        const room = next ? g.x(next.origin_s) : Infinity;
        const total = millis(turn.playback_first_sample);
        if (g.x(end) + 6 > g.left) label(g, total, g.x(end) + 6, room, y + h / 2 + 0.5, g.color.out, "600 " + PLAIN);
      });
    },
  },
  {
    name: "Microphone", height: 66, when: () => WAVES.mic,
    draw(g, y, h) {
      for (const s of visible(g, DATA.speech)) box(g, s.a, s.b, y, h, g.color.user, 0.12, 4);
      drawWave(g, "mic", y, h, g.color.user);
    },
  },
  {
    name: "Voice activity", height: 36,
    draw(g, y, h) {
      for (const s of visible(g, DATA.speech)) {
        box(g, s.a, s.b, y, h, g.color.user, 0.13, 4);
        hit(g, s.a, s.b, y, h, "speech", "", span(s));
      }
      const { t, p } = DATA.vad;
      const first = Math.max(0, lowerBound(t, g.from, (v) => v) - 1), last = Math.min(t.length, lowerBound(t, g.to, (v) => v) + 2);
      if (last - first < 2) return;
      const floor = y + h - 2, tall = h - 6, skip = Math.max(1, Math.floor((last - first) / ((g.right - g.left) * 2)));
      g.c.beginPath();
      g.c.moveTo(g.x(t[first]), floor);
      for (let i = first; i < last; i += skip) {
        let high = 0;
        for (let k = i; k < Math.min(i + skip, last); k++) high = Math.max(high, p[k]);
        g.c.lineTo(g.x(t[i]), floor - high * tall);
      }
      g.c.strokeStyle = g.color.vad;
      g.c.lineWidth = 1.25;
      g.c.stroke();
      g.c.lineTo(g.x(t[last - 1]), floor);
      g.c.globalAlpha = 0.16;
      g.c.fillStyle = g.color.vad;
      g.c.fill();
      g.c.globalAlpha = 1;
    },
  },
  {
    name: "Recognition", height: 42,
    draw(g, y, h) {
      DATA.stt.forEach((item, k) => {
        const next = DATA.stt[k + 1], limit = next ? g.x(next.a) - 6 : Infinity;
        if (item.a > g.to) return;
        box(g, item.a, item.b, y + 21, h - 23, g.color.user, 0.16);
        label(g, item.text || "(nothing said)", g.x(item.a), limit, y + 10, item.final ? g.color.ink : g.color.muted);
        hit(g, item.a, item.b, y, 20, item.final ? "final text" : "last words", item.text, `${whose(item)}  ·  ${span(item)}`);
        for (const part of visible(g, item.partials)) {
          const x0 = g.x(part.a), x1 = g.x(part.b), settled = part.text.slice(0, part.stable), rest = part.text.slice(part.stable);
          g.c.fillStyle = g.color.user;
          g.c.fillRect(x0, y + 21, 1.5, h - 23);
          g.c.font = SMALL;
          const from = Math.max(x0 + 5, g.left + 2), shown = fitted(g, part.text, Math.min(x1, g.right) - from - 3, true);
          const kept = Math.max(0, shown.length - rest.length);
          const used = label(g, shown.slice(0, kept), from, x1 + 9, y + 31, g.color.ink, SMALL);
          label(g, shown.slice(kept), from + used, x1 + 9, y + 31, g.color.muted, SMALL);
          g.hits.push({ x0, x1: Math.max(x1, x0 + 4), y: y + 20, h: h - 20, title: "words so far", settled, rest, wide: x1 - x0,
            note: `${whose(item)}  ·  ${seconds(part.a, 3)}` });
        }
      });
    },
  },
  {
    name: "Language model", height: 42,
    draw(g, y, h) {
      DATA.llm.forEach((item, k) => {
        const next = DATA.llm[k + 1], limit = next ? g.x(next.a) - 6 : Infinity;
        const text = item.tokens.map((token) => token.text).join("").trim();
        if (item.a > g.to) return;
        box(g, item.a, item.b, y + 21, h - 23, item.finish === "cancelled" ? g.color.stop : g.color.think, 0.16);
        label(g, text, g.x(item.a), limit, y + 10, g.color.ink);
        hit(g, item.a, item.b, y, 20, "reply" + (item.finish ? `, ended by ${item.finish}` : ""), text,
          `${whose(item)}  ·  ${item.tokens.length} tokens  ·  ${span(item)}`);
        item.tokens.forEach((token, i) => {
          const end = i + 1 < item.tokens.length ? item.tokens[i + 1].a : Math.min(item.b, token.a + 0.2);
          if (end < g.from || token.a > g.to) return;
          const x0 = g.x(token.a);
          g.c.fillStyle = g.color.think;
          g.c.fillRect(x0, y + 21, i ? 1 : 2, h - 23);
          label(g, token.text.trim(), x0 + 4, g.x(end), y + 31, g.color.ink, SMALL);
          g.hits.push({ x0, x1: Math.max(g.x(end), x0 + 3), y: y + 20, h: h - 20, title: i ? "token" : "first token",
            body: `“${token.text}”`, note: `${whose(item)}  ·  ${seconds(token.a, 3)}`, wide: g.x(end) - x0 });
        });
      });
    },
  },
  {
    name: "Synthesis", height: 30,
    draw(g, y, h) {
      for (const chunk of DATA.tts) {
        if (chunk.a > g.to) break;
        box(g, chunk.a, chunk.b, y + 4, h - 8, g.color.voice, 0.28);
        if (chunk.sound !== null) box(g, chunk.a, chunk.sound, y + 4, h - 8, g.color.voice, 0.5);
        g.c.fillStyle = g.color.voice;
        if (chunk.a >= g.from) g.c.fillRect(g.x(chunk.a), y + 4, 1.5, h - 8);
        const said = chunk.spoken && chunk.spoken !== chunk.text.trim() ? `${chunk.text} → ${chunk.spoken}` : chunk.text;
        const first = chunk.sound === null ? "" : `  ·  first sound after ${millis(chunk.sound - chunk.a)}`;
        hit(g, chunk.a, chunk.b, y, h, "clause to be spoken", said,
          `${whose(chunk)}  ·  ${span(chunk)}${first}` + (chunk.seconds ? `  ·  plays ${seconds(chunk.seconds)}` : ""));
      }
      const replies = [...new Set(DATA.tts.map((c) => c.generation))].map((id) => DATA.tts.filter((c) => c.generation === id));
      replies.forEach((chunks, k) => clauses(g, chunks, y + h / 2 + 0.5, replies[k + 1] ? replies[k + 1][0].a : Infinity));
    },
  },
  {
    name: "Playback", height: 30,
    draw(g, y, h) {
      for (const item of visible(g, DATA.playback)) {
        box(g, item.a, item.b, y + 4, h - 8, g.color.out, 0.3);
        for (const hole of item.holes) {
          box(g, hole.a, hole.b, y + 4, h - 8, g.color.stop, 0.4, 1);
          hit(g, hole.a, hole.b, y, h, "silent", "", `${whose(item)}  ·  ${span(hole)}`);
        }
        hit(g, item.a, item.b, y, h, item.cut ? "heard, then interrupted" : "heard", "", `${whose(item)}  ·  ${span(item)}`);
        for (const part of item.parts) {
          g.c.fillStyle = g.color.out;
          if (part.a >= g.from && part.a <= g.to) g.c.fillRect(g.x(part.a), y + 4, 1.5, h - 8);
          hit(g, part.a, part.b, y, h, "heard", part.text, `${whose(item)}  ·  ${span(part)}`);
        }
        clauses(g, item.parts, y + h / 2 + 0.5, item.b);
        if (item.cut && item.b >= g.from && item.b <= g.to) {
          g.c.fillStyle = g.color.stop;
          g.c.fillRect(g.x(item.b) - 1, y + 1, 3, h - 2);
        }
      }
    },
  },
  {
    name: "Loudspeaker", height: 66, when: () => WAVES.speaker,
    draw(g, y, h) {
      drawWave(g, "speaker", y, h, g.color.out);
    },
  },
  {
    name: "State", height: 24,
    draw(g, y, h) {
      for (const item of visible(g, DATA.state)) {
        const color = g.color[STATE_COLOR[item.state] || "muted"];
        box(g, item.a, item.b, y + 3, h - 6, color, item.state === "idle" ? 0.16 : 0.26, 4);
        label(g, item.state, g.x(item.a) + 6, g.x(item.b) - 4, y + h / 2 + 0.5, g.color.ink, SMALL);
        hit(g, item.a, item.b, y, h, item.state, "", span(item));
      }
    },
  },
].filter((lane) => !lane.when || lane.when());

// Where the time of an answer went: each stage from the user's last sample to the first sound, one below the other.

import { byId, element, whole } from "./dom.js";

const MOST = 40; // answers that can be looked at
const LABELS = {
  speech_end_detected: "End of speech seen", endpoint: "Wait for more", stt_final: "Final text", llm_first_token: "First token",
  tts_chunk: "First clause", tts_first_chunk: "First sound made", playback_first_sample: "Loudspeaker", played: "Heard in this browser" };
const HUE = {
  speech_end_detected: "vad", endpoint: "wait", stt_final: "user", llm_first_token: "think", tts_chunk: "think-soft", tts_first_chunk: "voice",
  playback_first_sample: "out", played: "faint" };
const ORIGINS = { speech_end: "after your last sound", endpoint: "after the question", first_event: "after the question" };

export class Timing {
  constructor() {
    this._root = byId("timing");
    this._known = [];
    this._shown = null;
    this._draw();
  }

  // `chosen`: the user wants to see this one.
  put(timing, chosen = false) {
    const key = keyOf(timing), at = this._known.findIndex((other) => keyOf(other) === key);
    if (at >= 0) this._known[at] = timing;
    else this._known.push(timing);
    if (this._known.length > MOST) this._known.shift();
    if (chosen) this._shown = key;
    else if (this._shown !== null && at < 0 && this._shown === keyOf(this._known.at(-2) ?? timing)) this._shown = key;
    this._shown ??= key;
    this._draw();
  }

  _step(by) {
    const at = this._known.findIndex((timing) => keyOf(timing) === this._shown);
    this._shown = keyOf(this._known[Math.min(this._known.length - 1, Math.max(0, at + by))]);
    this._draw();
    this._root.querySelector(`[data-step="${by}"]`)?.focus();
  }

  _draw() {
    const at = this._known.findIndex((timing) => keyOf(timing) === this._shown), timing = this._known[at];
    if (!timing) {
      return this._root.replaceChildren(element("h2", { text: "Where the time goes" }),
        element("p", { class: "quiet", text: "After each answer you see here what it waited for, from the last sound of your question to the first sound of the answer." }));
    }
    const client = timing.client ?? {}, parts = stages({ ...timing.stages, played: client.played_ms }), end = timing.stages.playback_first_sample ?? parts.at(-1)?.b ?? 0;
    const longest = Math.max(1, ...parts.map((part) => part.b));
    const step = (by, name, sign) => element("button", { type: "button", class: "step", "data-step": by, "aria-label": name, text: sign,
      disabled: !this._known[at + by], onclick: () => this._step(by) });
    this._root.replaceChildren(
      element("div", { class: "panel-head" }, element("h2", {}, `Turn ${timing.turn}`, element("small", { text: timing.where === "mine" ? "through this browser" : "" })),
        element("span", { class: "steps" }, step(-1, "The answer before", "‹"), step(1, "The next answer", "›"))),
      element("p", { class: "figure" }, element("strong", { text: whole(end) }), " ms",
        element("span", { text: `to the first sound, ${ORIGINS[timing.origin] ?? ""}` })),
      table(parts, longest), away(client),
      element("p", { class: "quiet", text: timing.reply_s ? `The answer was ${timing.reply_s.toFixed(1)} s long.` : "" }));
  }
}

const keyOf = (timing) => `${timing.where ?? "device"}:${timing.turn}:${timing.generation}`;

// How far away this page is.
function away(client) {
  const rows = [["sent_ms", "First sound sent to this browser", 0], ["rtt_ms", "Round trip to this browser", 1]];
  return element("dl", { class: "facts" }, ...rows.filter(([name]) => client[name] !== undefined).map(([name, label, digits]) =>
    element("div", {}, element("dt", { text: label }), element("dd", { text: `${client[name].toLocaleString("en", { maximumFractionDigits: digits })} ms` }))));
}

// Each from where the ones before it had ended: what is done while something else is waited for costs nothing.
function stages(reached) {
  const made = [];
  let before = 0;
  for (const [name, label] of Object.entries(LABELS)) {
    const at = reached[name];
    if (at === undefined || at === null) continue;
    made.push({ name, label, a: Math.min(before, at), b: at, took: Math.max(0, at - before) });
    before = Math.max(before, at);
  }
  return made;
}

function table(parts, longest) {
  const body = element("tbody");
  for (const part of parts) {
    const from = part.b - part.took, color = `var(--${HUE[part.name]})`;
    const bar = element("span", { style: { left: `${100 * Math.max(0, from) / longest}%`, width: `${100 * part.took / longest}%`, background: color } });
    body.append(element("tr", {}, element("th", { scope: "row" }, element("i", { class: "swatch", style: { background: color } }), part.label),
      element("td", { class: "track" }, element("div", {}, bar)), element("td", { text: whole(part.took) }), element("td", { class: "at", text: whole(part.b) })));
  }
  const head = element("tr", {}, element("th", { scope: "col" }, element("span", { class: "visually-hidden", text: "stage" })), element("td", { class: "track" }),
    element("th", { scope: "col", text: "took" }), element("th", { scope: "col", text: "at ms" }));
  return element("table", { class: "stages" }, element("caption", { class: "visually-hidden", text: "Stages of the answer, in milliseconds" }),
    element("thead", {}, head), body);
}

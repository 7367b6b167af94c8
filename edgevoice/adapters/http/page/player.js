// Playing what the device sends: a scheduler on the browser's audio clock, with a buffer as deep as the connection's jitter asks for.
//
// Theory: each piece names its first sample, so its place in time is known: `base` + sample / rate.  A piece is handed to Web Audio ahead
// of its time and plays without a seam.  One that comes too late moves `base` (and deepens the buffer) once; at the beginning of each
// utterance, which follows a silence, the depth is set anew from the jitter that was seen, so that it shrinks again where nobody hears
// it, and the two clocks' drift is gone with it.

import { clamp } from "./dom.js";

const DEVICE = 1, VOICE = 2, MULAW = 1;
const LEAST_S = 0.06, MOST_S = 0.6, FIRST_S = 0.12;
const MARGIN_S = 0.03; // beyond the jitter that was seen
const PAUSE_S = 0.08; // a gap of this length separates utterances
const SEEN = 100; // pieces whose punctuality is remembered: two seconds
const FADE_S = 0.008;
const AHEAD_S = 3; // a piece further ahead than this is another clock's

export class Player {
  constructor(link) {
    this._link = link;
    this._context = null;
    this._lines = new Map(); // kind of sound: its Line
    this.volume = 1;
    this.late = 0; // pieces that came too late
    link.on("sound", (piece) => this._take(piece));
    link.on("event", (message) => this._event(message));
    link.on("down", () => this.silence());
  }

  // Wants a gesture of the user before it; browsers are silent until then.
  async open() {
    if (!this._context) {
      this._context = new AudioContext({ latencyHint: "interactive" });
      this._gain = this._context.createGain();
      this._gain.connect(this._context.destination);
      this._gain.gain.value = this.volume;
    }
    await this._context.resume();
  }

  get context() { return this._context; }
  get depth_ms() { return Math.round(1000 * Math.max(0, ...[...this._lines.values()].map((line) => line.depth))); }
  get playing() { return [...this._lines.values()].some((line) => line.sounding.size > 0); }

  setVolume(volume) {
    this.volume = volume;
    if (this._gain) this._gain.gain.setTargetAtTime(volume, this._context.currentTime, 0.02);
  }

  // Now, and until the device has fallen silent itself: what is on its way is not heard any more.
  silence(deaf_ms = 0) {
    for (const line of this._lines.values()) line.drop(this._context);
    this._deafUntil = performance.now() + deaf_ms;
  }

  _take(piece) {
    if (this._context?.state !== "running" || performance.now() < (this._deafUntil ?? 0)) return;
    const formats = this._link.welcome.formats;
    const known = piece.what === VOICE ? formats.voice : piece.format === MULAW ? formats.low : formats.full;
    if (![DEVICE, VOICE].includes(piece.what) || !known) return;
    const samples = piece.format === MULAW ? fromMulaw(new Uint8Array(piece.buffer, 16)) : fromInt16(new Int16Array(piece.buffer, 16));
    if (!this._lines.has(piece.what)) this._lines.set(piece.what, new Line());
    const line = this._lines.get(piece.what);
    if (line.rate !== known.rate) line.begin(known.rate);
    this.late += line.play(this._context, this._gain, piece.sample, samples) ? 0 : 1;
    this._tellFirst(piece.what, line);
  }

  _event({ event, where }) {
    const what = where === "mine" ? VOICE : DEVICE, line = this._lines.get(what);
    if (event.event === "playback_first_sample") {
      this._deafUntil = 0;
      this._first = { what, where, generation: event.generation, sample: event.sample };
      if (line) this._tellFirst(what, line);
    } else if (event.event === "barge_in_paused" || event.event === "barge_in_confirmed" || event.event === "playback_silent") {
      if (line) line.drop(this._context);
    }
  }

  // Tells the device when the first sound of an answer comes out of this loudspeaker.
  _tellFirst(what, line) {
    const first = this._first;
    if (first?.what !== what || !line.rate) return;
    const rate = this._link.welcome.rate, at = line.timeOf(first.sample * line.rate / rate);
    if (at === null) return;
    this._first = null;
    const out = this._context.outputLatency || this._context.baseLatency || 0, wait = 1000 * (at + out - this._context.currentTime);
    const { generation, where } = first;
    setTimeout(() => this._link.send({ type: "played", generation, late_ms: 0, ...(where === "mine" ? { where } : {}) }), Math.max(0, wait));
  }
}

class Line {
  constructor() {
    this.sounding = new Set();
    this.depth = FIRST_S;
    this.rate = 0;
  }

  begin(rate) {
    this.rate = rate;
    this._base = null;
    this._next = null; // sample after the newest
    this._early = []; // how long before its time each piece came
  }

  // When a sample is heard, in the context's time; null if it did not come yet.
  timeOf(sample) {
    return this._base === null || this._next === null || sample >= this._next ? null : this._base + sample / this.rate;
  }

  // False if it came too late for its place.
  play(context, to, sample, samples) {
    const now = context.currentTime;
    const pause = this._next === null || sample - this._next > PAUSE_S * this.rate || sample < this._next;
    if (pause) this._adapt(now, sample);
    let at = this._base + sample / this.rate;
    const late = at < now + 0.002 || at > now + AHEAD_S;
    if (late) {
      this.depth = clamp(this.depth + Math.max(0, Math.min(0.1, now - at)), LEAST_S, MOST_S);
      this._base = now + this.depth - sample / this.rate;
      at = now + this.depth;
      this._early = [];
    }
    this._early.push(at - now);
    if (this._early.length > SEEN) this._early.shift();
    this._next = sample + samples.length;
    const buffer = context.createBuffer(1, samples.length, this.rate), gain = context.createGain(), source = context.createBufferSource();
    buffer.copyToChannel(samples, 0);
    source.buffer = buffer;
    source.connect(gain).connect(to);
    source.start(at);
    const voice = { source, gain };
    this.sounding.add(voice);
    source.onended = () => {
      this.sounding.delete(voice);
      gain.disconnect();
    };
    return !late || pause;
  }

  _adapt(now, sample) {
    if (this._early.length > 10) {
      const jitter = Math.max(...this._early) - Math.min(...this._early);
      this.depth = clamp(Math.max(jitter + MARGIN_S, 0.8 * this.depth), LEAST_S, MOST_S);
    }
    this._early = [];
    const at = this._base === null ? null : this._base + sample / this.rate - now;
    if (at === null || at < this.depth || at > this.depth + 0.1) this._base = now + this.depth - sample / this.rate;
  }

  drop(context) {
    const now = context?.currentTime ?? 0;
    for (const { source, gain } of this.sounding) {
      gain.gain.setValueAtTime(1, now);
      gain.gain.linearRampToValueAtTime(0, now + FADE_S);
      source.stop(now + FADE_S);
    }
    this._base = this._next = null;
    this._early = [];
  }
}

function fromInt16(values) {
  return Float32Array.from(values, (value) => value / 32768);
}

// G.711 µ-law.
const EXPANDED = Float32Array.from({ length: 256 }, (_, code) => {
  const bits = ~code & 255, magnitude = (((bits & 15) << 3) + 132 << (bits >> 4 & 7)) - 132;
  return (bits & 128 ? -magnitude : magnitude) / 32768;
});
function fromMulaw(codes) {
  return Float32Array.from(codes, (code) => EXPANDED[code]);
}

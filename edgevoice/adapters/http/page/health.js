// How the device does: what is wrong, its figures over time, and its engines.  Asked for while the page is looked at.

import { byId, element, whole } from "./dom.js";
import { Plot } from "./plot.js";

const EVERY_MS = 2000;
const SPAN_S = 1800;
const PLOTS = [
  ["Voice to voice, median", "ms", { hue: "out", floor: 500 }, (h) => h.latency_ms?.voice_to_voice?.p50],
  ["First token, median", "ms", { hue: "think", floor: 200 }, (h) => h.latency_ms?.first_token?.p50],
  ["Between two tokens", "ms", { hue: "think", floor: 50, digits: 1 }, (h) => h.latency_ms?.inter_token?.p50],
  ["Gaps in playback", "", { hue: "stop", floor: 4 }, (h) => h.playout?.underruns],
  ["Processor", "%", { hue: "user", floor: 100 }, (h) => h.host?.cpu_percent],
  ["Memory of the process", "MB", { hue: "user", floor: 100 }, (h) => h.host?.rss_mb],
  ["Temperature", "°C", { hue: "stop", floor: 60 }, (h) => h.host?.temperature_c],
  ["Microphone backlog", "ms", { hue: "voice", floor: 50 }, (h) => h.sound?.ring_ms],
];

export class Health {
  constructor(link) {
    this._link = link;
    this._plots = PLOTS.map(([name, unit, options, value]) => ({ plot: new Plot(name, unit, { ...options, span_s: SPAN_S }), value, seen: false }));
    this._summary = element("p", { class: "summary" });
    this._alerts = element("ul", { class: "alerts" });
    this._grid = element("div", { class: "plots" });
    this._engines = element("dl", { class: "facts" });
    byId("health").append(element("h2", { text: "Health" }), this._summary, this._alerts, this._grid,
      element("h3", { text: "Engines" }), this._engines);
    document.addEventListener("visibilitychange", () => this._look());
    link.on("up", () => this._look());
    setInterval(() => this._look(), EVERY_MS);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this._plots.forEach(({ plot }) => plot.draw()));
  }

  async _look() {
    if (document.hidden || !this._link.may("listen") || this._looking) return;
    this._looking = true;
    try {
      const answer = await fetch("/health", { headers: this._link.headers, cache: "no-store" });
      if (answer.ok) this._show(await answer.json());
    } catch {
      // it is away; the state at the top says so already
    } finally {
      this._looking = false;
    }
  }

  _show(health) {
    this._summary.textContent = !health.ok ? "Something is wrong." : health.alerts.length ? "It works. Worth knowing:" : "All is well.";
    this._summary.dataset.ok = health.ok;
    this._alerts.replaceChildren(...health.alerts.map((alert) => element("li", { class: alert.severe ? "severe" : "", text: alert.text })));
    byId("tab-health").toggleAttribute("data-alert", !health.ok);
    for (const each of this._plots) {
      const value = each.value(health) ?? null;
      if (value !== null && !each.seen) { // what this machine cannot measure is not shown
        each.seen = true;
        this._grid.append(...this._plots.filter(({ seen }) => seen).map(({ plot }) => plot.node));
      }
      if (each.seen) each.plot.put(health.time, value);
    }
    const up = health.uptime_s, host = health.host ?? {};
    this._engines.replaceChildren(
      ...Object.entries(health.engines ?? {}).map(([name, engine]) => fact(NAMES[name] ?? name,
        [engine.state, engine.errors ? `${whole(engine.errors)} errors` : "", engine.loaded_anew ? `loaded anew ${engine.loaded_anew} times` : ""]
          .filter(Boolean).join(", "), engine.state !== "ready")),
      fact("Running for", up < 5400 ? `${whole(up / 60)} min` : up < 172800 ? `${(up / 3600).toFixed(1)} h` : `${(up / 86400).toFixed(1)} days`),
      ...(host.disk_free_mb ? [fact("Disk free", `${(host.disk_free_mb / 1024).toFixed(1)} GB`)] : []),
      ...(host.memory_free_mb ? [fact("Memory free", `${whole(host.memory_free_mb)} MB`)] : []),
      ...(health.last_error ? [fact("Last error", health.last_error.message, true)] : []));
  }
}

const NAMES = { llm: "Language model", stt: "Speech to text", tts: "Voice", vad: "Voice activity", wake: "Wake word", ears: "Hearing", turn: "End of the turn" };

function fact(name, value, bad = false) {
  return element("div", {}, element("dt", { text: name }), element("dd", { class: bad ? "bad" : "", text: value }));
}

// What happens, as it happens, the newest first.

import { byId, clock, element } from "./dom.js";

const MOST = 300;
const HUES = { error: "stop", cancel: "stop", underrun: "stop", stt: "user", speech: "user", asked: "user", endpoint: "user", wake: "user", llm: "think", speculation: "think", tts: "voice",
  playback: "out", barge: "stop" };
const OWN = new Set(["id", "event", "time", "text", "chars"]);

export class Log {
  constructor(link) {
    this._paused = false;
    this._count = 0;
    this._list = element("ol", { class: "events" });
    this._pause = element("button", { type: "button", class: "chip", "aria-pressed": "false", text: "Pause", onclick: () => this._toggle() });
    this._quiet = element("p", { class: "quiet", text: "Nothing happened since this page was opened." });
    byId("log").append(element("div", { class: "panel-head" }, element("h2", { text: "Log" }), this._pause), this._quiet, this._list);
    link.on("event", ({ event, where }) => this._put(event, where));
    link.on("gap", ({ lost }) => this._put({ event: "gap", time: Date.now() / 1000, lost: lost ?? "unknown" }));
    link.on("quality", ({ sound, why }) => this._put({ event: "quality", time: Date.now() / 1000, sound, why }));
  }

  _toggle() {
    this._paused = !this._paused;
    this._pause.setAttribute("aria-pressed", this._paused);
    this._pause.textContent = this._paused ? "Go on" : "Pause";
  }

  _put(event, where) {
    if (this._paused) return;
    this._quiet.hidden = true;
    const facts = Object.entries(event).filter(([name]) => !OWN.has(name)).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`);
    if (where === "mine") facts.unshift("this page’s own");
    if (event.text) facts.unshift(`“${event.text}”`);
    const hue = HUES[event.event.split("_")[0]];
    const made = element("li", {}, element("time", { text: clock(event.time) }),
      element("b", { text: event.event.replaceAll("_", " "), style: hue ? { color: `var(--${hue})` } : {} }), element("span", { text: facts.join(" · ") }));
    this._list.prepend(made);
    if (this._list.children.length > MOST) this._list.lastChild.remove();
  }
}

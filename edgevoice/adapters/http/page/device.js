// The device itself: volumes, wake words, models, what it says is wrong with it.

import { byId, element, notice, whole } from "./dom.js";

const ROLES = { llm: "Language model", stt: "Speech to text", tts: "Voice", vad: "Voice activity" };
const ALL = "";
const CHANNELS = { [ALL]: "Everything", voice: "Answers", announcement: "Announcements", alarm: "Alarms", earcon: "Tones" };

export class Device {
  constructor(link, player) {
    this._link = link;
    this._facts = element("dl", { class: "facts" });
    this._volumes = element("div", { class: "sliders" });
    this._sliders = new Map();
    this._profiles = element("select", { id: "profile", onchange: () => this._profile() });
    this._profileRow = element("label", { class: "row", hidden: true }, element("span", { text: "Profile" }), this._profiles);
    this._installed = element("div", { class: "result" });
    this._found = element("div", { class: "result" });
    const here = element("input", { type: "range", min: 0, max: 100, step: 5, value: 100,
      oninput: () => player.setVolume(here.value / 100) });
    for (const [channel, label] of Object.entries(CHANNELS)) this._slider(channel, label);
    this._models = element("button", { type: "button", class: "chip", text: "Show all that are installed", onclick: () => this._list() });
    this._doctor = element("button", { type: "button", class: "chip", text: "Look for what is wrong", onclick: () => this._examine() });
    byId("device").append(element("h2", { text: "Device" }), this._facts, this._profileRow,
      element("h3", { text: "Volumes" }), this._volumes,
      element("label", { class: "slider" }, element("span", { text: "In this browser" }), here),
      element("h3", { text: "Models" }), this._models, this._installed,
      element("h3", { text: "Check-up" }), this._doctor, this._found);
    link.on("state", ({ state, where }) => { if (where !== "mine") this._show(state); });
    for (const what of ["up", "down"]) link.on(what, () => this._allow());
    this._allow();
  }

  _allow() {
    const link = this._link;
    for (const slider of this._sliders.values()) slider.disabled = !link.may("control");
    this._models.disabled = this._doctor.disabled = !link.may("listen");
    this._profiles.disabled = !link.may("admin");
  }

  _slider(channel, label) {
    const slider = element("input", { type: "range", min: 0, max: 100, step: 5, value: 100, onchange: async () => {
      const answer = await this._link.do("volume", { volume: slider.value / 100, ...(channel === ALL ? {} : { channel }) });
      if (!answer.ok) notice(answer.message);
    } });
    this._sliders.set(channel, slider);
    this._volumes.append(element("label", { class: "slider" }, element("span", { text: label }), slider));
  }

  _show(state) {
    const fact = (name, value) => element("div", {}, element("dt", { text: name }), element("dd", { text: value }));
    this._facts.replaceChildren(fact("Version", state.version),
      fact("Wake words", state.wake_words.length ? state.wake_words.map((word) => word.replaceAll("_", " ")).join(", ") : "none: every word is meant for it"),
      ...Object.entries(state.models).map(([role, name]) => fact(ROLES[role] ?? role, name)),
      ...(state.models_latest && state.models_latest !== state.models_installed ? [fact("Newer models", state.models_latest)] : []));
    for (const [channel, gain] of Object.entries({ [ALL]: state.volume, ...state.volumes })) {
      const slider = this._sliders.get(channel);
      if (slider && document.activeElement !== slider) slider.value = Math.round(100 * gain);
    }
    this._profileRow.hidden = state.profiles.length < 2;
    this._profiles.replaceChildren(...state.profiles.map((name) => element("option", { value: name, text: name, selected: name === state.profile })));
  }

  async _profile() {
    const answer = await this._link.do("profile", { name: this._profiles.value });
    const rest = answer.data?.needs_restart?.length;
    notice(answer.ok ? (rest ? `${rest} of its settings wait for a restart.` : "The profile is in force.") : answer.message);
  }

  async _list() {
    const answer = await working(this._models, () => this._link.do("models"));
    if (!answer.ok) return notice(answer.message);
    this._installed.replaceChildren(...answer.data.models.map((model) => element("p", { class: "model" }, element("b", { text: model.name }),
      element("span", { text: [model.state, model.bytes ? `${whole(model.bytes / 1e6)} MB` : "", model.licence].filter(Boolean).join(" · ") }))));
    if (!answer.data.models.length) this._installed.replaceChildren(element("p", { class: "quiet", text: "None is installed." }));
  }

  async _examine() {
    const answer = await working(this._doctor, () => this._link.do("doctor"));
    if (!answer.ok) return notice(answer.message);
    const { findings, looked_at, not_looked_at } = answer.data;
    this._found.replaceChildren(
      element("p", { class: "summary", "data-ok": String(answer.data.ok), text: findings.length ? "" : "Nothing was found." }),
      element("ul", { class: "alerts" }, ...findings.map((finding) => element("li", { class: finding.severe ? "severe" : "", text: finding.text }))),
      element("p", { class: "quiet", text: `Looked at: ${looked_at.join(", ").replaceAll("_", " ")}. Not looked at: ${not_looked_at}.` }));
  }
}

async function working(button, work) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    return await work();
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
    button.focus({ preventScroll: true });
  }
}

// Talking through the browser: its microphone, without the loudspeaker's echo, is the ear of a conversation of one's own.
//
// Laws: the microphone is open only while the device listens to it: not before it is ready, and not after the button was pressed again.

import { byId, clamp, notice } from "./dom.js";

const MICROPHONE = 3, S16 = 0, HEADER = 16;
const HIGHEST_RATE = 48_000;
const ENDED = { idle: "The conversation ended: nothing was said for a while.", elsewhere: "The conversation goes on in another page." };
const KEPT = "edgevoice-conversation";
const LOUD = 0.12; // root mean square at which the level's ring is full

export class Microphone {
  constructor(link, player, { onChange }) {
    this._link = link;
    this._player = player;
    this._onChange = onChange;
    this._button = byId("speak");
    this._button.addEventListener("click", () => this.toggle());
    this.on = false;
    this._conversation = sessionStorage.getItem(KEPT); // of this tab, if it was loaded anew
    link.on("talking", (message) => this._talking(message));
    link.on("up", () => this._up());
    link.on("down", () => {
      this._ready = this._asking = false;
      this._show();
    });
    link.on("error", (message) => this._refused(message));
  }

  get possible() {
    return this._link.may("speak") && this._link.welcome.conversations > 0;
  }

  toggle() {
    return this.on ? this.close() : this.open();
  }

  async open() {
    if (!navigator.mediaDevices) {
      return notice("A browser lends its microphone only to this machine itself or over https: set http.cert_file and http.key_file.", 15);
    }
    this.on = true;
    this._show();
    await this._player.open();
    this._context = new AudioContext({ latencyHint: "interactive" });
    if (this._context.sampleRate > HIGHEST_RATE) {
      await this._context.close();
      this._context = new AudioContext({ latencyHint: "interactive", sampleRate: HIGHEST_RATE });
    }
    this._talk();
  }

  async close() {
    if (this._ready || this._asking) this._link.send({ type: "talk", on: false });
    this.on = this._ready = this._asking = false;
    this._stream?.getTracks().forEach((track) => track.stop());
    this._stream = null;
    const context = this._context;
    this._context = null;
    await context?.close().catch(() => {});
    this._button.style.removeProperty("--level");
    this._show();
  }

  async _listen() {
    this._show("Opening the microphone");
    const context = this._context;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 } });
      if (context !== this._context) return stream.getTracks().forEach((track) => track.stop()); // closed in the meantime
      this._stream = stream;
      stream.getAudioTracks()[0].addEventListener("ended", () => this.close());
      await context.audioWorklet.addModule("/console/capture.js");
      const node = new AudioWorkletNode(context, "capture", { numberOfInputs: 1, numberOfOutputs: 0 });
      node.port.onmessage = ({ data }) => this._heard(data);
      context.createMediaStreamSource(stream).connect(node);
      await context.resume();
      this._show();
    } catch (error) {
      if (context !== this._context) return;
      await this.close();
      notice(error.name === "NotAllowedError" ? "The microphone was not allowed. The browser's settings for this page can allow it."
        : `The microphone cannot be used: ${error.message}`);
    }
  }

  _talk() {
    this._number = this._sample = 0;
    this._asking = true;
    const again = this._conversation ? { conversation: this._conversation, ...this._link.after("mine") } : {};
    this._link.send({ type: "talk", on: true, rate: this._context.sampleRate, ...again });
  }

  _talking({ on, loading, conversation, reason, message }) {
    if (loading) return this._show("The device is getting ready to listen to you");
    this._ready = on;
    this._asking = false;
    if (on) {
      const fresh = conversation !== this._conversation;
      if (fresh) this._link.forget("mine");
      this._keep(conversation);
      if (this._stream) this._show();
      else if (this._context) this._listen();
      return this._onChange(true, fresh);
    }
    if (reason) {
      this._keep(null);
      if (this.on || message) notice(message || ENDED[reason] || "The device cannot listen to this microphone now.");
    }
    if (this.on && reason) this.close();
    this._onChange(false, false);
  }

  _refused(message) {
    if (message.id || message.fatal || !this._asking) return;
    this._asking = false;
    if (message.reason !== "unknown" || !this._conversation) return void this.close();
    message.handled = true; // the one that it was is over: another one
    this._keep(null);
    this._talk();
  }

  _keep(conversation) {
    this._conversation = conversation;
    if (conversation) sessionStorage.setItem(KEPT, conversation);
    else sessionStorage.removeItem(KEPT);
  }

  _heard({ piece, level }) {
    this._button.style.setProperty("--level", clamp(level / LOUD, 0, 1).toFixed(2));
    if (!this._ready) return;
    const message = new ArrayBuffer(HEADER + piece.byteLength), view = new DataView(message);
    view.setUint8(0, MICROPHONE);
    view.setUint8(1, S16);
    view.setUint32(4, this._number++, true);
    view.setBigUint64(8, BigInt(this._sample), true);
    new Int16Array(message, HEADER).set(piece);
    this._sample += piece.length; // counted also where it cannot be sent: the device knows then what is missing
    this._link.sendSound(message);
  }

  _up() {
    if (this.on && this._context) this._talk();
    this._show();
  }

  _show(hint = "") {
    const name = this.on ? "Close this browser's microphone" : "Talk through this browser's microphone";
    this._button.setAttribute("aria-pressed", this.on);
    this._button.classList.toggle("waits", this.on && !(this._ready && this._stream));
    this._button.querySelector("span").textContent = name;
    this._button.title = this.possible || !this._link.up ? name : "This device holds no conversations through a browser's microphone";
    this._button.disabled = !this.on && !this.possible;
    byId("hint").textContent = hint || (this._ready && this._stream ? "Listening to you. You may speak over the answer." : "");
  }
}

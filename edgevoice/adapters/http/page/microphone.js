// Talking through the browser: its microphone, without the loudspeaker's echo, is the ear of a conversation of one's own.
//
// Laws: the microphone is open only while its button is on; where the device has no such conversation for us, it is not opened at all.

import { byId, clamp, notice } from "./dom.js";

const MICROPHONE = 3, S16 = 0, HEADER = 16;
const HIGHEST_RATE = 48_000;
const LOUD = 0.12; // root mean square at which the level's ring is full

export class Microphone {
  constructor(link, player, { onChange }) {
    this._link = link;
    this._player = player;
    this._onChange = onChange;
    this._button = byId("speak");
    this._button.addEventListener("click", () => this.toggle());
    this.on = false;
    this._conversation = null;
    link.on("talking", (message) => this._talking(message));
    link.on("up", () => this._up());
    link.on("down", () => this._show());
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
    this._show("Opening the microphone");
    try {
      await this._player.open();
      await this._listen();
      this._talk();
    } catch (error) {
      await this.close();
      notice(error.name === "NotAllowedError" ? "The microphone was not allowed. The browser's settings for this page can allow it."
        : `The microphone cannot be used: ${error.message}`);
    }
  }

  async close() {
    if (this._ready || this._asking) this._link.send({ type: "talk", on: false });
    this.on = this._ready = this._asking = false;
    this._stream?.getTracks().forEach((track) => track.stop());
    this._stream = null;
    await this._context?.close().catch(() => {});
    this._context = null;
    this._button.style.removeProperty("--level");
    this._show();
  }

  async _listen() {
    this._stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 } });
    this._stream.getAudioTracks()[0].addEventListener("ended", () => this.close());
    this._context = new AudioContext({ latencyHint: "interactive" });
    if (this._context.sampleRate > HIGHEST_RATE) {
      await this._context.close();
      this._context = new AudioContext({ latencyHint: "interactive", sampleRate: HIGHEST_RATE });
    }
    await this._context.audioWorklet.addModule("/console/capture.js");
    const node = new AudioWorkletNode(this._context, "capture", { numberOfInputs: 1, numberOfOutputs: 0 });
    node.port.onmessage = ({ data }) => this._heard(data);
    this._context.createMediaStreamSource(this._stream).connect(node);
    await this._context.resume();
  }

  _talk() {
    this._number = this._sample = 0;
    this._asking = true;
    this._link.send({ type: "talk", on: true, rate: this._context.sampleRate, ...(this._conversation ? { conversation: this._conversation } : {}) });
  }

  _talking({ on, loading, conversation, reason, message }) {
    if (loading) return this._show("The device is getting ready for you");
    this._ready = on;
    this._asking = false;
    if (on) {
      const fresh = conversation !== this._conversation;
      this._conversation = conversation;
      this._show();
      return this._onChange(true, fresh);
    }
    if (reason) {
      this._conversation = null;
      notice(message || "The device cannot listen to this microphone now.");
    }
    if (this.on && reason) this.close();
    this._onChange(false, false);
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
    this._button.classList.toggle("waits", this.on && !this._ready);
    this._button.querySelector("span").textContent = name;
    this._button.title = this.possible || !this._link.up ? name : "This device holds no conversations through a browser's microphone";
    this._button.disabled = !this.on && !this.possible;
    byId("hint").textContent = hint || (this._ready ? "Listening to this browser’s microphone. Speak; you may interrupt." : "");
  }
}

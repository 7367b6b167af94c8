// The connection to the device: one WebSocket (docs/stream.md), kept up, and resumed where it was cut.
//
// Theory: what came is handed to whoever listens by `on(type, f)`, under the type of the message; beside those there are "sound"
// (a piece of it), "up", "down" (why, and when it is tried again) and "signin".  Laws: the token is sent in the first message alone,
// never in an address; a question that was cut off is sent again with its id, so that it is answered once; places are kept only for the
// device's present life.

const TOKEN = "edgevoice-token";
const VERSION = 1;
const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 8000;
const SILENT_PINGS = 3;
const PING_MS = 5000;

export class Link {
  constructor() {
    this.welcome = null; // what the device said of itself, while it is connected
    this.sound = "none";
    this._listeners = new Map();
    this._asked = new Map(); // id: { text, where, seq } of questions whose answers are not whole
    this._doing = new Map(); // id: resolve
    this._places = { device: {}, mine: {} }; // the last event and frame seen of each conversation
    this._boot = "";
    this._wait = FIRST_WAIT_MS;
    this._count = 0;
    this._session = number(8);
  }

  on(type, listener) {
    if (!this._listeners.has(type)) this._listeners.set(type, []);
    this._listeners.get(type).push(listener);
  }

  get up() { return this.welcome !== null; }
  may(scope) { return this.up && this.welcome.scopes.includes(scope); }
  get headers() {
    const token = sessionStorage.getItem(TOKEN);
    return token ? { Authorization: "Bearer " + token } : {};
  }

  signIn(token) {
    sessionStorage.setItem(TOKEN, token);
    this.connect();
  }

  connect() {
    clearTimeout(this._again);
    const socket = this._socket = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") + location.host + "/v1/stream");
    socket.binaryType = "arraybuffer";
    this._fatal = null;
    socket.onopen = () => {
      const token = sessionStorage.getItem(TOKEN);
      this.send({ type: "hello", version: VERSION, ...(token ? { token } : {}) });
    };
    socket.onmessage = (message) => { if (socket === this._socket) this._take(message.data); };
    socket.onclose = () => { if (socket === this._socket) this._lost(); };
    this._watch();
  }

  send(message) {
    if (this._socket?.readyState !== WebSocket.OPEN) return false;
    this._socket.send(JSON.stringify(message));
    return true;
  }

  // Sound of the microphone; left out where the connection does not take it in time.
  sendSound(data) {
    const room = this._socket?.readyState === WebSocket.OPEN && this._socket.bufferedAmount < 96_000;
    if (room) this._socket.send(data);
    return room;
  }

  // Returns the question's id.
  ask(text, where) {
    const id = this._id();
    this._asked.set(id, { text, where, seq: -1 });
    this._sendQuestion(id);
    return id;
  }

  // The device's answer: { ok, data } or { ok: false, reason, message }.
  do(verb, args = {}, where = "device") {
    const id = this._id();
    return new Promise((resolve) => {
      this._doing.set(id, resolve);
      const said = this.send({ type: "do", verb, id, arguments: args, ...(where === "mine" ? { where } : {}) });
      if (!said) this._did(id, { ok: false, reason: "unavailable", message: "The device is not connected." });
    });
  }

  hear(sound) {
    this.sound = sound;
    this.send({ type: "subscribe", sound });
  }

  // Where one was in a conversation, as a message tells it.
  after(where) {
    return Object.keys(this._places[where]).length ? { after: this._places[where] } : {};
  }

  forget(where) {
    this._places[where] = {};
  }

  _id() {
    this._count += 1;
    return `page-${this._session}-${this._count}`;
  }

  _sendQuestion(id) {
    const { text, where, seq } = this._asked.get(id);
    this.send({ type: "ask", id, text, ...(where === "mine" ? { where } : {}), ...(seq >= 0 ? { after: seq } : {}) });
  }

  _did(id, answer) {
    const resolve = this._doing.get(id);
    this._doing.delete(id);
    if (resolve) resolve(answer);
  }

  _take(data) {
    this._watch();
    if (data instanceof ArrayBuffer) return this._hear(data);
    const message = JSON.parse(data);
    const { type, where } = message;
    if (type === "ping") return void this.send({ type: "pong", n: message.n });
    if (type === "welcome") return this._begin(message);
    if (type === "event" && message.event.id) this._places[where ?? "device"].event = message.event.id;
    if (type === "frame") this._follow(message);
    if (type === "asked" && message.ok === false) this._asked.delete(message.id);
    if (type === "done") this._did(message.id, message);
    if (type === "error") {
      if (message.fatal) this._fatal = message;
      this._asked.delete(message.id);
      if (this._doing.has(message.id)) return this._did(message.id, { ok: false, ...message });
    }
    this._tell(type, message);
  }

  _begin(welcome) {
    this.welcome = welcome;
    this._wait = FIRST_WAIT_MS;
    if (welcome.boot !== this._boot) {
      this._boot = welcome.boot;
      this.forget("device");
      this.forget("mine");
    }
    if (this.may("listen")) {
      this.send({ type: "subscribe", events: true, replies: true, state: true, waterfall: true, sound: this.sound,
        ...this.after("device") });
    }
    for (const id of this._asked.keys()) this._sendQuestion(id);
    this._tell("up", welcome);
  }

  _follow(frame) {
    this._places[frame.where ?? "device"].frame = `${frame.generation}-${frame.seq}`;
    const asked = this._asked.get(frame.id);
    if (!asked) return;
    asked.seq = frame.seq;
    if (frame.finish) this._asked.delete(frame.id);
  }

  _hear(buffer) {
    const view = new DataView(buffer);
    this._tell("sound", {
      what: view.getUint8(0), format: view.getUint8(1), number: view.getUint32(4, true), sample: Number(view.getBigUint64(8, true)), buffer });
  }

  _lost() {
    const was = this.up, fatal = this._fatal;
    this.welcome = null;
    clearTimeout(this._silence);
    for (const id of [...this._doing.keys()]) this._did(id, { ok: false, reason: "unavailable", message: "The connection was lost." });
    if (fatal?.reason === "token") {
      sessionStorage.removeItem(TOKEN);
      this._tell("down", { was, wait_ms: 0, message: fatal.message });
      return this._tell("signin", fatal);
    }
    const wait = this._wait * (0.7 + 0.6 * Math.random());
    this._wait = Math.min(LONGEST_WAIT_MS, this._wait * 1.8);
    this._again = setTimeout(() => this.connect(), wait);
    this._tell("down", { was, wait_ms: wait, message: fatal?.message ?? "" });
  }

  // Where nothing came for three pings, the connection is dead, whatever the browser thinks of it.
  _watch() {
    clearTimeout(this._silence);
    const every = Math.min(PING_MS, 1000 * (this.welcome?.heartbeat_s ?? 5));
    const socket = this._socket;
    this._silence = setTimeout(() => {
      if (socket !== this._socket) return;
      socket.onclose = null;
      socket.close();
      this._lost();
    }, SILENT_PINGS * every + 1000);
  }

  _tell(type, message) {
    for (const listener of this._listeners.get(type) ?? []) listener(message);
  }
}

function number(digits) {
  return [...crypto.getRandomValues(new Uint8Array(digits / 2))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

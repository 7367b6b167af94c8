// What was said, turn by turn: words as they are heard (grey until they stand), and the answer as it is written.
//
// Theory: a turn is known by where it was held and its number; an answer by its generation.  The words come as events, the answers as
// frames, in either order.  Whoever typed sees the question at once; it finds its turn when the device names it.

import { announce, byId, element, whole } from "./dom.js";
import { Markdown } from "./markdown.js";

const MOST_TURNS = 60;
const NEAR_PX = 80; // from the end, within which the newest is followed
const ENDS = { cancelled: "stopped", length: "cut short: as long as an answer may be", filtered: "left out: not fit to be said", error: "failed" };

export class Conversation {
  constructor(link, { onTurn }) {
    this._link = link;
    this._onTurn = onTurn;
    this._root = byId("turns");
    this._turns = new Map();
    this._replies = new Map(); // "where:generation"
    this._own = new Map(); // id: the turn that was typed here
    this._typed = []; // texts of those, until the device has told of them
    this._elsewhere = {}; // where: a question that was typed elsewhere, until its turn begins
    this._following = true;
    this._root.addEventListener("scroll", () => this._look());
    byId("newest").addEventListener("click", () => this._toEnd(true));
    new ResizeObserver(() => this._follow()).observe(this._root);
    link.on("event", (message) => this._event(message));
    link.on("frame", (message) => this._frame(message));
    link.on("asked", (message) => this._asked(message));
    link.on("waiting", ({ id, before }) => this._note(id, before ? `waits: ${before} before it` : "waits for the present answer to end"));
    link.on("waterfall", (message) => this._timed(message));
    link.on("error", ({ id, message }) => this._note(id, message, true));
    link.on("up", ({ boot }) => {
      if (this._boot && boot !== this._boot) this._forget();
      this._boot = boot;
    });
  }

  ask(text, where) {
    const turn = this._make(null);
    this._words(turn, text, text.length);
    this._own.set(this._link.ask(text, where), turn);
    this._typed.push(text);
    this._following = true;
    this._follow();
  }

  // The private conversation that was on is another one now, or none.
  forget(where) {
    for (const map of [this._turns, this._replies]) for (const key of [...map.keys()]) if (key.startsWith(where + ":")) map.delete(key);
  }

  _forget() {
    this._turns.clear();
    this._replies.clear();
  }

  // Turns.

  _turn(where, number) {
    const key = `${where ?? "device"}:${number}`;
    if (!this._turns.has(key)) this._turns.set(key, this._make(key));
    return this._turns.get(key);
  }

  _make(key) {
    byId("empty").hidden = true;
    const user = element("p", { class: "user", dir: "auto", hidden: true }), answer = element("div", { class: "answer" });
    const foot = element("p", { class: "foot" });
    const node = element("article", { class: "turn" }, user, answer, foot);
    if (key?.startsWith("mine")) node.classList.add("mine");
    this._root.append(node);
    while (this._root.querySelectorAll(".turn").length > MOST_TURNS) this._root.querySelector(".turn").remove();
    return { node, user, answer, foot, generation: null };
  }

  // `stable` characters of it stand.
  _words(turn, text, stable) {
    turn.user.hidden = false;
    const settled = element("span", { text: text.slice(0, stable) }), soft = element("span", { class: "soft", text: text.slice(stable) });
    turn.user.replaceChildren(settled, soft);
    this._follow();
  }

  _event({ event, where = "device" }) {
    const number = event.turn, before = this._elsewhere[where];
    if (before && number !== undefined && number > before.after) {
      delete this._elsewhere[where];
      this._settled({ ...before.event, turn: number }, where);
    }
    if (event.event === "stt_partial" && event.text !== undefined) this._words(this._turn(where, number), event.text, event.stable ?? 0);
    else if (event.event === "stt_final") this._settled(event, where);
    else if (event.event === "asked") this._asks(event, where);
    else if (event.event === "barge_in_confirmed") this._remark(this._replies.get(`${where}:${event.generation}`)?.turn, "interrupted");
    else if (event.event === "error" && number) this._remark(this._turn(where, number), event.message, true);
  }

  // The event of a question does not name its turn: that is the next one to begin.
  _asks(event, where) {
    const typed = this._typed.findIndex((text) => (event.text === undefined ? text.length === event.chars : text === event.text));
    if (typed >= 0) this._typed.splice(typed, 1);
    else this._elsewhere[where] = { event, after: Math.max(0, ...this._numbers(where)) };
  }

  _numbers(where) {
    return [...this._turns.keys()].filter((key) => key.startsWith(where + ":")).map((key) => Number(key.split(":")[1]));
  }

  _settled(event, where) {
    if (event.event === "stt_final" && !event.chars) return; // nobody said anything
    const turn = this._turn(where, event.turn);
    if (event.text !== undefined) this._words(turn, event.text, event.text.length);
    else if (turn.user.hidden) {
      this._words(turn, "", 0);
      turn.user.append(element("span", { class: "soft", text: `${event.chars} characters, kept on the device (http.words)` }));
    }
    if (event.event === "stt_final" && event.text) announce("You said: " + event.text);
  }

  _asked({ id, ok, where, turn, message }) {
    const own = this._own.get(id);
    if (!own) return;
    if (ok === false) {
      this._own.delete(id);
      return this._remark(own, message || "dropped", true);
    }
    const key = `${where ?? "device"}:${turn}`, other = this._turns.get(key);
    own.foot.replaceChildren();
    if (other && other !== own) { // the event was here before: what it holds goes on where it was typed
      own.answer.append(...other.answer.childNodes);
      own.foot.append(...other.foot.childNodes);
      for (const reply of this._replies.values()) if (reply.turn === other) reply.turn = own;
      other.node.remove();
    }
    this._turns.set(key, own);
    own.node.classList.toggle("mine", where === "mine");
  }

  _note(id, text, bad = false) {
    const turn = this._own.get(id);
    if (turn) this._remark(turn, text, bad);
  }

  _remark(turn, text, bad = false) {
    if (!turn) return;
    turn.foot.replaceChildren(...[...turn.foot.children].filter((node) => !node.classList.contains("remark")),
      element("span", { class: bad ? "remark bad" : "remark", text }));
    this._follow();
  }

  // Answers.

  _frame(frame) {
    const key = `${frame.where ?? "device"}:${frame.generation}`;
    let reply = this._replies.get(key);
    if (!reply) {
      if (frame.seq > 0 && !frame.delta) return; // the end of one that is not here
      reply = this._begin(key, frame);
    }
    if (frame.seq <= reply.seq) return; // seen before the connection was cut
    reply.seq = frame.seq;
    if (reply.provisional && !frame.provisional && frame.finish !== "cancelled") {
      reply.provisional = false;
      reply.node.classList.remove("provisional");
    }
    if (frame.delta) {
      reply.text += frame.delta;
      reply.markdown.write(frame.delta);
    }
    if (frame.error) this._remark(reply.turn, frame.error, true);
    if (frame.finish) this._end(key, reply, frame.finish);
    this._follow();
  }

  _begin(key, frame) {
    const turn = this._turn(frame.where, frame.turn);
    const node = element("div", { class: frame.provisional ? "reply provisional" : "reply", "data-writing": "" });
    turn.answer.append(node);
    turn.generation = frame.generation;
    const reply = { turn, node, text: "", seq: -1, provisional: frame.provisional, markdown: new Markdown(node) };
    this._replies.set(key, reply);
    if (this._replies.size > MOST_TURNS) this._replies.delete(this._replies.keys().next().value);
    return reply;
  }

  _end(key, reply, finish) {
    reply.markdown.end();
    delete reply.node.dataset.writing;
    if (finish === "cancelled" && (reply.provisional || !reply.text)) { // it was thought, and taken back before anybody heard of it
      reply.node.remove();
      this._replies.delete(key);
      return;
    }
    if (ENDS[finish] && !reply.turn.foot.querySelector(".bad")) this._remark(reply.turn, ENDS[finish], finish === "error");
    announce((ENDS[finish] ? `Answer, ${ENDS[finish]}: ` : "Answer: ") + reply.text);
  }

  _timed(timing) {
    const turn = this._turns.get(`${timing.where ?? "device"}:${timing.turn}`);
    if (!turn) return;
    this._onTurn(timing);
    const first = timing.stages.playback_first_sample;
    if (first === undefined || first === null) return;
    turn.foot.querySelector(".took")?.remove();
    turn.foot.prepend(element("button", { type: "button", class: "took", title: "Where the time went", text: `${whole(first)} ms to the first sound`,
      onclick: () => this._onTurn(timing, true) }));
    this._follow();
  }

  // Following the newest.

  _look() {
    const root = this._root;
    this._following = root.scrollHeight - root.scrollTop - root.clientHeight < NEAR_PX;
    byId("newest").hidden = this._following;
  }

  _follow() {
    if (this._following) this._toEnd(false);
  }

  _toEnd(smoothly) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this._root.scrollTo({ top: this._root.scrollHeight, behavior: smoothly && !calm ? "smooth" : "instant" });
  }
}

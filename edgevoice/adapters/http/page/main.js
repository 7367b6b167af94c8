// The console: what stands at the top and at the bottom, and who is told of what.

import { Conversation } from "./conversation.js";
import { Device } from "./device.js";
import { announce, byId, element, notice, setIcon } from "./dom.js";
import { Health } from "./health.js";
import { Link } from "./link.js";
import { Log } from "./log.js";
import { Microphone } from "./microphone.js";
import { Player } from "./player.js";
import { askForToken } from "./signin.js";
import { Tabs, WIDE } from "./tabs.js";
import { Timing } from "./timing.js";

const STATES = { idle: "Ready", listening: "Listening", speculating: "Listening", thinking: "Thinking", speaking: "Speaking", holding: "Paused",
  followup: "Still listening" };
const BUSY = new Set(["speculating", "thinking", "speaking", "holding"]);
const EXAMPLES = ["What time is it?", "How many grams is three ounces?", "What can you do?"];
const DEAF_MS = 700; // after a stop, until which the device has fallen silent itself

const link = new Link(), player = new Player(link), tabs = new Tabs(), timing = new Timing();
const conversation = new Conversation(link, { onTurn: (turn, chosen) => {
  timing.put(turn, chosen);
  if (chosen) tabs.show("timing");
} });
const microphone = new Microphone(link, player, { onChange: (on, fresh) => {
  if (fresh) conversation.forget("mine");
  show();
} });
new Health(link);
new Log(link);
new Device(link, player);
askForToken(link);

const states = { device: null, mine: null };
const field = byId("question");

function show() {
  const up = link.up, device = states.device, mine = microphone.on ? states.mine?.state : null, state = mine ?? device?.state;
  byId("state").dataset.state = up ? state ?? "idle" : "away";
  byId("state-text").textContent = !up ? away : device?.muted && !mine && state === "idle" ? "Muted" : STATES[state] ?? state ?? "Connected";
  field.disabled = !link.may("speak");
  field.placeholder = !up ? "Not connected" : link.may("speak") ? "Ask something" : "This token may not ask";
  byId("send").disabled = !link.may("speak") || !field.value.trim();
  byId("stop").disabled = !link.may("control") && !states.mine;
  document.body.toggleAttribute("data-busy", up && ([device, states.mine].some((each) => BUSY.has(each?.state))));
  for (const id of ["mute", "volume"]) byId(id).disabled = !link.may("control");
  byId("hear").disabled = !link.may("listen");
  const muted = device?.muted ?? false;
  byId("mute").setAttribute("aria-pressed", muted);
  byId("mute").title = muted ? "The device's microphone is muted" : "Mute the device's microphone";
  setIcon(byId("mute"), muted ? "mic-off" : "mic");
  if (device && document.activeElement !== byId("volume")) byId("volume").value = Math.round(100 * device.volume);
}

let away = "Connecting";
link.on("up", show);
link.on("down", ({ was, wait_ms }) => {
  away = wait_ms ? "Connecting again" : "Not connected";
  states.device = states.mine = null;
  if (was) announce("The connection to the device was lost.");
  show();
});
link.on("state", ({ state, where }) => {
  states[where ?? "device"] = state;
  show();
});
link.on("error", ({ id, message, reason, fatal, handled }) => {
  if (!id && !handled && !(fatal && reason === "token")) notice(message);
});

async function act(verb, args, where) {
  const answer = await link.do(verb, args, where);
  if (!answer.ok) notice(answer.message);
  return answer;
}

// The question.

function grow() {
  field.style.height = "auto";
  field.style.height = `${Math.min(160, field.scrollHeight)}px`;
  byId("send").disabled = !link.may("speak") || !field.value.trim();
}
function ask(text) {
  if (!text.trim() || !link.may("speak")) return;
  conversation.ask(text.trim(), microphone.on ? "mine" : "device");
}
field.addEventListener("input", grow);
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId("composer").requestSubmit();
});
byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  ask(field.value);
  field.value = "";
  grow();
});
byId("examples").append(...EXAMPLES.map((text) => element("button", { type: "button", class: "chip", text, onclick: () => ask(text) })));

// What is done at once.  This page falls silent before it asks the device to.

function stop() {
  player.silence(DEAF_MS);
  if (BUSY.has(states.mine?.state)) act("stop", {}, "mine"); // the room's own conversation is another one, and goes on
  else if (link.may("control")) act("stop");
}
byId("stop").addEventListener("click", stop);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !byId("signin").open && link.up) stop();
  if (event.key === "/" && !(event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement)) {
    if (!WIDE.matches) tabs.show("talk");
    field.focus();
    event.preventDefault();
  }
});
byId("mute").addEventListener("click", () => act("mute", { muted: !(states.device?.muted ?? false) }));
byId("volume").addEventListener("change", () => act("volume", { volume: byId("volume").value / 100 }));
byId("hear").addEventListener("click", async () => {
  const on = link.sound === "none";
  byId("hear").setAttribute("aria-pressed", on);
  byId("hear").title = on ? "You hear the device's loudspeaker here" : "Hear the device's loudspeaker in this browser";
  if (on) await player.open();
  else player.silence();
  link.hear(on ? "full" : "none");
});

show();
link.connect();

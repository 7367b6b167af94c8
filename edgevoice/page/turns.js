// The figures above the timeline and the table of each turn below it.  Everything said is set as text, never as markup.

function element(tag, options = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "text") node.textContent = value;
    else if (name === "style") Object.assign(node.style, value);
    else if (name === "onclick") node.onclick = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function middle(values) {
  const sorted = values.filter((v) => v !== null).sort((a, b) => a - b), n = sorted.length;
  return n ? (sorted[(n - 1) >> 1] + sorted[n >> 1]) / 2 : null;
}

function figure(name, value, unit, main = false) {
  const number = element("dd", { text: value }, element("small", { text: unit }));
  return element("div", main ? { class: "main" } : {}, element("dt", { text: name }), number);
}

const heard = DATA.turns.filter((turn) => turn.v2v_s !== null);
const figures = byId("figures");
if (heard.length) {
  const name = heard.length > 1 ? "voice to voice, median" : "voice to voice";
  figures.append(figure(name, Math.round(middle(heard.map((t) => t.v2v_s)) * 1000), "ms", true));
  const compute = middle(heard.map((t) => t.compute_s));
  if (compute !== null) figures.append(figure("endpoint to first sound", Math.round(compute * 1000), "ms"));
}
figures.append(figure("turns", DATA.turns.length, ""));
if (innerWidth > 640) figures.append(figure("length", DURATION.toFixed(1), "s"));
byId("about").textContent = [DATA.version ? "edgevoice " + DATA.version : "", ...Object.values(DATA.models),
  DATA.stepped ? "not in real time: the device's clock waited for the engines" : ""].filter(Boolean).join(" · ");
byId("legend").textContent =
  heard.length ? "From the last sample of the user's speech to the first sample of the reply; all turns on one scale." : "";

const longest = Math.max(0.1, ...DATA.turns.map((turn) => Math.max(0, ...segments(turn).map((s) => s.b))));
const colorOf = (stage) => `var(--${STAGE_COLOR[stage].replace("Soft", "-soft")})`;

const whole = (s) => Math.round(s * 1000).toLocaleString("en");

function waterfall(turn) {
  const body = element("tbody");
  for (const s of segments(turn)) {
    const place = { left: s.a / longest * 100 + "%", width: (s.b - s.a) / longest * 100 + "%", background: colorOf(s.name) };
    const bar = element("span", { style: place }), dot = element("i", { class: "dot", style: { background: colorOf(s.name) } });
    body.append(element("tr", {}, element("th", { scope: "row" }, dot, s.label),
      element("td", { class: "track" }, element("div", {}, bar)), element("td", { text: whole(s.b - s.a) }),
      element("td", { class: "at", text: whole(s.b) })));
  }
  const head = element("thead", {}, element("tr", {}, element("th"), element("td", { class: "track" }), element("td", { text: "took" }),
    element("td", { class: "at", text: "at ms" })));
  return element("table", { "aria-label": "stages: milliseconds taken, and milliseconds since the last speech sample" }, head, body);
}

// What was answered: its beginning, and all of it at a click.
function reply(turn) {
  const quote = element("blockquote", { class: "reply", text: turn.reply });
  if (turn.reply.length > 180) {
    quote.classList.add("long");
    const more = element("button", { type: "button", class: "more", text: "more", onclick: () => {
      more.textContent = quote.classList.toggle("long") ? "more" : "less";
    } });
    return element("div", {}, quote, more);
  }
  return quote;
}

DATA.turns.forEach((turn, k) => {
  const name = turn.turn === null ? "Turn" : `Turn ${turn.turn}`, interrupted = turn.barge_ins.some((barge) => barge.confirmed_s !== null);
  const head = element("h3", { text: name + (interrupted ? " · interrupted" : "") });
  const value = turn.v2v_s === null ? element("span", { class: "figure" }, element("small", { text: "no reply heard" }))
    : element("span", { class: "figure", text: Math.round(turn.v2v_s * 1000) + " " }, element("small", { text: "ms" }));
  const remarks = element("ul");
  for (const line of turn.remarks) remarks.append(element("li", line.startsWith("error:") ? { class: "bad", text: line } : { text: line }));
  byId("turns").append(element("article", { class: "turn" }, element("header", {}, head, value), element("blockquote", { text: turn.text }),
    reply(turn), waterfall(turn), remarks,
    element("div", { class: "foot" }, element("button", { type: "button", text: "Show in the timeline", onclick: () => {
      showTurn(k);
      document.querySelector(".board").scrollIntoView({ behavior: "smooth", block: "start" });
    } }))));
  if (DATA.turns.length <= 6) {
    byId("turnlinks").append(element("button", { type: "button", text: turn.turn ?? k + 1, title: turn.text || name,
      "aria-label": "Show " + name.toLowerCase(), onclick: () => showTurn(k) }));
  }
});
if (DATA.turns.length > 6) {
  byId("turnlinks").append(element("button", { type: "button", text: "‹ turn", title: "Turn before ([)", onclick: () => stepTurn(-1) }),
    element("button", { type: "button", text: "turn ›", title: "Next turn (])", onclick: () => stepTurn(1) }));
}
if (!DATA.turns.length) byId("turns").append(element("p", { class: "empty", text: "No turn was taken in this conversation." }));

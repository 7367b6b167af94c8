// Building the page's nodes.  Law: text is set as text; nothing in the console parses markup.

export const byId = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";

// element("button", { class: "chip", text: "Ask", onclick: f, style: { width: "3em" } }, ...children)
export function element(tag, options = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === null || value === undefined) continue;
    if (name === "text") node.textContent = value;
    else if (name === "style") Object.assign(node.style, value);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export function icon(name) {
  const made = document.createElementNS(SVG, "svg"), use = document.createElementNS(SVG, "use");
  made.setAttribute("class", "icon");
  made.setAttribute("aria-hidden", "true");
  use.setAttribute("href", "#i-" + name);
  made.append(use);
  return made;
}

export function setIcon(button, name) {
  button.querySelector("use").setAttribute("href", "#i-" + name);
}

// Says it to whoever listens to the page instead of looking at it.
export function announce(text) {
  byId("spoken").textContent = text;
}

// A line above everything, for as long as it matters to whoever reads it.
export function notice(text, seconds = 8) {
  const line = element("p", { class: "notice" }, element("span", { text }));
  line.append(element("button", { type: "button", "aria-label": "Dismiss", text: "×", onclick: () => line.remove() }));
  byId("notices").append(line);
  while (byId("notices").children.length > 3) byId("notices").firstChild.remove();
  setTimeout(() => line.remove(), seconds * 1000);
}

export const whole = (number) => Math.round(number).toLocaleString("en");
export const clock = (time) => new Date(time * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

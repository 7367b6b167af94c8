// One figure over time, on a canvas, with its newest value in words beside it.

import { element } from "./dom.js";

const HEIGHT = 56;

export class Plot {
  // `hue`: a colour of the stylesheet; `floor`: the least that the upper end of the axis shows.
  constructor(name, unit, { hue = "user", floor = 1, digits = 0, span_s }) {
    Object.assign(this, { name, unit, hue, floor, digits, span_s });
    this._points = []; // [time, value], value null where there was none
    this._canvas = element("canvas", { role: "img", height: HEIGHT });
    this._value = element("strong", { text: "–" });
    this._range = element("small");
    this.node = element("figure", { class: "plot" }, element("figcaption", {}, element("span", { text: name }), this._value), this._canvas, this._range);
    new ResizeObserver(() => this.draw()).observe(this._canvas);
  }

  put(time, value) {
    this._points.push([time, value ?? null]);
    while (this._points.length > 2 && this._points[1][0] < time - this.span_s) this._points.shift();
    const known = this._points.filter(([, v]) => v !== null).map(([, v]) => v);
    const said = (v) => v.toLocaleString("en", { maximumFractionDigits: this.digits, minimumFractionDigits: this.digits });
    this._value.textContent = value === null || value === undefined ? "–" : `${said(value)} ${this.unit}`;
    this._range.textContent = known.length ? `${said(Math.min(...known))} to ${said(Math.max(...known))}` : "nothing measured yet";
    this._canvas.setAttribute("aria-label", `${this.name}: ${this._value.textContent}; ${this._range.textContent} since this page was opened`);
    this.draw();
  }

  draw() {
    const canvas = this._canvas, width = canvas.clientWidth, ratio = devicePixelRatio || 1;
    if (!width || !this._points.length) return;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== HEIGHT * ratio) canvas.height = HEIGHT * ratio;
    const c = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    const color = style.getPropertyValue("--" + this.hue).trim();
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, width, HEIGHT);
    const now = this._points.at(-1)[0], span = Math.max(60, Math.min(this.span_s, now - this._points[0][0]));
    const top = Math.max(this.floor, ...this._points.map(([, value]) => value ?? 0)) * 1.1;
    const x = (time) => width - 3 - (now - time) / span * (width - 6), y = (value) => HEIGHT - 4 - value / top * (HEIGHT - 10);
    c.fillStyle = style.getPropertyValue("--line").trim();
    c.fillRect(0, HEIGHT - 3, width, 1);
    c.lineWidth = 1.75;
    c.lineJoin = c.lineCap = "round";
    c.strokeStyle = c.fillStyle = color;
    for (const run of runs(this._points)) {
      c.beginPath();
      for (const [time, value] of run) c.lineTo(x(time), y(value));
      c.stroke();
      c.lineTo(x(run.at(-1)[0]), HEIGHT - 3);
      c.lineTo(x(run[0][0]), HEIGHT - 3);
      c.globalAlpha = 0.12;
      c.fill();
      c.globalAlpha = 1;
    }
    const [time, value] = this._points.at(-1);
    if (value === null) return;
    c.beginPath();
    c.arc(x(time), y(value), 2.75, 0, 7);
    c.fill();
  }
}

// Stretches without a hole.
function runs(points) {
  const made = [[]];
  for (const point of points) {
    if (point[1] === null) made.push([]);
    else made.at(-1).push(point);
  }
  return made.filter((run) => run.length);
}

// A chart of curves over steps, with a reading under the pointer.
const WIDTH = 480, HEIGHT = 220, LEFT = 58, RIGHT = 10, TOP = 10, BOTTOM = 24;

function make(name, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  return node;
}

// 1, 2 or 5 times a power of ten: about `wanted` of them.
function ticks(low, high, wanted) {
  const rough = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
  const out = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) out.push(i * step);
  return out;
}

export function figure(x) {
  if (!Number.isFinite(x)) return "none";
  if (x !== 0 && (Math.abs(x) < 1e-3 || Math.abs(x) >= 1e6)) return x.toExponential(2);
  return String(Number(x.toPrecision(4)));
}

const short = (x) => (Math.abs(x) >= 1e6 ? `${x / 1e6} M` : Math.abs(x) >= 1e4 ? `${x / 1e3} k` : figure(x));

// A narrow scale far from 0 needs more digits to tell its labels apart.
function labels(values) {
  const words = values.map(short);
  return new Set(words).size === words.length ? words : values.map((x) => String(Number(x.toPrecision(8))));
}

// A logarithmic scale has its labels at 1, 2, 5 times powers of ten; a narrow one all the same a few.
function logTicks(low, high) {
  const out = [];
  for (let p = Math.floor(Math.log10(low)); p <= Math.log10(high); p++)
    for (const m of [1, 2, 5]) if (m * 10 ** p >= low && m * 10 ** p <= high) out.push(m * 10 ** p);
  if (out.length < 3) return ticks(low, high, 5).filter((y) => y > 0);
  return out.length > 7 ? out.filter((x) => Math.abs(Math.log10(x) % 1) < 1e-9) : out;
}

function range(series, log, fromZero) {
  const values = series.flatMap((s) => s.points.map((p) => p[1])).filter((y) => Number.isFinite(y) && (!log || y > 0));
  let low = Math.min(...values), high = Math.max(...values);
  const apart = Math.abs(low) * 0.05 || 1e-3;
  if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - apart, high + apart];
  if (log) {
    const room = (high / low) ** 0.05;
    return [low / room, high * room];
  }
  const room = (high - low) * 0.05;
  if (fromZero) return [0, high + room];
  return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
}

export class Chart {
  // {title, unit, log, series: [{name, points: [[x, y], ...]}]}
  constructor(what) {
    this.node = document.createElement("figure");
    this.node.className = "chart";
    this.caption = document.createElement("figcaption");
    this.svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    this.node.append(this.caption, this.svg);
    this.svg.addEventListener("pointermove", (event) => this.read(event));
    this.svg.addEventListener("pointerleave", () => this.unread());
    this.update(what);
  }

  update(what) {
    this.what = what;
    const all = what.series.flatMap((s) => s.points);
    this.x0 = Math.min(...all.map((p) => p[0]));
    this.x1 = Math.max(...all.map((p) => p[0]));
    if (this.x0 === this.x1) [this.x0, this.x1] = [this.x0 - 1, this.x1 + 1];
    [this.y0, this.y1] = range(what.series, what.log, what.fromZero);
    this.describe();
    this.svg.replaceChildren();
    this.axes();
    what.series.forEach((s, i) => this.curve(s, i + 1));
    this.cursor = make("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    this.svg.append(this.cursor);
  }

  describe() {
    const { title, unit, series } = this.what;
    const heading = document.createElement("h3");
    heading.textContent = unit ? `${title} (${unit})` : title;
    this.reading = document.createElement("span");
    this.reading.className = "read";
    const keys = series.length < 2 ? [] : series.map((s, i) => {
      const key = document.createElement("span");
      key.className = `key s${i + 1}`;
      key.textContent = s.name;
      return key;
    });
    this.caption.replaceChildren(heading, ...keys, this.reading);
    this.svg.setAttribute("aria-label", `${title} over steps. ` + series.map((s) => {
      const last = s.points[s.points.length - 1];
      return `${s.name}: ${figure(s.points[0][1])} at step ${s.points[0][0]}, ${figure(last[1])} at step ${last[0]}`;
    }).join("; "));
    this.unread();
  }

  px(x) {
    return LEFT + (x - this.x0) / (this.x1 - this.x0) * (WIDTH - LEFT - RIGHT);
  }

  py(y) {
    const f = this.what.log ? Math.log : (v) => v;
    return HEIGHT - BOTTOM - (f(y) - f(this.y0)) / (f(this.y1) - f(this.y0)) * (HEIGHT - TOP - BOTTOM);
  }

  axes() {
    const at = this.what.log ? logTicks(this.y0, this.y1) : ticks(this.y0, this.y1, 5), words = labels(at);
    for (const [i, y] of at.entries()) {
      this.svg.append(make("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: this.py(y), y2: this.py(y) }));
      this.svg.append(make("text", { x: LEFT - 6, y: this.py(y) + 4, "text-anchor": "end" }, words[i]));
    }
    for (const x of ticks(this.x0, this.x1, 5))
      if (x % 1 === 0) this.svg.append(make("text", { x: this.px(x), y: HEIGHT - 6, "text-anchor": "middle" }, short(x)));
  }

  curve(series, number) {
    let path = "", pen = false;
    for (const [x, y] of series.points) {
      const shown = Number.isFinite(y) && (!this.what.log || y > 0);
      if (shown) path += `${pen ? "L" : "M"}${this.px(x).toFixed(1)} ${this.py(y).toFixed(1)}`;
      pen = shown;
    }
    this.svg.append(make("path", { class: `curve s${number}`, d: path }));
    if (series.points.length > 40) return;
    for (const [x, y] of series.points)
      if (Number.isFinite(y) && (!this.what.log || y > 0))
        this.svg.append(make("circle", { class: `dot s${number}`, cx: this.px(x), cy: this.py(y), r: 2.6 }));
  }

  // The nearest step of the first curve.
  read(event) {
    const box = this.svg.getBoundingClientRect();
    const at = this.x0 + ((event.clientX - box.left) / box.width * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT) * (this.x1 - this.x0);
    const nearest = (points) => points.reduce((a, b) => (Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a));
    const x = nearest(this.what.series[0].points)[0];
    this.cursor.setAttribute("visibility", "visible");
    this.cursor.setAttribute("x1", this.px(x));
    this.cursor.setAttribute("x2", this.px(x));
    this.reading.textContent = `step ${x}: ` + this.what.series.map((s) => figure(nearest(s.points)[1])).join(", ");
  }

  unread() {
    if (this.cursor) this.cursor.setAttribute("visibility", "hidden");
    const { series } = this.what;
    this.reading.textContent = `now ${series.map((s) => figure(s.points[s.points.length - 1][1])).join(", ")}`;
  }
}

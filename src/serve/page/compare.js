// Two pictures over each other, a line between what is shown of them, zoom and movement.
import { element } from "./common.js";

const STEP = 1.25, LARGEST = 32;

export class Comparison {
  constructor() {
    this.view = element("view");
    this.before = element("before");
    this.after = element("after");
    this.handle = element("handle");
    this.width = this.height = 0; // of the photo
    this.scale = 1; // screen pixels a photo's pixel
    this.x = this.y = 0; // where its corner is
    this.split = 0.5; // of the view's width
    this.fitted = true;
    this.pointers = new Map();
    this.view.classList.add("plain");
    this.listen();
    new ResizeObserver(() => (this.fitted ? this.fit() : this.place())).observe(this.view);
  }

  // A photo alone; key: it is shown already, leave it as it is.
  showOne(address, words, key = address) {
    if (this.key === key) return;
    this.key = key;
    this.load(this.before, address).then(() => {
      if (this.key !== key) return;
      this.after.hidden = true;
      this.reveal(this.before.naturalWidth, this.before.naturalHeight);
    }, () => {
      if (this.key !== key) return;
      this.hide(words);
    });
  }

  showFile(file, words) {
    if (this.key !== file) this.showOne(URL.createObjectURL(file), words, file);
  }

  showNone(key) {
    if (this.key === key) return;
    this.key = key;
    this.hide("");
  }

  showBoth(before, after, width, height) {
    if (this.key === after) return;
    this.key = after;
    const same = width === this.width && height === this.height && !this.before.hidden;
    Promise.all([this.load(this.before, before), this.load(this.after, after)]).then(() => {
      if (this.key !== after) return;
      this.after.hidden = false;
      this.reveal(width, height, same);
    }, () => this.hide("The pictures could not be loaded. The result can still be downloaded."));
  }

  load(image, address) {
    const old = image.src;
    image.src = address;
    if (old.startsWith("blob:") && old !== image.src) URL.revokeObjectURL(old);
    return image.decode();
  }

  hide(words) {
    for (const part of [this.before, this.after, this.handle, element("tools"), element("label-before"),
      element("label-after")]) part.hidden = true;
    element("empty").textContent = words;
    element("empty").hidden = false;
    this.view.classList.add("plain");
    this.width = 0;
  }

  // Other words where no photo is shown.
  explain(words) {
    if (!this.width) element("empty").textContent = words;
  }

  reveal(width, height, keepPlace = false) {
    const both = !this.after.hidden;
    [this.width, this.height] = [width, height];
    this.before.hidden = false;
    element("empty").hidden = true;
    element("tools").hidden = false;
    for (const part of [this.handle, element("label-before"), element("label-after"), element("split").parentNode])
      part.hidden = !both;
    this.view.classList.remove("plain");
    if (keepPlace) this.place();
    else this.fit();
  }

  // ---- Where things are ----
  fit() {
    if (!this.width) return;
    this.fitted = true;
    this.scale = Math.min(this.view.clientWidth / this.width, this.view.clientHeight / this.height, 8);
    this.x = (this.view.clientWidth - this.width * this.scale) / 2;
    this.y = (this.view.clientHeight - this.height * this.scale) / 2;
    this.place();
  }

  zoom(factor, at = { x: this.view.clientWidth / 2, y: this.view.clientHeight / 2 }) {
    if (!this.width) return;
    const smallest = Math.min(1, this.view.clientWidth / this.width, this.view.clientHeight / this.height) / 2;
    const scale = Math.min(LARGEST, Math.max(smallest, this.scale * factor));
    this.x = at.x - (at.x - this.x) * scale / this.scale;
    this.y = at.y - (at.y - this.y) * scale / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.place();
  }

  // One pixel of the photo is one of the screen.
  pixels() {
    this.zoom(1 / (devicePixelRatio * this.scale));
  }

  move(x, y) {
    this.x += x;
    this.y += y;
    this.fitted = false;
    this.place();
  }

  // A part always stays in sight.
  keepInSight() {
    const margin = 40;
    const clamp = (at, size, room) => Math.min(room - margin, Math.max(margin - size, at));
    this.x = clamp(this.x, this.width * this.scale, this.view.clientWidth);
    this.y = clamp(this.y, this.height * this.scale, this.view.clientHeight);
  }

  place() {
    if (!this.width) return;
    this.keepInSight();
    for (const image of [this.before, this.after]) {
      image.style.width = `${this.width}px`;
      image.style.height = `${this.height}px`;
      image.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
      image.classList.toggle("sharp", this.scale >= 2);
    }
    const line = this.split * this.view.clientWidth;
    const hidden = (line - this.x) / this.scale; // of the restored photo, on its left
    this.after.style.clipPath = `inset(0 0 0 ${Math.min(this.width, Math.max(0, hidden))}px)`;
    this.before.style.clipPath = this.after.hidden ? "none"
      : `inset(0 ${Math.min(this.width, Math.max(0, this.width - hidden))}px 0 0)`;
    this.handle.style.left = `${line}px`;
    element("zoom-shown").textContent = `${Math.round(100 * this.scale * devicePixelRatio)} %`;
  }

  splitAt(part) {
    this.split = Math.min(1, Math.max(0, part));
    element("split").value = 100 * this.split;
    this.place();
  }

  // ---- Hands and keys ----
  point(event) {
    const box = this.view.getBoundingClientRect();
    return { x: event.clientX - box.left - this.view.clientLeft, y: event.clientY - box.top - this.view.clientTop };
  }

  listen() {
    this.view.addEventListener("wheel", (event) => {
      if (!this.width) return;
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), this.point(event));
    }, { passive: false });
    this.view.addEventListener("keydown", (event) => this.key_pressed(event));
    this.view.addEventListener("dblclick", () => (this.fitted ? this.pixels() : this.fit()));
    this.view.addEventListener("pointerdown", (event) => this.down(event));
    this.view.addEventListener("pointermove", (event) => this.moved(event));
    for (const end of ["pointerup", "pointercancel"])
      this.view.addEventListener(end, (event) => {
        this.pointers.delete(event.pointerId);
        this.splitting = false;
        this.view.classList.remove("dragged");
      });
    element("split").addEventListener("input", (event) => this.splitAt(event.target.value / 100));
    element("zoom-in").addEventListener("click", () => this.zoom(STEP));
    element("zoom-out").addEventListener("click", () => this.zoom(1 / STEP));
    element("zoom-fit").addEventListener("click", () => this.fit());
    element("zoom-pixels").addEventListener("click", () => this.pixels());
  }

  key_pressed(event) {
    if (!this.width || event.ctrlKey || event.altKey || event.metaKey) return;
    const far = event.shiftKey ? 200 : 50;
    const done = {
      "+": () => this.zoom(STEP), "=": () => this.zoom(STEP), "-": () => this.zoom(1 / STEP),
      0: () => this.fit(), 1: () => this.pixels(),
      ArrowLeft: () => this.move(far, 0), ArrowRight: () => this.move(-far, 0),
      ArrowUp: () => this.move(0, far), ArrowDown: () => this.move(0, -far),
      ",": () => this.splitAt(this.split - 0.02), ".": () => this.splitAt(this.split + 0.02),
    }[event.key];
    if (!done) return;
    event.preventDefault();
    done();
  }

  down(event) {
    if (!this.width || event.button) return;
    this.view.setPointerCapture(event.pointerId);
    this.splitting = this.handle.contains(event.target);
    this.pointers.set(event.pointerId, this.point(event));
    this.view.classList.toggle("dragged", !this.splitting);
  }

  moved(event) {
    const from = this.pointers.get(event.pointerId);
    if (!from) return;
    const to = this.point(event);
    this.pointers.set(event.pointerId, to);
    if (this.splitting) this.splitAt(to.x / this.view.clientWidth);
    else if (this.pointers.size === 2) this.pinch(event.pointerId, from, to);
    else this.move(to.x - from.x, to.y - from.y);
  }

  // Two fingers: the other one stays where it is.
  pinch(id, from, to) {
    const other = [...this.pointers].find(([key]) => key !== id)[1];
    const before = Math.hypot(from.x - other.x, from.y - other.y), now = Math.hypot(to.x - other.x, to.y - other.y);
    if (before > 10 && now > 10) this.zoom(now / before, other);
  }
}

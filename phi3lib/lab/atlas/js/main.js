// Part 5 of 5: the view as a whole: what is looked at, what is selected, and the way to and from the model.

const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

class App {
  constructor(model, el) {
    this.model = model;
    this.heading = model.alone ? "h2" : "h3";
    this.data = new Data(model);
    this.view = { colour: "label", tool: "lasso", lines: false, kind: -1, order: "selected", focus: -1, drag: null };
    this.ratio = this.sharpness();
    this.marks = new Marks(this);
    this.maps = this.data.spec.names.map((_, map) => new MapView(this, map));
    this.lists = new Lists(this);
    this.controls = new Controls(this);
    this.status = make("div", { role: "status", "aria-live": "polite", style: "min-height:1.5em;margin:.3em 0" });
    this.assemble(el);
    this.maps.forEach((one) => listen(this, one));
    this.paint();
    this.lists.fill();
    this.say(this.data.say());
  }

  assemble(el) {
    const stage = make("div", { style: "display:flex;flex-wrap:wrap;gap:12px" }, ...this.maps.map((one) => one.box));
    // Keys stay here: Jupyter would take them for its own.
    this.root = make("div", { "data-lm-suppress-shortcuts": "true", style: "max-width:100%;line-height:1.4;overflow-wrap:break-word", on: { keydown: (event) => event.stopPropagation() } },
      this.controls.element, stage, this.lists.legend, this.status, ...this.lists.elements);
    this.leave = attend({ model: this.model, el }, this.root);
  }

  // ---------------------------------------------------------------------------------------- surroundings

  sharpness() { return Math.min(window.devicePixelRatio || 1, 3); }

  dark() {
    const theme = document.body.dataset.jpThemeLight;
    if (theme !== undefined) return theme === "false";
    if (this.model.alone) return window.matchMedia("(prefers-color-scheme: dark)").matches;
    const [red, green, blue] = (getComputedStyle(document.body).color.match(/[\d.]+/g) || [0, 0, 0]).map(Number);
    return 0.299 * red + 0.587 * green + 0.114 * blue > 128;
  }

  ink() { return this.dark() ? { paper: "#1c1c1c", line: "#e8e8e8", edge: "#e8e8e8" } : { paper: "#ffffff", line: "#1a1a1a", edge: "#333333" }; }
  calm() { return window.matchMedia("(prefers-reduced-motion: reduce)").matches; }
  say(text) { this.status.textContent = text; }

  zoomed() {
    if (this.sharpness() === this.ratio) return;
    this.ratio = this.sharpness();
    this.maps.forEach((one) => one.fit());
    this.paint();
    this.lists.fillLegend();
  }

  // ---------------------------------------------------------------------------------------- drawing

  hidden(point) { return this.view.kind >= 0 && this.data.spec.codes[point] !== this.view.kind; }

  paint() {
    this.theme = this.dark();
    this.root.style.colorScheme = this.theme ? "dark" : "light";
    this.marks.prepare();
    this.maps.forEach((one) => one.draw());
  }

  drawOvers() { this.maps.forEach((one) => one.drawOver()); }

  repaint() {
    this.paint();
    this.lists.fillLegend();
    this.lists.fillWorst();
    this.lists.fillTable();
  }

  glide() {
    const start = performance.now(), from = this.maps.map((one) => one.now), mine = (this.gliding = (this.gliding || 0) + 1);
    const targets = this.maps.map((one) => Float32Array.from(this.data.target(one.map)));
    const step = (time) => {
      if (mine !== this.gliding) return;
      const share = this.calm() ? 1 : Math.min(Math.max(time - start, 0) / GLIDE, 1), ease = share * share * (3 - 2 * share);
      this.maps.forEach((one, n) => {
        one.now = share === 1 ? targets[n] : from[n].map((value, i) => value + ease * (targets[n][i] - value));
        one.drawPoints();
      });
      if (share < 1) requestAnimationFrame(step);
    };
    step(start);
  }

  // A thumbnail cut from its sheet, or null where there are no pictures.
  thumb(point, scale) {
    const { thumb: side, sheet, ids } = this.data.spec;
    if (!this.data.sheets.length) return null;
    const image = this.data.sheets[Math.floor(point / (sheet * sheet))], within = point % (sheet * sheet);
    const canvas = make("canvas", { width: side, height: side, role: "img", "aria-label": ids[point], style: `width:${side * scale}px;height:${side * scale}px` });
    const draw = () => canvas.getContext("2d").drawImage(image, (within % sheet) * side, Math.floor(within / sheet) * side, side, side, 0, 0, side, side);
    if (image.complete) draw();
    else image.addEventListener("load", draw, { once: true });
    return canvas;
  }

  // ---------------------------------------------------------------------------------------- looking

  look(one, point, { aloud = true } = {}) {
    this.view.focus = point;
    this.maps.forEach((other) => other.hideTip());
    if (point >= 0) {
      one.showTip(point);
      if (aloud) this.say(this.data.lines(point).join("; "));
    }
    this.drawOvers();
  }

  show(point) {
    this.select([point]);
    this.look(this.maps[0], point);
  }

  // The points with the lowest or highest values of a measure.
  extreme(name, map, count) {
    const values = this.data.share(name, map), sign = measures(this.data.spec)[name].worst === "lowest" ? 1 : -1;
    const known = range(this.data.count).filter((point) => !this.hidden(point));
    return known.sort((a, b) => sign * (values[a] - values[b]) || a - b).slice(0, count);
  }

  movers() {
    const picked = this.selection();
    return picked.length ? picked.slice(0, MOST_THUMBS) : this.extreme("moved", 0, MOST_MOVES);
  }

  // ---------------------------------------------------------------------------------------- selecting

  selection() { return this.data.points(this.model.get("selected")); }
  found() { return this.model.get("found") || {}; }

  select(points, { adding = false } = {}) {
    const rows = points.map((point) => this.data.row(point));
    const all = adding ? [...new Set([...this.model.get("selected"), ...rows])] : rows;
    this.model.set("selected", all);
    this.model.save_changes(); // once for each gesture
    this.say(`${all.length} selected`);
  }

  toggle(point) {
    const picked = this.selection();
    if (picked.includes(point)) this.select(picked.filter((other) => other !== point));
    else this.select([point], { adding: true });
  }

  change(settings) {
    if (!settings) return;
    this.model.set("chosen", { ...settings });
    this.model.save_changes();
  }

  // ---------------------------------------------------------------------------------------- the model

  followers() {
    return {
      "change:selected": () => { this.maps.forEach((one) => one.drawPicked()); this.lists.showSelection(); },
      "change:found": () => { this.paint(); this.lists.fillStrip(); },
      "change:status": () => { if (this.model.get("status")) this.say(this.model.get("status")); },
      "change:progress": () => this.controls.showProgress(this.model.get("progress")),
      "change:spec": () => { this.data.read(); this.follow(); },
      "change:chosen": () => { this.data.read(); this.follow(); this.say(this.data.say()); },
    };
  }

  // Other maps: new colours and titles at once, places in a glide.
  follow() {
    this.maps.forEach((one) => one.hideTip());
    this.controls.sync();
    this.paint();
    this.glide();
    this.lists.fill();
  }
}

// ------------------------------------------------------------------------------------------ pointer and keys

function listen(app, one) {
  const { canvas } = one, { view } = app, byKeys = () => canvas.matches(":focus-visible");
  const on = (name, listener) => canvas.addEventListener(name, listener);
  on("pointermove", (event) => {
    if (view.drag) {
      view.drag.path.push(one.place(event));
      one.drawOver();
      return;
    }
    const point = one.nearest(one.place(event));
    if (point !== view.focus && (point >= 0 || !byKeys())) app.look(one, point, { aloud: false });
  });
  on("pointerleave", () => { if (!view.drag && !byKeys()) app.look(one, -1); });
  on("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    one.hideTip();
    view.drag = { one, from: one.place(event), path: [one.place(event)] };
  });
  on("pointerup", (event) => { if (view.drag) dropped(app, one, one.place(event), event.shiftKey); });
  on("pointercancel", () => { view.drag = null; one.drawOver(); });
  on("focus", () => {
    canvas.style.outline = "3px solid #0072B2";
    if (byKeys()) app.look(one, view.focus >= 0 ? view.focus : one.nearest([one.side / 2, one.side / 2], 2 * one.side));
  });
  on("blur", () => { canvas.style.outline = ""; one.hideTip(); });
  on("keydown", (event) => key(app, one, event));
}

function dropped(app, one, end, adding) {
  const { drag, tool } = app.view;
  app.view.drag = null;
  if (Math.hypot(end[0] - drag.from[0], end[1] - drag.from[1]) < 4 && drag.path.length < 6) {
    const point = one.nearest(end);
    if (point >= 0) app.look(one, point, { aloud: false });
    if (point < 0) app.select([]);
    else if (adding) app.toggle(point);
    else app.select([point]);
  } else {
    const between = (value, from, to) => (value - from) * (value - to) <= 0;
    const inside = tool === "rectangle"
      ? (across, down) => between(across, drag.from[0], end[0]) && between(down, drag.from[1], end[1])
      : (across, down) => inPolygon(drag.path, across, down);
    app.select(one.within(inside), { adding });
  }
  one.drawOver(); // nothing may have changed but the lasso itself
}

function inPolygon(path, across, down) {
  let odd = false;
  for (let i = 0, j = path.length - 1; i < path.length; j = i++) {
    const [ax, ay] = path[i], [bx, by] = path[j];
    if (ay > down !== by > down && across < ((bx - ax) * (down - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

function key(app, one, event) {
  const arrow = ARROWS[event.key], { focus } = app.view;
  if (!arrow && event.key !== "Enter" && event.key !== "Escape") return;
  event.preventDefault();
  if (event.key === "Escape") {
    app.look(one, -1);
    app.select([]);
  } else if (focus < 0) app.look(one, one.nearest([one.side / 2, one.side / 2], 2 * one.side));
  else if (arrow) app.look(one, one.towards(focus, arrow));
  else app.select([focus], { adding: event.shiftKey });
}

function render({ model, el }) {
  const app = new App(model, el), followers = app.followers();
  for (const [name, follower] of Object.entries(followers)) model.on(name, follower);
  const repaint = () => { if (app.dark() !== app.theme) app.repaint(); }, zoomed = () => app.zoomed();
  const themes = new MutationObserver(repaint), scheme = window.matchMedia("(prefers-color-scheme: dark)");
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  scheme.addEventListener("change", repaint);
  window.addEventListener("resize", zoomed);
  return () => {
    app.leave();
    themes.disconnect();
    scheme.removeEventListener("change", repaint);
    window.removeEventListener("resize", zoomed);
    for (const [name, follower] of Object.entries(followers)) model.off(name, follower);
  };
}

export default { render };

// @ts-check
// The view as a whole: what is looked at, what is selected, and the way to and from the model.

class App {
  /** @param {Model<AtlasTraits>} model @param {HTMLElement} el */
  constructor(model, el) {
    this.model = model;
    /** @type {"h2" | "h3"} */
    this.heading = model.alone ? "h2" : "h3";
    /** @type {"h3" | "h4"} */
    this.smaller = model.alone ? "h3" : "h4";
    this.data = new Data(model);
    this.view = { color: "label", tool: "lasso", how: "new", lines: false, pictures: true, names: true, words: "", together: false, kind: -1, order: "selected", focus: -1, opened: -1, drag: /** @type {Drag | null} */ (null), points: 1, size: 1, fog: false, contours: "none", everywhere: false, only: /** @type {Set<number> | null} */ (null), limits: /** @type {Map<string, Limit>} */ (new Map()) };
    this.pass(); // `passing`: which points a filter leaves, and the places that are shown; null: all
    this.wheeled = 0; // when the wheel last turned
    this.wheeledElsewhere = false;
    this.gliding = 0; // the number of the last glide
    this.moving = false; // whether it has not ended
    this.clicked = /** @type {number[][]} */ ([]); // what was selected before each of the last two clicks
    this.ratio = this.sharpness();
    this.order = shuffled(this.data.count);
    this.steps = new Steps(model.get("selected"));
    this.pictures = new Pictures(this);
    this.marks = new Marks(this);
    this.takeSelection();
    this.maps = this.data.spec.names.map((_, map) => new MapView(this, map));
    this.legend = new Legend(this);
    this.facets = new Facets(this);
    this.detail = new Detail(this);
    this.lists = new Lists(this);
    this.named = new Named(this);
    this.conditions = new Conditions(this);
    this.query = typeof Query === "function" ? new Query(this) : null; // not every page has it
    this.layOut = typeof LayOut === "function" && (!model.alone || this.data.spec.layouts) ? new LayOut(this) : null;
    this.controls = new Controls(this);
    this.address = new Address(this);
    this.status = make("div", { className: "status", role: "status", "aria-live": "polite" });
    this.assemble(el);
    this.maps.forEach((one) => listen(this, one));
    this.paint();
    this.legend.fill();
    this.lists.fill();
    this.say(this.data.say());
  }

  assemble(el) {
    const orders = [["selected", "selected first"], ["name", "by name"], ["kept", "by neighbors kept"]];
    const sort = this.controls.choose("Sort", orders, (order) => { this.view.order = order; this.lists.fillGallery(); this.lists.fillTable(); });
    const side = make("aside", { className: "side", "aria-label": "Legend and picture" }, this.legend.element, this.facets.element, this.detail.element);
    const stage = make("div", { className: "stage" }, make("div", { className: "maps" }, ...this.maps.map((one) => one.box)), side);
    stage.dataset.maps = String(Math.min(this.maps.length, 2));
    // Keys stay here: Jupyter would take them for its own.
    this.root = make("div", { className: "phi3lib-atlas", "data-lm-suppress-shortcuts": "true", on: { keydown: (event) => event.stopPropagation() } },
      this.controls.element, stage, make("div", { className: "below" }, this.status, make("span", { className: "acts", role: "group", "aria-label": "Selection" }, this.controls.only, ...(this.layOut ? this.layOut.controls : []), ...this.controls.ofSelection, ...(this.model.alone ? [this.controls.link] : [])), this.controls.alone, sort.label), this.named.element, ...(this.query ? [this.query.element] : []), this.lists.element);
    this.leave = attend({ model: this.model, el }, this.root);
  }

  // ---------------------------------------------------------------------------------------- surroundings

  sharpness() { return Math.min(window.devicePixelRatio || 1, 2); }

  dark() {
    const theme = document.body.dataset.jpThemeLight;
    if (theme !== undefined) return theme === "false";
    if (this.model.alone) return window.matchMedia("(prefers-color-scheme: dark)").matches;
    const [red, green, blue] = (getComputedStyle(document.body).color.match(/[\d.]+/g) || [0, 0, 0]).map(Number);
    return 0.299 * red + 0.587 * green + 0.114 * blue > 128;
  }

  theming() { return this.dark() ? PALETTE.dark : PALETTE.light; }

  // What the canvases are drawn with; the rest takes its colors from the style sheet.
  ink() {
    const { paper, ink, outline } = this.theming();
    return { paper, line: ink, edge: outline };
  }

  calm() { return window.matchMedia("(prefers-reduced-motion: reduce)").matches; }
  say(text) { this.status.textContent = text; }

  resized() {
    this.ratio = this.sharpness();
    const changed = this.maps.filter((one) => one.fit());
    changed.forEach((one) => one.drawPoints());
  }

  // ---------------------------------------------------------------------------------------- drawing

  hidden(point) { return this.passing !== null && !this.passing[point]; }

  // For each point how it is drawn: 0 plain, 1 selected, 2 hidden by a filter.
  states() {
    if (this.known) return this.known;
    this.known = new Uint8Array(this.data.count);
    if (this.passing) for (let point = 0; point < this.data.count; point++) this.known[point] = this.passing[point] ? 0 : 2;
    for (const point of this.picked) if (this.known[point] === 0) this.known[point] = 1;
    return this.known;
  }

  // Draw with the next frame, once, however often it is asked for.
  later(what, map) {
    this.due = this.due || new Set();
    for (const one of map ? [map] : this.maps) this.due.add(one);
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      const due = [...this.due];
      [this.waiting, this.due] = [0, null];
      due.forEach((one) => one.drawPoints());
    });
  }

  paint() {
    this.theme = this.dark();
    this.root.dataset.theme = this.theme ? "dark" : "light";
    this.maps.forEach((one) => one.retitle());
    this.redraw();
  }

  redraw() { this.maps.forEach((one) => one.drawPoints()); }
  drawOvers() { this.maps.forEach((one) => one.drawOver()); }

  repaint() {
    this.paint();
    this.legend.fill();
    this.facets.fill();
    this.lists.fillWorst();
    this.lists.fillTable();
  }

  glide() {
    const start = performance.now(), from = this.maps.map((one) => one.now), mine = (this.gliding += 1);
    const targets = this.maps.map((one) => this.data.target(one.map));
    const step = (time) => {
      if (mine !== this.gliding) return;
      const share = this.calm() ? 1 : Math.min(Math.max(time - start, 0) / GLIDE, 1), ease = share * share * (3 - 2 * share);
      this.moving = share < 1;
      this.maps.forEach((one, n) => {
        one.moveTo(share === 1 ? targets[n] : from[n].map((value, i) => value + ease * (targets[n][i] - value)));
        one.drawPoints();
      });
      if (this.moving) requestAnimationFrame(step);
      else this.detail.fill();
    };
    step(start);
  }

  // ---------------------------------------------------------------------------------------- looking

  look(one, point, { aloud = true, tip = true } = {}) {
    this.view.focus = point;
    this.maps.forEach((other) => other.hideTip());
    if (point >= 0) {
      if (aloud && one.camera.reveal(one.now[2 * point], one.now[2 * point + 1])) one.drawPoints();
      if (tip) one.showTip(point);
      if (aloud) this.say(this.data.lines(point).join("; "));
    }
    this.drawOvers();
  }

  // The picture beside the map.
  open(point) {
    this.view.opened = point;
    this.address.note();
    this.detail.fill();
    this.drawOvers();
  }

  central(one) {
    const [x, y] = one.camera.place([one.camera.width / 2, one.camera.height / 2]);
    return one.grid().nearest(x, y, Infinity, (point) => !this.hidden(point));
  }

  show(point) {
    this.select([point]);
    for (const one of this.maps) if (one.camera.reveal(one.now[2 * point], one.now[2 * point + 1])) one.drawPoints();
    this.look(this.maps[0], point);
    this.open(point);
  }

  // ---------------------------------------------------------------------------------------- filters

  color(name) {
    this.view.color = name;
    this.repaint();
  }

  filter(text, where) {
    [this.view.filter, this.view.where] = [text.trim(), where];
    this.view.text = text.trim() ? this.data.matching(text, where) : null;
    this.refilter();
  }

  filterKind(kind) {
    this.view.kind = kind;
    this.refilter();
  }

  // Limit a column to a range or to some of its values; null: to nothing.
  limit(name, limit) {
    if (limit) this.view.limits.set(name, limit);
    else if (!this.view.limits.delete(name)) return;
    this.refilterSoon();
  }

  unlimit() {
    this.view.limits.clear();
    this.refilter();
  }

  // Show the selected pictures alone, or all again.
  isolate(rows = this.model.get("selected")) {
    this.view.only = this.view.only || !rows.length ? null : new Set(rows);
    this.controls.syncSelection();
    this.refilter();
  }

  // While a range is dragged, once in a frame.
  refilterSoon() {
    if (!this.filtering) this.filtering = requestAnimationFrame(() => { this.filtering = 0; this.refilter(); });
  }

  pass() {
    this.passing = passingOf(this.data.count, testsOf(this.data, this.view));
    this.known = null;
  }

  refilter() {
    this.pass();
    this.repaint();
    const left = this.passing ? this.passing.reduce((a, b) => a + b, 0) : this.data.count;
    this.say(this.passing ? `${grouped(left)} of ${grouped(this.data.count)} pictures shown` : `All ${grouped(this.data.count)} pictures shown`);
  }

  // ---------------------------------------------------------------------------------------- selecting

  selection() { return this.data.points(this.model.get("selected")); }

  found() { return this.model.get("found") || {}; }

  takeSelection() {
    this.picked = new Set(this.selection());
    this.known = null;
  }

  // What a gesture does to the selection: by its keys, else by the buttons.
  how(event) { return event.shiftKey ? "add" : event.altKey ? "subtract" : this.view.how; }

  select(points, { how = "new" } = {}) { this.put(combined(this.model.get("selected"), points.map((point) => this.data.row(point)), how)); }

  put(rows) {
    this.model.set("selected", rows);
    this.model.save_changes(); // once for each gesture
    this.say(`${grouped(rows.length)} selected`);
  }

  toggle(point) { this.select([point], { how: this.picked.has(point) ? "subtract" : "add" }); }
  invert() { this.put(inverted(this.model.get("selected"), this.data.spec.all)); }

  undo() { this.back(this.steps.undo()); }
  redo() { this.back(this.steps.redo()); }
  back(rows) { if (rows) this.put(rows); else this.say("There is no other selection to go to"); }

  // What was selected before a click; a double click, which ends the second one, leaves that of the first one alone.
  remember() { this.clicked = [...this.clicked.slice(-1), this.model.get("selected")]; }
  restore() { if (this.clicked.length && this.clicked[0] !== this.model.get("selected")) this.put(this.clicked[0]); }

  zoomToSelection() {
    for (const one of this.maps) {
      one.camera.show([...this.picked].flatMap((point) => [one.now[2 * point], one.now[2 * point + 1]]));
      one.later();
    }
  }

  saveTable() { save("selected.csv", commaSeparated(tableOf(this.data, this.model.get("selected")))); }

  copyIds() {
    const points = this.selection(), undrawn = this.model.get("selected").length - points.length;
    copied(this.root, points.map((point) => this.data.id(point)).join("\n"));
    this.say(`${grouped(points.length)} ids copied${undrawn ? `; ${grouped(undrawn)} selected pictures are not drawn here, and their ids are known in Python alone` : ""}`);
  }

  // A finger draws once a tool is chosen; before, it scrolls the page.
  use(tool) {
    this.view.tool = tool;
    this.view.drawing = tool !== "move";
    this.root.classList.toggle("drawing", this.view.drawing);
    this.root.classList.toggle("moving", tool === "move");
  }

  change(settings) {
    if (!settings) return;
    const same = sameSettings(settings, this.model.get("chosen")); // then a notebook's model tells nobody
    if (this.data.views.length && same) this.placeBy(null);
    this.model.set("chosen", { ...settings });
    this.model.save_changes();
  }

  // Place the pictures by two axes, on a new map of some of them, or as the maps have them.
  /** @param {Axes | null} axes @param {NewMap | null} [part] */
  placeBy(axes, part = null) {
    const before = this.data.views.length;
    this.data.placeBy(axes, part);
    this.showPlaces(before);
    this.model.set("shown", this.data.shown());
    this.model.save_changes();
  }

  followShown() {
    const before = this.data.views.length;
    if (this.data.takeShown()) this.showPlaces(before);
  }

  /** @param {number} before whether there were other views than maps of all */
  showPlaces(before) {
    if (before || this.data.views.length) for (const one of this.maps) one.camera.home(); // what was in view is elsewhere now
    this.follow();
    this.say(this.data.say());
  }

  // ---------------------------------------------------------------------------------------- the model

  followSelection() {
    this.steps.note(this.model.get("selected"));
    this.takeSelection();
    this.redraw();
    this.legend.count();
    this.controls.syncSelection();
    this.named.sync();
    this.lists.showSelection();
  }

  // Other maps: new colors and titles at once, places in a glide.
  follow() {
    this.maps.forEach((one) => one.hideTip());
    this.pass();
    this.controls.sync();
    this.paint();
    this.glide();
    this.legend.fill();
    this.lists.fill();
    if (this.query) this.query.follow();
  }
}

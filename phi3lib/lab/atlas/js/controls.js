// @ts-check
// The controls above the maps, in groups. They are made once and follow the model, whoever changed it: another
// view of the same widget, Python, or they themselves.

class Controls {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.sliders = KEYS.slice(1).map((name) => this.slider(name));
    this.method = this.choose("Map", [], (method) => this.takeMap(method));
    this.axes = ["x axis", "y axis"].map((name) => this.choose(name, app.data.axisNames, () => app.placeBy(this.chosenAxes())));
    this.color = this.choose("Color", [], (name) => app.color(name));
    // Groups that fit beside each other follow each other: the map gets the height.
    const groups = [this.mapGroup(), this.lookGroup(), this.filterGroup()];
    if (!app.model.alone && app.data.spec.finds) groups.push(this.query());
    if ((app.data.spec.queries || []).length) groups.push(this.queries());
    groups.push(this.selectGroup(), app.conditions.element);
    this.element = make("div", { className: "controls" }, ...groups);
    this.alone = toggle("map alone", false, (on) => app.root.classList.toggle("bare", on));
    this.sync();
  }

  group(name, ...parts) { return make("div", { className: "group", role: "group", "aria-label": name }, ...parts); }

  // ---------------------------------------------------------------------------------------- pieces

  choose(words, options, changed) {
    const control = make("select", { on: { change: () => changed(control.value) } });
    this.offer(control, options);
    return { control, label: labeled(words, control) };
  }

  offer(control, options, value) {
    const state = JSON.stringify(options);
    if (control.dataset.offered !== state) control.replaceChildren(...options.map(([name, text]) => make("option", { value: name }, text)));
    control.dataset.offered = state;
    if (value !== undefined) control.value = value;
  }

  // A slider over the values that were made ready; it moves all maps at once.
  slider(name) {
    const shown = make("span", { className: "phi3lib-value" });
    const control = make("input", { type: "range", min: 0, step: 1 });
    const label = labeled(name, control, shown);
    control.addEventListener("input", () => this.app.change(this.app.data.closest(name, this.app.data.values(name)[control.value])));
    return { name, control, shown, label };
  }

  mapGroup() {
    const { app } = this, together = toggle("move together", false, (on) => { app.view.together = on; if (on) app.maps[0].moved(); });
    return this.group("Map", this.method.label, ...this.axes.map((one) => one.label), ...this.sliders.map((one) => one.label),
      ...(app.data.maps > 1 ? [together] : []), ...(app.model.alone ? [] : [this.recompute()]));
  }

  lookGroup() {
    const { app } = this, set = (name, draw) => (on) => { app.view[name] = on; draw(); }, redraw = () => app.redraw();
    const pictures = toggle("pictures", app.view.pictures, set("pictures", redraw)), names = toggle("names", app.view.names, set("names", redraw));
    const lines = toggle("true neighbors", false, set("lines", () => app.drawOvers()));
    const sizes = [this.size("size of points", "points", redraw), ...(app.pictures.any ? [this.size("size of pictures", "size", redraw)] : [])];
    const everywhere = toggle("pictures everywhere", false, set("everywhere", redraw));
    const words = this.choose("words from", [["", "automatic"], ...app.data.texts().map(({ name }) => [name, name])], (name) => { app.view.words = name; app.redraw(); });
    const contours = this.choose("contours", [["none", "none"], ["all", "of all pictures"], ["groups", "of each group"]], (what) => { app.view.contours = what; app.redraw(); app.legend.fill(); });
    const more = make("details", { className: "other" }, make("summary", {}, "More"), make("span", {}, ...sizes, ...(app.pictures.any ? [everywhere] : []), toggle("density", false, set("fog", redraw)), contours.label, ...(app.data.texts().length ? [words.label] : [])));
    return this.group("Look", this.color.label, ...(app.pictures.any ? [pictures] : []), names, lines, more);
  }

  // How large points or pictures are drawn, times the usual size.
  size(words, name, draw) {
    const control = make("input", { type: "range", min: 0.4, max: 2, step: 0.1, value: 1, on: { input: () => { this.app.view[name] = Number(control.value); draw(); } } });
    return labeled(words, control);
  }

  filterGroup() {
    const { app } = this, { spec } = app.data, kinds = [["-1", "all"], ...spec.kinds.map((kind, n) => [String(n), kind])];
    const places = [["", "anywhere"], ["name", "name"], ...app.data.columns.map(({ name }) => [name, name])];
    const text = make("input", { type: "search", title: "Letters, or a regular expression between slashes: /^a (red|blue)/", on: { input: () => app.filter(text.value, where.control.value) } });
    const where = this.choose("in", places, () => app.filter(text.value, where.control.value));
    this.text = text;
    this.where = where.control;
    const kind = this.choose("Show", kinds, (value) => app.filterKind(Number(value)));
    this.kind = kind.control;
    where.control.setAttribute("aria-label", "In which column");
    return this.group("Which pictures", ...(spec.label && spec.kinds.length <= MOST_KINDS ? [kind.label] : []), labeled("Filter", text), where.label);
  }

  selectGroup() {
    const { app } = this;
    const tools = choice("Drag", [["lasso", "Lasso", "Draw around pictures"], ["rectangle", "Rectangle", "Select a rectangle"], ["move", "Move", "Move the map; also: right button, space bar, two fingers"]], (tool) => app.use(tool));
    const how = choice("A selection is", [["new", "New", "A selection replaces the one before"], ["add", "Add", "Add to the selection; also: Shift"], ["subtract", "Subtract", "Take away from the selection; also: Alt"], ["intersect", "Intersect", "Keep what both have in common"]], (value) => { app.view.how = value; });
    const act = (words, title, click) => button(words, click, { title });
    this.undo = act("Undo", "Undo the last selection: Control and Z", () => app.undo());
    this.redo = act("Redo", "Redo: Control, Shift and Z", () => app.redo());
    this.only = act("Only these", "Show the selected pictures alone; again: all", () => app.isolate());
    this.ofSelection = [
      act("Clear", "Select nothing: Escape", () => app.select([], { how: "new" })),
      act("Zoom to it", "Zoom to the selection", () => app.zoomToSelection()),
      act("Save CSV", "Save the selected rows as a file", () => app.saveTable()),
      act("Copy ids", "Copy the ids of the selected pictures, one on each line", () => app.copyIds()),
    ];
    this.link = act("Copy link", "Copy the address of this view: map, color, filter, selection", () => app.address.copy());
    return this.group("Select", tools.element, how.element, act("Invert", "Select all others", () => app.invert()), this.undo, this.redo);
  }

  query() {
    const ask = () => this.app.model.send({ do: "find", text: text.value });
    const text = make("input", { type: "text", placeholder: "a red car", on: { keydown: (event) => { if (event.key === "Enter") ask(); } } });
    return this.group("Search", labeled("Text", text), button("Find", ask));
  }

  // On an exported page: the texts that its author has asked for, ranked when it was made.
  queries() {
    const { app } = this, { queries } = app.data.spec;
    const options = [["", "none"], ...queries.map(({ text }, n) => [String(n), text])];
    const asked = this.choose("Ranked by the text", options, (number) => this.rankBy(number === "" ? null : queries[number]));
    this.asked = asked.control;
    asked.control.setAttribute("title", "These texts were compared with all pictures when this page was made");
    return this.group("Search", asked.label, make("span", { className: "quiet" }, "other texts need a notebook, as no model is in it"));
  }

  // The nearest pictures to such a text; its column colors the map and sorts the table.
  rankBy(query) {
    const { app } = this;
    app.model.set("found", query || {});
    app.lists.sortBy(query ? query.column : null);
    this.take({ color: query ? `column:${query.column}` : "label" });
    app.say(query ? `${grouped(app.data.count)} pictures are ranked by “${query.text}”: the map's colors and the table follow it` : "No text");
  }

  recompute() {
    const number = (name, step) => make("input", { type: "number", step, min: 0, name });
    this.numbers = [number("n_neighbors", 1), number("min_dist", 0.05), number("seed", 1)];
    // The second click of a double click is not meant for what the button has become: "Stop".
    this.button = button("Recompute", (event) => { if (event.detail < 2) this.ask(); });
    this.progress = make("progress", { max: 1, "aria-label": "Maps computed", style: { display: "none" } });
    return make("details", { className: "other" }, make("summary", {}, "Other parameters"), make("span", {},
      ...this.numbers.map((control) => labeled(control.name, control)), this.button, this.progress));
  }

  ask() {
    if (this.app.model.get("stoppable")) { this.app.model.send({ do: "stop" }); return; }
    this.app.say("Computing the maps …");
    this.app.model.send({ do: "recompute", ...Object.fromEntries(this.numbers.map(({ name, value }) => [name, value])) });
  }

  takeMap(method) {
    if (method === OWN_AXES) this.app.placeBy(this.chosenAxes());
    else if (this.app.layOut && method === NEW_MAP) this.app.placeBy(null, this.app.data.newMap);
    else this.app.change(this.remembered(method));
  }

  /** @returns {Axes} */
  chosenAxes() { return { x: this.axes[0].control.value, y: this.axes[1].control.value }; }

  // ---------------------------------------------------------------------------------------- following

  // What maps can be colored by: [name, words].
  colors() {
    const { data } = this.app, columns = data.columns.filter(({ name }) => name !== data.spec.label);
    const shares = Object.entries(measures(data.spec)).map(([name, one]) => [name, one.words]);
    return [["label", data.spec.label || "one color"], ...columns.map(({ name }) => [`column:${name}`, name]), ...shares];
  }

  // Set what a link names.
  /** @param {Shown} shown */
  take({ color, query, text, where, kind, limits, only }) {
    const { app } = this, asked = (app.data.spec.queries || []).findIndex((one) => one.text === query);
    if (asked >= 0) { this.asked.value = String(asked); this.rankBy(app.data.spec.queries[asked]); }
    if (limits) { app.view.limits = new Map(limits); app.refilter(); }
    if (only) app.isolate(only);
    if (color !== undefined) { this.color.control.value = color; app.color(color); }
    if (kind !== undefined) { this.kind.value = String(kind); app.filterKind(kind); }
    if (text === undefined) return;
    this.text.value = text;
    this.where.value = where || "";
    app.filter(text, where || "");
  }

  sync() {
    const { data, view } = this.app, now = data.settings(), methods = [...new Set(data.spec.settings.map((one) => one.method))];
    const others = [...(data.axisNames.length > 1 ? [OWN_AXES] : []), ...(data.newMap ? [NEW_MAP] : [])];
    this.offer(this.method.control, [...methods, ...others].map((name) => [name, name]), data.part ? NEW_MAP : data.axes ? OWN_AXES : now.method);
    this.syncAxes();
    this.offer(this.color.control, this.colors(), view.color);
    if (now.method === "UMAP") this.last = now;
    this.sliders.forEach((one) => this.syncSlider(one, now));
    for (const control of this.numbers || []) if (control !== document.activeElement) control.value = (this.last || now)[control.name];
    this.syncSelection();
  }

  // At first the first two there are: the author's columns go before the components.
  syncAxes() {
    const { axes, axisNames } = this.app.data, before = this.axes.map(({ control }) => control.value);
    this.axes.forEach(({ control, label }, n) => {
      const known = axisNames.some(([name]) => name === before[n]) && before[0] !== before[1];
      this.offer(control, axisNames, axes ? axes[n ? "y" : "x"] : known ? before[n] : (axisNames[n] || [""])[0]);
      label.style.display = axes ? "" : "none";
    });
  }

  syncSelection() {
    const { app } = this;
    this.undo.disabled = !app.steps.past.length;
    this.redo.disabled = !app.steps.future.length;
    for (const one of this.ofSelection) one.disabled = !app.model.get("selected").length;
    if (app.layOut) app.layOut.sync();
    this.only.disabled = !app.view.only && !app.model.get("selected").length;
    this.only.setAttribute("aria-pressed", String(Boolean(app.view.only)));
  }

  syncSlider({ name, control, shown, label }, now) {
    const values = this.app.data.values(name);
    label.style.display = now.method === "UMAP" && values.length > 1 && !this.app.data.views.length ? "" : "none";
    control.max = values.length - 1;
    control.value = Math.max(values.indexOf(now[name]), 0);
    shown.textContent = String(now[name]);
    control.setAttribute("aria-valuetext", shown.textContent);
  }

  remembered(method) {
    const { settings } = this.app.data.spec;
    return (this.last && this.last.method === method && this.last) || settings.find((one) => one.method === method);
  }

  showProgress(share) {
    if (this.app.layOut) this.app.layOut.showProgress(share);
    if (!this.progress) return;
    this.progress.style.display = share < 1 ? "" : "none";
    this.progress.value = share;
  }

  // Python computes one thing at a time, which either button stops.
  showStop() {
    if (this.app.layOut) this.app.layOut.sync();
    if (this.button) this.button.textContent = this.app.model.get("stoppable") ? "Stop" : "Recompute";
  }
}

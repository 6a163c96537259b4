// Part 4 of 5: sliders, lists and boxes above the maps. They are made once and follow the model, whoever
// changed it: another view of the same widget, Python, or they themselves.

class Controls {
  constructor(app) {
    this.app = app;
    this.sliders = KEYS.slice(1).map((name) => this.slider(name));
    this.method = this.choose("Map", [], (method) => app.change(this.remembered(method)));
    this.colour = this.choose("Colour", [], (name) => { app.view.colour = name; app.repaint(); });
    this.element = make("div", { style: "display:flex;flex-wrap:wrap;gap:.4em 1.2em;align-items:center;margin:.3em 0" },
      this.method.label, ...this.sliders.map((one) => one.label), this.colour.label, ...this.views());
    if (!app.model.alone) this.element.append(...(app.data.spec.finds ? [this.query()] : []), this.recompute());
    this.sync();
  }

  // ---------------------------------------------------------------------------------------- pieces

  labelled(words, ...controls) {
    return make("label", { style: "display:inline-flex;gap:.4em;align-items:center;max-width:100%" }, words, ...controls);
  }

  choose(words, options, changed) {
    const control = make("select", { style: "max-width:20em;min-width:0", on: { change: () => changed(control.value) } });
    this.offer(control, options);
    return { control, label: this.labelled(words, control) };
  }

  offer(control, options, value) {
    const state = JSON.stringify(options);
    if (control.dataset.offered !== state) control.replaceChildren(...options.map(([name, text]) => make("option", { value: name }, text)));
    control.dataset.offered = state;
    if (value !== undefined) control.value = value;
  }

  // A slider over the values that were made ready; it moves all maps at once.
  slider(name) {
    const shown = make("span", { className: "phi3lib-value", style: "min-width:2.2em" });
    const control = make("input", { type: "range", min: 0, step: 1, style: "width:7em" });
    const label = this.labelled(name, control, shown);
    control.addEventListener("input", () => this.app.change(this.app.data.closest(name, this.app.data.values(name)[control.value])));
    return { name, control, shown, label };
  }

  views() {
    const { app } = this, { spec } = app.data;
    const kinds = [["-1", "all"], ...spec.kinds.map((kind, n) => [String(n), kind])];
    const orders = [["selected", "as selected"], ["name", "by name"], ["kept", "by neighbours kept"]];
    const lines = make("input", { type: "checkbox", on: { change: () => { app.view.lines = lines.checked; app.drawOvers(); } } });
    return [
      ...(spec.label ? [this.choose("Show", kinds, (kind) => { app.view.kind = Number(kind); app.repaint(); })] : []),
      this.choose("Select by", [["lasso", "lasso"], ["rectangle", "rectangle"]], (tool) => { app.view.tool = tool; }),
      this.choose("Sort", orders, (order) => { app.view.order = order; app.lists.fillGallery(); app.lists.fillTable(); }),
    ].map((one) => one.label).concat(this.labelled("", lines, "true neighbours"));
  }

  query() {
    const ask = () => this.app.model.send({ do: "find", text: text.value });
    const text = make("input", { type: "text", style: "width:12em;min-width:0", on: { keydown: (event) => { if (event.key === "Enter") ask(); } } });
    return make("span", { style: "display:inline-flex;gap:.4em" }, this.labelled("Text", text), make("button", { type: "button", on: { click: ask } }, "Find"));
  }

  recompute() {
    const number = (name, step) => make("input", { type: "number", step, min: 0, name, style: "width:5em" });
    this.numbers = [number("n_neighbors", 1), number("min_dist", 0.05), number("seed", 1)];
    this.button = make("button", { type: "button", on: { click: () => this.ask() } }, "Recompute");
    this.progress = make("progress", { max: 1, "aria-label": "Maps computed", style: "width:6em;display:none" });
    return make("details", {}, make("summary", {}, "Other parameters"), make("span", { style: "display:inline-flex;flex-wrap:wrap;gap:.4em 1em;align-items:center" },
      ...this.numbers.map((control) => this.labelled(control.name, control)), this.button, this.progress));
  }

  ask() {
    this.app.say("Computing the maps …");
    this.app.model.send({ do: "recompute", ...Object.fromEntries(this.numbers.map(({ name, value }) => [name, value])) });
  }

  // ---------------------------------------------------------------------------------------- following

  sync() {
    const { data, view } = this.app, now = data.settings(), methods = [...new Set(data.spec.settings.map((one) => one.method))];
    const colours = [["label", data.spec.label || "one colour"], ...Object.entries(measures(data.spec)).map(([name, one]) => [name, one.words])];
    this.offer(this.method.control, methods.map((name) => [name, name]), now.method);
    this.offer(this.colour.control, colours, view.colour);
    if (now.method === "UMAP") this.last = now;
    this.sliders.forEach((one) => this.syncSlider(one, now));
    for (const control of this.numbers || []) if (control !== document.activeElement) control.value = (this.last || now)[control.name];
  }

  syncSlider({ name, control, shown, label }, now) {
    const values = this.app.data.values(name);
    label.style.display = now.method === "UMAP" && values.length > 1 ? "inline-flex" : "none";
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
    if (!this.progress) return;
    this.progress.style.display = share < 1 ? "inline-block" : "none";
    this.progress.value = share;
    this.button.disabled = share < 1;
  }
}

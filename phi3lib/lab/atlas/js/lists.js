// Part 3 of 5: what stands under the maps: legend, ranked strip, gallery, the ten worst, table, recipe.

const MOST_THUMBS = 60, MOST_ROWS = 100, MOST_KINDS = 40;
const ROW = "display:flex;flex-wrap:wrap;gap:4px;margin:.3em 0", CELL = "border:1px solid #767676;padding:2px 6px;text-align:left;max-width:20em;overflow-wrap:break-word";

class Lists {
  constructor(app) {
    this.app = app;
    this.rows = MOST_ROWS;
    this.legend = make("div", { style: "display:flex;flex-wrap:wrap;gap:.2em 1em;font-size:.85em;margin:.3em 0" });
    this.strip = make("div");
    this.gallery = make("div");
    this.worst = this.folded("");
    this.table = this.folded("");
    this.table.addEventListener("toggle", () => this.fillTable());
    this.recipe = make("pre", { style: "white-space:pre-wrap;overflow-wrap:anywhere;font-size:.8em" });
    this.made = this.folded("How these maps were made", this.recipe);
    this.elements = [this.strip, this.gallery, this.worst, this.table, this.made];
  }

  // The summary stays when the rest is filled anew: it may have the keyboard's focus.
  folded(words, ...rest) { return make("details", {}, make("summary", {}, words), make("div", {}, ...rest)); }

  refold({ firstChild, lastChild }, words, ...rest) {
    firstChild.textContent = words;
    lastChild.replaceChildren(...rest);
  }

  fill() {
    this.fillLegend();
    this.fillStrip();
    this.fillGallery();
    this.fillWorst();
    this.fillTable();
    this.fillRecipe();
  }

  // ---------------------------------------------------------------------------------------- legend

  // What colours and shapes mean: the labels, or steps of a measure.
  fillLegend() {
    const { data, view, marks } = this.app;
    const steps = marks.images.map((image, n) => (n % 3 ? null : this.entry(image, `${10 * n}%${n === 9 ? " and more" : ""}`))).filter(Boolean);
    const shown = view.colour === "label" ? this.kinds(data.spec) : [...steps, ...this.notes(view.colour)];
    this.legend.replaceChildren(...shown, ...data.sample());
  }

  kinds({ label, kinds }) {
    if (!label) return [];
    const more = kinds.length > MOST_KINDS ? [`and ${kinds.length - MOST_KINDS} more`] : [];
    return [...kinds.slice(0, MOST_KINDS).map((kind, n) => this.entry(this.app.marks.images[n], kind)), ...more];
  }

  notes(measure) {
    const [first, second] = this.app.data.spec.names;
    if (!this.app.data.share(measure, 0)) return ["not known for these parameters"];
    if (measure !== "moved") return [];
    return [`of the map's width. Lines on ${first} end where ${second} has the picture, its map turned, mirrored and scaled onto ${first}: ` +
      `the ${MOST_MOVES} that moved most, or those selected.`];
  }

  entry(image, words) {
    const { ratio } = this.app;
    const mark = make("canvas", { width: image.width, height: image.height, "aria-hidden": "true",
      style: `width:${image.width / ratio}px;height:${image.height / ratio}px` });
    mark.getContext("2d").drawImage(image, 0, 0);
    return make("span", { style: "display:inline-flex;gap:.1em;align-items:center" }, mark, words);
  }

  // ---------------------------------------------------------------------------------------- pictures

  headed(words, ...rest) { return [make(this.app.heading, { style: "font-size:1em;margin:.5em 0 .2em" }, words), ...rest]; }

  buttons(points, words, press) {
    const make_ = (point) => {
      const name = this.app.data.spec.ids[point], picture = this.app.thumb(point, 1);
      const said = picture ? [picture, make("div", {}, words(point))] : [make("div", {}, name), make("div", {}, words(point))];
      const style = "border:1px solid #767676;border-radius:4px;padding:2px;background:transparent;color:inherit;font-size:.8em;max-width:9em;overflow-wrap:anywhere";
      return make("button", { type: "button", title: name, style, on: { click: () => press(point) } }, ...said);
    };
    return make("div", { style: ROW }, ...points.map(make_));
  }

  ordered(points) {
    const { data, view } = this.app, kept = data.share("kept", 0), { ids } = data.spec;
    if (view.order === "name") points.sort((a, b) => ids[a].localeCompare(ids[b], undefined, { numeric: true }));
    if (view.order === "kept") points.sort((a, b) => kept[a] - kept[b] || a - b);
    return points;
  }

  fillGallery() {
    const { data } = this.app, points = this.ordered(this.app.selection()), kept = data.share("kept", 0);
    const more = points.length > MOST_THUMBS ? `, the first ${MOST_THUMBS} of them shown` : "";
    const words = `Selected: ${points.length}${more}; under each, how many of its true neighbours ${data.spec.names[0]} keeps`;
    const shown = this.buttons(points.slice(0, MOST_THUMBS), (point) => `${kept[point]}%`, (point) => this.app.look(this.app.maps[0], point));
    this.gallery.replaceChildren(...(points.length ? this.headed(words, shown) : []));
  }

  fillStrip() {
    const found = this.app.found();
    if (!found.rows) { this.strip.replaceChildren(); return; }
    const cosine = new Map(found.rows.map((row, n) => [this.app.data.point(row), found.cosines[n]]));
    cosine.delete(undefined);
    const shown = this.buttons([...cosine.keys()], (point) => cosine.get(point).toFixed(2), (point) => this.app.show(point));
    const weak = found.weak ? "; weak: perhaps no picture shows this" : "";
    const elsewhere = this.app.data.spec.names.filter((name) => name !== found.through);
    const placed = elsewhere.length ? ` ${elsewhere.join(", ")} knows no texts: the star is placed there through ${found.through}.` : "";
    const by = elsewhere.length ? ` by ${found.through}` : "";
    this.strip.replaceChildren(...this.headed(`“${found.text}”${by}: the nearest pictures, with cosines${weak}.${placed}`, shown));
  }

  // ---------------------------------------------------------------------------------------- the ten worst

  fillWorst() {
    const { data, view } = this.app, name = view.colour === "label" ? "kept" : view.colour, measure = measures(data.spec)[name];
    const lines = data.spec.names.slice(0, measure.once ? 1 : undefined).map((mapName, map) => {
      const values = data.share(name, map);
      if (!values) return make("div", {}, "not known for these parameters");
      const shown = this.buttons(this.app.extreme(name, map, 10), (point) => `${values[point]}%`, (point) => this.app.show(point));
      return make("div", {}, measure.once ? "" : mapName, shown);
    });
    this.refold(this.worst, `Ten ${measure.worst}: ${measure.words}`, ...lines);
  }

  // ---------------------------------------------------------------------------------------- the table

  // All that the maps show, in words; its boxes select as a click on a point does.
  fillTable() {
    const { data } = this.app, all = range(data.count).filter((point) => !this.app.hidden(point));
    const points = this.app.view.order === "selected" ? [...new Set([...this.app.selection(), ...all])] : this.ordered(all);
    this.refold(this.table, `Table: ${all.length} pictures, ${this.app.selection().length} selected`);
    if (!this.table.open) return;
    const columns = this.columns(), head = make("tr", {}, ...["selected", ...columns.map(([words]) => words)].map((words) => make("th", { style: CELL, scope: "col" }, words)));
    const body = make("tbody", {}, ...points.slice(0, this.rows).map((point) => this.line(point, columns)));
    this.table.lastChild.append(make("div", { style: "overflow-x:auto", tabIndex: 0, role: "region", "aria-label": "Table of the pictures" },
      make("table", { style: "border-collapse:collapse;font-size:.85em" }, make("thead", {}, head), body)));
    if (points.length > this.rows) this.table.lastChild.append(this.more(points, body, columns));
  }

  columns() {
    const { data } = this.app, { ids, label, names } = data.spec;
    const percent = (name, map) => { const values = data.share(name, map); return (point) => `${values[point]}%`; };
    return [
      ["name", (point) => ids[point]],
      ...(label ? [[label, (point) => data.kind(point)]] : []),
      ...names.map((name, map) => [`${name}: neighbours kept`, percent("kept", map)]),
      ...(data.share("between", 0) ? [["shared", percent("between", 0)], ["moved", percent("moved", 0)]] : []),
    ];
  }

  line(point, columns) {
    const box = make("input", { type: "checkbox", "aria-label": `select ${this.app.data.spec.ids[point]}`,
      checked: this.app.selection().includes(point), on: { change: () => this.app.toggle(point) } });
    box.dataset.point = point;
    return make("tr", {}, make("td", { style: CELL }, box), ...columns.map(([, words]) => make("td", { style: CELL }, words(point))));
  }

  more(points, body, columns) {
    const button = make("button", { type: "button", on: { click: () => {
      body.append(...points.slice(this.rows, this.rows + MOST_ROWS).map((point) => this.line(point, columns)));
      this.rows += MOST_ROWS;
      if (points.length <= this.rows) button.remove();
    } } }, `${MOST_ROWS} more`);
    return button;
  }

  // The table stays as it is when a box in it is used: the reader is in the middle of it.
  showSelection() {
    this.fillGallery();
    if (!this.table.contains(document.activeElement)) { this.fillTable(); return; }
    const picked = new Set(this.app.selection());
    for (const box of this.table.querySelectorAll("input")) box.checked = picked.has(Number(box.dataset.point));
  }

  fillRecipe() {
    const { data } = this.app;
    this.recipe.textContent = JSON.stringify({ ...data.spec.card, map: data.settings() }, null, 1);
  }
}

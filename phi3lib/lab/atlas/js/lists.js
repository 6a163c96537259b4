// @ts-check
// What stands under the maps: ranked strip, gallery, the ten worst, table, recipe.

const MOST_THUMBS = 60, MOST_ROWS = 100;

class Lists {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.rows = MOST_ROWS;
    this.strip = make("div");
    this.gallery = make("div");
    this.worst = this.folded("");
    this.table = this.folded("");
    this.table.addEventListener("toggle", () => this.fillTable());
    this.recipe = make("pre");
    this.made = this.folded("How these maps were made", this.recipe);
    this.element = make("div", { className: "lists" }, this.strip, this.gallery, this.worst, this.table, this.made);
  }

  // The summary stays when the rest is filled anew: it may have the keyboard's focus.
  folded(words, ...rest) { return make("details", {}, make("summary", {}, words), make("div", {}, ...rest)); }

  /** @param {HTMLDetailsElement} details @param {string} words @param {...(Node | string)} rest */
  refold({ firstElementChild, lastElementChild }, words, ...rest) {
    firstElementChild.textContent = words;
    lastElementChild.replaceChildren(...rest);
  }

  fill() {
    this.fillStrip();
    this.fillGallery();
    this.fillWorst();
    this.fillTable();
    this.fillRecipe();
  }

  // ---------------------------------------------------------------------------------------- pictures

  headed(words, ...rest) { return [make(this.app.heading, {}, words), ...rest]; }

  buttons(points, words, press) {
    const one = (point) => {
      const name = this.app.data.spec.ids[point], picture = this.app.pictures.thumb(point, 72);
      const said = picture ? [picture, make("div", {}, words(point))] : [make("div", {}, name), make("div", {}, words(point))];
      return make("button", { type: "button", title: name, className: "card", on: { click: () => press(point) } }, ...said);
    };
    return make("div", { className: "cards" }, ...points.map(one));
  }

  ordered(points) {
    const { data, view } = this.app, kept = data.share("kept", 0), { ids } = data.spec;
    if (view.order === "name") points.sort((a, b) => ids[a].localeCompare(ids[b], undefined, { numeric: true }));
    if (view.order === "kept" && kept) points.sort((a, b) => kept[a] - kept[b] || a - b);
    return points;
  }

  fillGallery() {
    const { data, maps } = this.app, rows = this.app.model.get("selected"), points = this.ordered(this.app.selection()), kept = data.share("kept", 0);
    const more = points.length > MOST_THUMBS ? `, the first ${MOST_THUMBS} of them shown` : "";
    const map = data.called(0), undrawn = rows.length - points.length;
    const words = `Selected: ${grouped(rows.length)}${more}${undrawn ? `, ${grouped(undrawn)} of them not drawn` : ""}; under each, how many of its true neighbors${data.among()} ${map} keeps`;
    const look = (point) => { this.app.look(maps[0], point); this.app.open(point); };
    const shown = this.buttons(points.slice(0, MOST_THUMBS), (point) => (data.percent("kept", 0, point) === null ? "" : `${data.percent("kept", 0, point)}%`), look);
    this.gallery.replaceChildren(...(rows.length ? this.headed(words, shown) : []));
  }

  // What a text found, among all rows; those that are not drawn by their names.
  fillStrip() {
    const found = this.app.found(), { data } = this.app;
    if (!found.rows) { this.strip.replaceChildren(); return; }
    const cosine = new Map(found.rows.map((row, n) => [data.point(row), found.cosines[n]]));
    cosine.delete(undefined);
    const undrawn = found.rows.map((row, n) => (data.point(row) === undefined ? `${(found.ids || [])[n] || `row ${row}`} (${found.cosines[n].toFixed(2)})` : "")).filter(Boolean);
    const shown = this.buttons([...cosine.keys()], (point) => cosine.get(point).toFixed(2), (point) => this.app.show(point));
    const elsewhere = data.spec.names.filter((name) => name !== found.through);
    const placed = elsewhere.length ? ` ${elsewhere.join(", ")} knows no texts: the star is placed there through ${found.through}.` : "";
    const by = elsewhere.length ? ` by ${found.through}` : "";
    this.strip.replaceChildren(...this.headed(`“${found.text}”${by}: the nearest pictures, with cosines. A search returns pictures even if none fits.${placed}`, shown),
      ...(undrawn.length ? [make("p", { className: "quiet" }, `Not drawn: ${undrawn.join(", ")}`)] : []));
  }

  // ---------------------------------------------------------------------------------------- the ten worst

  fillWorst() {
    const { data, view } = this.app, known = measures(data.spec), name = known[view.color] ? view.color : "kept", measure = known[name];
    const lines = data.spec.names.slice(0, measure.once ? 1 : undefined).map((mapName, map) => {
      const values = data.share(name, map);
      if (!values) return make("div", {}, "not known for these parameters");
      const shown = this.buttons(extremeOf(this.app, name, map, 10), (point) => `${values[point]}%`, (point) => this.app.show(point));
      return make("div", {}, measure.once || data.maps === 1 ? "" : mapName, shown);
    });
    this.refold(this.worst, `Ten ${measure.worst}: ${measure.words}`, ...lines);
  }

  // ---------------------------------------------------------------------------------------- the table

  // All that the maps show, in words; its boxes select as a click on a point does.
  fillTable() {
    const { data } = this.app, all = range(data.count).filter((point) => !this.app.hidden(point));
    const columns = this.columns(), points = this.sorted(all, columns);
    this.refold(this.table, `Table: ${grouped(all.length)} pictures, ${grouped(this.app.selection().length)} selected`);
    if (!this.table.open) return;
    const head = make("tr", {}, make("th", { scope: "col" }, "selected"), ...columns.map(([words]) => this.headOf(words)));
    const body = make("tbody", {}, ...points.slice(0, this.rows).map((point) => this.line(point, columns)));
    this.table.lastElementChild.append(make("div", { className: "scrolling", tabIndex: 0, role: "region", "aria-label": "Table of the pictures" },
      make("table", {}, make("thead", {}, head), body)));
    if (points.length > this.rows) this.table.lastElementChild.append(this.more(points, body, columns));
  }

  // By the column whose head was pressed, numbers as numbers; else as the gallery is.
  sorted(points, columns) {
    const { app, by } = this, column = by && columns.find(([words]) => words === by.words);
    if (!column) return app.view.order === "selected" ? [...new Set([...app.selection(), ...points])] : this.ordered(points);
    const [, text] = column, texts = points.map((point) => [point, text(point)]), sign = by.down ? -1 : 1;
    const compared = new Intl.Collator(undefined, { numeric: true }).compare, number = (words) => Number(words.replace(/%$/, ""));
    const numbers = texts.every(([, words]) => words === "" || Number.isFinite(number(words))), compare = numbers ? (a, b) => number(a) - number(b) : compared;
    const missing = (words) => Number(words === ""); // last, whichever way
    return texts.sort((a, b) => missing(a[1]) - missing(b[1]) || sign * compare(a[1], b[1]) || a[0] - b[0]).map(([point]) => point);
  }

  // Sort by a column, the highest first; null: as the gallery is.
  /** @param {string | null} words */
  sortBy(words) {
    this.by = words === null ? null : { words, down: true };
    this.fillTable();
  }

  headOf(words) {
    const on = this.by && this.by.words === words, press = () => {
      this.by = on && this.by.down ? null : { words, down: Boolean(on) };
      this.fillTable();
      /** @type {NodeListOf<HTMLButtonElement>} */
      const heads = this.table.querySelectorAll("th button");
      [...heads].find((one) => one.value === words)?.focus();
    };
    const mark = on ? (this.by.down ? " ↓" : " ↑") : "", head = make("th", { scope: "col" }, button(words + mark, press, { value: words, title: `Sort by ${words}` }));
    if (on) head.setAttribute("aria-sort", this.by.down ? "descending" : "ascending");
    return head;
  }

  // The words above each column, and what it has for a point.
  columns() {
    const { data } = this.app, { ids, label, names, named } = data.spec;
    const percent = (name, map) => (point) => { const known = data.percent(name, map, point); return known === null ? "" : `${known}%`; };
    return /** @type {[string, (point: number) => string][]} */ ([
      ["name", (point) => ids[point]],
      ...(label ? [[label, (point) => data.kind(point)]] : []),
      ...data.columns.filter((column) => column.name !== label).map((column) => [column.name, (point) => data.text(column, point)]),
      ...names.map((name, map) => [named ? `${name}: neighbors kept` : "neighbors kept", percent("kept", map)]),
      ...(data.share("between", 0) ? [["shared", percent("between", 0)], ["moved", percent("moved", 0)]] : []),
    ]);
  }

  line(point, columns) {
    const box = make("input", { type: "checkbox", "aria-label": `select ${this.app.data.spec.ids[point]}`,
      checked: this.app.picked.has(point), on: { change: () => this.app.toggle(point) } });
    box.dataset.point = point;
    return make("tr", {}, make("td", {}, box), ...columns.map(([, words]) => make("td", {}, words(point))));
  }

  more(points, body, columns) {
    const press = () => {
      body.append(...points.slice(this.rows, this.rows + MOST_ROWS).map((point) => this.line(point, columns)));
      this.rows += MOST_ROWS;
      if (points.length <= this.rows) more.remove();
    };
    const more = button(`${MOST_ROWS} more`, press);
    return more;
  }

  // The table stays as it is when a box in it is used: the reader is in the middle of it.
  showSelection() {
    this.fillGallery();
    if (!this.table.contains(document.activeElement)) { this.fillTable(); return; }
    for (const box of this.table.querySelectorAll("input")) box.checked = this.app.picked.has(Number(box.dataset.point));
  }

  fillRecipe() {
    const { data } = this.app;
    const [view] = data.ownViews(), of = data.part && { ...data.part.settings, pictures: data.standing() }, map = view ? { method: OWN_AXES, x: view.x.words, y: view.y.words } : of || data.settings();
    this.recipe.textContent = JSON.stringify({ ...data.spec.card, map }, null, 1);
  }
}

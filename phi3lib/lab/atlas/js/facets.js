// A chart for each column beside the map: of numbers and dates how they spread, with a range to drag or to
// type; of texts the most frequent values, which a press adds to the filter. All charts follow all filters.

const MOST_BARS = 8, DAY = 86_400_000, CHART = [240, 44];

class Facets {
  constructor(app) {
    this.app = app;
    const { data } = app, useful = (column) => column.type !== "text" || (column.kinds.length > 1 && 2 * column.kinds.length <= data.count);
    this.facets = data.columns.filter(useful).map((column) => (column.type === "text" ? new ValueChart(app, column) : new RangeChart(app, column)));
    this.summary = make("summary", {});
    this.clear = button("Show all again", () => app.unlimit(), { className: "plain" });
    this.element = make("details", { className: "facets", on: { toggle: () => this.fill() } }, this.summary, this.clear, ...this.facets.map(({ element }) => element));
    if (!this.facets.length) this.element.style.display = "none";
    this.fill();
  }

  fill() {
    const { limits } = this.app.view;
    this.summary.textContent = limits.size ? `Columns: ${limits.size} limited` : "Columns: charts and limits";
    this.clear.style.display = limits.size ? "" : "none";
    if (this.element.open) this.facets.forEach((facet) => facet.fill());
  }
}

// The part that both kinds of chart have: a head with the way back.
class Facet {
  /** @param {App} app @param {Column} column */
  constructor(app, column) {
    this.app = app;
    this.column = column;
    this.reset = button("×", () => app.limit(column.name, null), { title: `All of ${column.name}`, "aria-label": `All of ${column.name}`, className: "remove" });
    this.head = make("div", { className: "facet-head" }, make("span", { className: "words" }, column.name), this.reset);
  }

  limit() { return this.app.view.limits.get(this.column.name); }
  passing() { const { data, view } = this.app; return passingOf(data.count, testsOf(data, view, this.column.name)); }
  showReset() { this.reset.style.visibility = this.limit() ? "" : "hidden"; }
}

class ValueChart extends Facet {
  constructor(app, column) {
    super(app, column);
    this.list = make("div", { className: "facet-values" });
    this.element = make("div", { className: "facet", role: "group", "aria-label": `Limit by ${column.name}` }, this.head, this.list);
  }

  fill() {
    const limit = this.limit(), codes = new Set(limit && "codes" in limit ? limit.codes : []), found = frequent(this.column, this.passing());
    const shown = found.filter(({ code }, n) => n < MOST_BARS || codes.has(code)), most = Math.max(...found.map(({ all }) => all), 1);
    const now = document.activeElement, focused = now instanceof HTMLButtonElement && this.list.contains(now) ? now.value : null;
    this.list.replaceChildren(...shown.map((one) => this.value(one, codes, most)), ...(found.length > shown.length ? [make("div", { className: "quiet" }, `and ${grouped(found.length - shown.length)} more`)] : []));
    if (focused !== null) [...this.list.querySelectorAll("button")].find((one) => one.value === focused)?.focus({ preventScroll: true });
    this.showReset();
  }

  value({ code, words, all, shown }, codes, most) {
    const on = codes.has(code), press = () => {
      const next = on ? [...codes].filter((one) => one !== code) : [...codes, code];
      this.app.limit(this.column.name, next.length ? { codes: next } : null);
    };
    const bar = make("span", { className: "bar", "aria-hidden": "true" }, make("span", { style: { width: `${(100 * all) / most}%` } }), make("span", { style: { width: `${(100 * shown) / most}%` } }));
    return make("button", { type: "button", value: String(code), "aria-pressed": String(on), title: `Show ${words}`, on: { click: press } },
      bar, make("span", { className: "words" }, words), make("span", { className: "count" }, shown === all ? grouped(all) : `${grouped(shown)} of ${grouped(all)}`));
  }
}

class RangeChart extends Facet {
  constructor(app, column) {
    super(app, column);
    const date = column.type === "date", end = (words) => make("input", { type: date ? "date" : "number", step: "any", "aria-label": `${column.name} ${words}`, on: { change: () => this.typed() } });
    this.from = end("from");
    this.to = end("to");
    this.canvas = make("canvas", { className: "chart", "aria-hidden": "true", on: { pointerdown: (event) => this.pressed(event), pointermove: (event) => this.dragged(event), pointerup: () => { this.drag = null; } } });
    this.element = make("div", { className: "facet", role: "group", "aria-label": `Limit by ${column.name}` }, this.head, this.canvas, make("div", { className: "ends" }, this.from, make("span", { "aria-hidden": "true" }, "–"), this.to));
  }

  fill() {
    this.chart = histogram(this.column, this.passing());
    this.element.style.display = this.chart ? "" : "none";
    if (!this.chart) return;
    const limit = this.limit(), { low, high } = limit && "low" in limit ? limit : this.chart;
    if (this.from !== document.activeElement) this.from.value = this.written(low);
    if (this.to !== document.activeElement) this.to.value = this.written(high);
    this.draw(low, high);
    this.showReset();
  }

  written(value) { return this.column.type === "date" ? dateText(value).slice(0, 10) : String(Number(value.toPrecision(6))); }

  // Bars of all pictures behind those of the shown ones; what is outside the range stands back.
  draw(low, high) {
    const { canvas, chart, app } = this, { ratio } = app, [width, height] = CHART, pen = canvas.getContext("2d"), most = Math.sqrt(Math.max(...chart.all, 1));
    [canvas.width, canvas.height] = [width * ratio, height * ratio];
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const wide = width / chart.all.length, styles = getComputedStyle(app.root), [back, front] = ["--line", "--accent"].map((name) => styles.getPropertyValue(name));
    const bar = (n, count, color) => { const tall = ((height - 2) * Math.sqrt(count)) / most; pen.fillStyle = color; pen.fillRect(n * wide, height - tall, Math.max(wide - 1, 1), tall); };
    chart.all.forEach((count, n) => {
      bar(n, count, back);
      const part = stretch(chart, (n + 0.25) / chart.all.length, (n + 0.75) / chart.all.length);
      if (part.high >= low && part.low <= high) bar(n, chart.shown[n], front);
    });
  }

  share(event) { const box = this.canvas.getBoundingClientRect(); return (event.clientX - box.left) / box.width; }

  pressed(event) {
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.drag = this.share(event);
    this.app.limit(this.column.name, null);
  }

  dragged(event) {
    if (this.drag === null || this.drag === undefined || Math.abs(this.share(event) - this.drag) < 0.015) return;
    this.app.limit(this.column.name, stretch(this.chart, this.drag, this.share(event)));
  }

  typed() {
    const date = this.column.type === "date", read = (input) => (input.value === "" ? NaN : date ? Date.parse(input.value) : Number(input.value));
    const low = read(this.from), high = date ? read(this.to) + DAY - 1 : read(this.to), { chart } = this;
    const limit = { low: Number.isFinite(low) ? low : chart.low, high: Number.isFinite(high) ? high : chart.high };
    this.app.limit(this.column.name, limit.low <= chart.low && limit.high >= chart.high ? null : limit);
  }
}

// @ts-check
// What colors and shapes mean, with counts; a press selects. It stands beside the map.

const MOST_KINDS = 60;

class Legend {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.title = make("div", { className: "legend-title" });
    this.list = make("div", { className: "legend-list" });
    this.notes = make("div", { className: "quiet" });
    this.element = make("div", { className: "legend", role: "group", "aria-label": "Legend" }, this.title, this.list, this.notes);
  }

  fill() {
    const { data, view } = this.app, coloring = data.coloring(view.color, 0) || null;
    const entries = coloring ? coloring.entries : [], shown = entries.slice(0, MOST_KINDS);
    this.coloring = coloring;
    this.title.textContent = coloring && entries.length ? coloring.title : "";
    this.buttons = shown.map((entry) => this.entry(entry));
    this.list.classList.toggle("wide", this.app.data.count >= 1000 || (Boolean(coloring) && !coloring.shaped));
    const more = entries.length > shown.length ? [`and ${entries.length - shown.length} more`] : [];
    this.list.replaceChildren(...this.buttons.map(({ element }) => element), ...more);
    this.notes.replaceChildren(...[...this.said(view.color, coloring), ...this.lined(view.contours), ...data.sample()].map((words) => make("p", {}, words)));
    this.count();
  }

  /** @param {string} measure @param {Coloring} coloring */
  said(measure, coloring) {
    const [first, second] = this.app.data.spec.names;
    if (!coloring) return ["not known for these parameters"];
    if (measure !== "moved") return [];
    return [`of the map's width. Lines on ${first} end where ${second} has the picture, its map turned, mirrored and scaled onto ${first}: ` +
      `the ${MOST_MOVES} that moved most, or those selected.`];
  }

  // What the lines on the map enclose.
  /** @param {string} contours */
  lined(contours) {
    if (contours === "none") return [];
    const shares = (contours === "all" ? ENCLOSED : ENCLOSED_OF_GROUPS).map((share) => `${100 * share}%`).join(", ");
    const whose = contours === "all" ? "the pictures" : `each group, the ${MOST_LINED} largest`;
    return [`Lines enclose the densest parts with ${shares} of ${whose} in and around the view.`];
  }

  entry(entry) {
    const mark = this.app.marks.sample(this.coloring, entry.code), count = make("span", { className: "count" });
    const press = (event) => this.app.select(this.points(entry), { how: this.app.how(event) });
    const element = make("button", { type: "button", className: "entry", title: `Select ${entry.words}; with Shift: add`, on: { click: press } }, mark, make("span", { className: "words" }, entry.words), count);
    return { entry, element, count };
  }

  points({ code, last }) {
    const { codes } = this.coloring;
    return range(this.app.data.count).filter((point) => codes[point] >= code && codes[point] <= last && !this.app.hidden(point));
  }

  // How many points each entry has, and of these how many are selected.
  count() {
    if (!this.coloring) return;
    const { app } = this, { codes, palette } = this.coloring, all = new Uint32Array(palette.length), picked = new Uint32Array(palette.length);
    for (let point = 0; point < app.data.count; point++) if (!app.hidden(point)) all[codes[point]] += 1;
    for (const point of app.picked) if (!app.hidden(point)) picked[codes[point]] += 1;
    const sum = (counts, { code, last }) => counts.slice(code, last + 1).reduce((a, b) => a + b, 0);
    for (const { entry, element, count } of this.buttons) {
      const [mine, chosen] = [sum(all, entry), sum(picked, entry)];
      count.textContent = app.picked.size ? `${grouped(chosen)} of ${grouped(mine)}` : grouped(mine);
      element.classList.toggle("none", app.picked.size > 0 && !chosen);
    }
  }
}

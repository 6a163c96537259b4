// @ts-check
// The address of an exported page: it follows what is shown, and a link to it shows the same again.

const SOON = 400;

class Address {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.given = new Set((app.model.get("selections") || []).map(([name]) => name)); // those that the file has
    this.quiet = !app.model.alone;
    this.seen = ""; // what the address said when it was last written or followed
  }

  having() {
    const { data, controls } = this.app, { spec } = data;
    return { all: spec.all, maps: spec.names.length, colors: controls.colors().map(([name]) => name), settings: spec.settings, axes: data.axisNames.map(([name]) => name),
      columns: data.columns.map(({ name }) => name), kinds: spec.kinds, sorts: Object.fromEntries(data.columns.map((column) => [column.name, column.kinds ? column.kinds.length : 0])), named: this.app.named.all().map(([name]) => name),
      queries: (spec.queries || []).map(({ text }) => text), distances: spec.layouts ? spec.layouts.curves.map(([distance]) => distance) : [], understood: (condition) => this.app.conditions.rows(condition) !== null };
  }

  /** @returns {Shown} */
  shown() {
    const { app } = this, { data, view, named } = app, rows = app.model.get("selected"), as = named.nameOf(rows), condition = app.conditions.text.value;
    const query = (data.spec.queries || []).find(({ text }) => text === app.found().text);
    return {
      color: view.color === "label" && !query ? undefined : view.color,
      query: query && query.text, condition, fits: app.conditions.selects(rows),
      settings: data.spec.settings.length > 1 ? data.settings() : undefined,
      axes: data.axes || undefined,
      anew: data.part ? { rows: data.part.points.map((point) => data.row(point)), settings: data.part.settings } : undefined,
      views: app.maps.every((one) => one.camera.atHome()) ? undefined : app.maps.map(({ camera }) => [camera.x, camera.y, camera.zoom]),
      text: view.filter, where: view.where,
      kind: view.kind < 0 ? undefined : view.kind,
      limits: [...view.limits], only: view.only ? [...view.only] : undefined,
      opened: view.opened < 0 ? undefined : data.row(view.opened),
      selected: rows, as,
      named: named.all().filter(([name]) => !this.given.has(name)),
    };
  }

  // Something has changed: the address says so soon, as browsers take few changes of it in a second. An address
  // that the reader has just changed is not overwritten: the browser tells of it in a moment.
  note() {
    if (this.quiet || this.waiting) return;
    this.waiting = setTimeout(() => { this.waiting = 0; if (location.hash === this.seen) this.write(linkOf(this.shown()).text); }, SOON);
  }

  write(text) {
    try {
      history.replaceState(null, "", `#${text}`);
      this.seen = location.hash;
    } catch {
      this.quiet = true; // within a frame that has no address of its own
    }
  }

  // Show what a link asks for; what this page does not have is left as it is.
  follow() {
    const { app } = this;
    if (!app.model.alone || location.hash === this.seen) return;
    this.seen = location.hash;
    if (app.layOut && app.layOut.working) app.layOut.end(); // what comes of it is no part of what the link shows
    const shown = shownBy(location.hash, this.having());
    if (shown.settings) app.change(shown.settings);
    if (shown.axes || app.data.views.length) app.placeBy(shown.axes || null);
    app.controls.take(shown);
    if (shown.named) app.named.take(shown.named);
    if (shown.condition !== undefined) app.conditions.write(shown.condition, null);
    const rows = shown.as === undefined ? shown.selected : app.named.rows(shown.as);
    if (rows) app.put(rows);
    if (shown.anew && app.layOut) app.layOut.make(shown.anew.rows, shown.anew.settings).then((made) => { if (made) this.look(shown); });
    else this.look(shown);
    if (shown.opened !== undefined && app.data.point(shown.opened) !== undefined) app.open(app.data.point(shown.opened));
  }

  // What depends on the map that is shown: what is in view, and what a condition selects.
  /** @param {Shown} shown */
  look({ views = [], fits, condition }) {
    const { app } = this;
    views.forEach(([x, y, zoom], n) => app.maps[n].camera.copy({ x, y, zoom }));
    app.redraw();
    if (!fits) return;
    const rows = app.conditions.rows(condition) || [];
    app.conditions.write(condition, rows);
    app.put(rows);
  }

  copy() {
    const { text, left } = linkOf(this.shown());
    this.write(text);
    copied(this.app.root, location.href.split("#")[0] + `#${text}`);
    const without = left.length ? `, without ${left.join(" and ")}: too large for a link; use “Save CSV” for it` : "";
    this.app.say(`Link to this view copied${without}`);
  }
}

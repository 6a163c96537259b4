// @ts-check
// One picture, large, beside the map: what is known of it, its true neighbors and those of each map as
// pictures, torn ones marked.

const SIDE = 200, NEAR = 46;

class Detail {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.element = make("div", { className: "detail", role: "region", "aria-label": "The picture that was opened" });
    this.fill();
  }

  fill() {
    const { app } = this, point = app.view.opened;
    if (point < 0) {
      const words = "Click a picture, or press Enter on it: it opens here, with its true neighbors and those on the map.";
      this.element.replaceChildren(make("p", { className: "quiet" }, words));
      return;
    }
    const picture = app.pictures.whole(point, SIDE);
    this.element.replaceChildren(...this.head(point), ...(picture ? [picture] : []), ...this.source(point),
      ...this.neighborhoods(point), this.facts(point));
  }

  /** @param {number} point */
  head(point) {
    const name = this.app.data.spec.ids[point];
    const close = button("×", () => this.app.open(-1), { title: "Close", "aria-label": "Close the picture", className: "close" });
    return [make("div", { className: "detail-head" }, make(this.app.smaller, { className: "name" }, name), close)];
  }

  // The way to the picture itself: a file beside an exported page, in a notebook all its pixels.
  /** @param {number} point */
  source(point) {
    const { app } = this, { large } = app.data.spec, file = app.pictures.file(point);
    if (file) return [make("a", { className: "file", href: file, target: "_blank", rel: "noopener" }, "Open the file")];
    return large && !app.model.alone ? [button("Full size", () => app.pictures.openWhole(point), { className: "file", title: "Open the picture with all its pixels in a new tab" })] : [];
  }

  /** @param {number} point */
  facts(point) {
    const { data } = this.app, { label } = data.spec;
    const rows = [
      ...(label ? [[label, data.kind(point)]] : []),
      ...data.columns.filter((column) => column.name !== label).map((column) => [column.name, data.text(column, point)]),
      ["row", grouped(data.row(point))],
    ];
    return make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  }

  /** @param {number} point */
  neighborhoods(point) {
    const { data, maps } = this.app;
    return data.part && !data.has(point) ? [make("p", { className: "quiet" }, "This picture is not on this new map.")] : maps.map((one) => this.neighbors(one, point));
  }

  /** @param {MapView} one @param {number} point */
  neighbors(one, point) {
    const { app } = this, { truth, shown, torn, strangers } = neighborhoodOf(app, one, point), alone = app.maps.length === 1;
    const kept = truth.length - torn.size, on = alone ? "" : ` · ${one.name}`;
    const row = (words, points, marked, said) => [
      make("div", { className: "row-title" }, words),
      make("div", { className: "thumbs" }, ...points.map((other) => this.neighbor(one, other, marked.has(other), said))),
    ];
    return make("section", {},
      ...row(`True neighbors${app.data.among()}${on}: ${kept} of ${truth.length} near on the map`, truth, torn, "torn: far away on the map"),
      button("Select it with its true neighbors", (event) => app.select([point, ...truth], { how: app.how(event) }), { className: "plain" }),
      ...row(`Neighbors on the map${on}: ${shown.length - strangers.size} of ${shown.length} true`, shown, strangers, "not a true neighbor"));
  }

  neighbor(one, other, marked, said) {
    const { app } = this, name = app.data.spec.ids[other], picture = app.pictures.thumb(other, NEAR), cosine = app.data.cosine(one.map, app.view.opened, other);
    const title = [name, ...(cosine ? [`cosine ${cosine}`] : []), ...(marked ? [said] : [])].join(", ");
    const press = () => { app.open(other); if (one.camera.reveal(one.now[2 * other], one.now[2 * other + 1])) one.moved(); };
    const hover = { pointerenter: () => app.look(one, other, { aloud: false, tip: false }), pointerleave: () => app.look(one, -1) };
    return make("button", { type: "button", className: marked ? "near marked" : "near", title, "aria-label": title, on: { click: press, ...hover } },
      picture || make("span", { className: "short" }, name), cosine && make("span", { className: "cosine" }, cosine));
  }
}

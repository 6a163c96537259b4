// @ts-check
// One map on its canvas. Two layers: the points with pictures and names, which is kept, and on top what follows
// the pointer; so hovering draws few things only.

const REACH = 16, GLIDE = 350, MOST_MOVES = 10, TIP = 190, LONGEST = 90, PICTURE = 44, MOST_PICTURES = 240, MOST_IN_MOTION = 400, LEAST_PICTURE = 10, MANY = 3_000, IN_MOTION = 50_000, REST = 150;
const KEYS_SAID = "Arrows: to the neighbor in that direction; with Shift: move the map. N and P: next and previous picture in view. " +
  "Plus and minus: zoom; 0: whole map. Enter: select and open. Shift and Enter: add or take away. Control and Z: undo. Escape: clear.";

class MapView {
  /** @param {App} app @param {number} map */
  constructor(app, map) {
    this.app = app;
    this.map = map;
    this.name = app.data.spec.names[map];
    this.camera = new Camera();
    /** @type {number[][]} of each picture that is shown: middle across, middle down, side, point */
    this.shown = [];
    this.names = /** @type {{across: number, down: number, wide: number, kind: number}[]} */ ([]);
    this.moveTo(app.data.target(map));
    this.called = app.data.spec.named ? `Map ${this.name}` : "Map";
    this.title = make(app.heading, { className: "title" });
    const keys = make("span", { hidden: true, id: `phi3lib-keys-${Math.random().toString(36).slice(2)}`, textContent: KEYS_SAID });
    this.canvas = make("canvas", { tabIndex: 0, role: "application", "aria-describedby": keys.id });
    this.tip = make("div", { className: "phi3lib-tip tip", style: { display: "none" } });
    this.frame = make("div", { className: "frame" }, this.canvas, keys, this.zoomButtons(this.called), this.tip);
    this.box = make("section", { className: "map", "aria-label": this.called }, this.title, this.frame);
    this.base = make("canvas");
  }

  zoomButtons(named) {
    const act = (words, title, click) => button(words, () => { click(); this.moved(); }, { title, "aria-label": `${title}: ${named}` });
    return make("div", { className: "zoom" },
      act("+", "Zoom in", () => this.camera.zoomBy(1.6)), act("−", "Zoom out", () => this.camera.zoomBy(1 / 1.6)),
      act("⌂", "Whole map", () => this.camera.home()), this.fullScreen(named), this.saving(named));
  }

  // Not in every frame a page may fill the screen.
  fullScreen(named) {
    const press = () => (document.fullscreenElement ? document.exitFullscreen() : this.frame.requestFullscreen().catch(() => this.app.say("The browser does not allow a full screen here")));
    return document.fullscreenEnabled ? button("⤢", press, { title: "Full screen", "aria-label": `Full screen: ${named}` }) : "";
  }

  saving(named) {
    const press = () => this.canvas.toBlob((blob) => saveBlob(`${this.name}.png`, blob));
    return button("↓", press, { title: "Save what is shown as a picture", "aria-label": `Save as a picture: ${named}` });
  }

  // Canvases of as many pixels as the screen shows: anew when the page is zoomed or the map resized.
  fit() {
    const { ratio } = this.app, { clientWidth, clientHeight } = this.canvas, seen = clientWidth > 0 && clientHeight > 0;
    if (!seen && this.raster) return false; // off the page for a while, as JupyterLab does with cells out of view
    const [width, height] = seen ? [clientWidth, clientHeight] : [600, 400];
    const sizes = /** @type {const} */ ([Math.round(width * ratio), Math.round(height * ratio)]);
    if (sizes[0] === this.canvas.width && sizes[1] === this.canvas.height && this.raster) return false;
    for (const layer of [this.canvas, this.base]) [layer.width, layer.height] = sizes;
    Object.assign(this.camera, { width, height });
    this.raster = new Raster(...sizes);
    return true;
  }

  // ---------------------------------------------------------------------------------------- places

  moveTo(places) {
    this.now = places;
    this.index = null;
    this.camera.margin = this.app.data.axes ? MARGIN_OF_AXES : MARGIN;
    this.camera.frame(places);
  }

  grid() { return (this.index = this.index || new PointGrid(this.now)); }
  x(point, places = this.now) { return this.camera.across(places[2 * point]); }
  y(point, places = this.now) { return this.camera.down(places[2 * point + 1]); }

  place(event) {
    const rect = this.canvas.getBoundingClientRect();
    return [event.clientX - rect.left, event.clientY - rect.top];
  }

  // The point at a place: of a picture that is shown there, else the nearest.
  nearest(at, reach = REACH) {
    const over = this.shown.findLast(([across, down, side]) => Math.abs(across - at[0]) <= side / 2 && Math.abs(down - at[1]) <= side / 2);
    if (over && !this.app.hidden(over[3])) return over[3];
    const [x, y] = this.camera.place(at);
    return this.grid().nearest(x, y, reach / this.camera.scale(), (point) => !this.app.hidden(point));
  }

  // The kind whose name is written at a place; -1 where there is none.
  /** @param {number[]} at */
  nameAt([across, down]) {
    const found = this.names.find((box) => Math.abs(box.across - across) < box.wide - 4 && Math.abs(box.down - down) < 9);
    return found ? found.kind : -1;
  }

  // All that have a kind whose name is written.
  /** @param {number} kind */
  ofName(kind) { return range(this.app.data.count).filter((point) => this.naming && this.naming.codes[point] === kind && !this.app.hidden(point)); }

  // All that stand where this one does, in their order: equal pictures do.
  together(point) {
    const here = [this.now[2 * point], this.now[2 * point + 1]];
    return this.grid().closest(here[0], here[1], 1000, 0, (other) => !this.app.hidden(other)).sort((a, b) => a - b);
  }

  within(inside) {
    return range(this.app.data.count).filter((point) => !this.app.hidden(point) && inside(this.x(point), this.y(point)));
  }

  inView(point) {
    const across = this.x(point), down = this.y(point);
    return across >= 0 && down >= 0 && across <= this.camera.width && down <= this.camera.height;
  }

  // The next picture in view, line by line from the top: so the keys reach each, however close they stand.
  beside(point, step) {
    const seen = this.within((across, down) => across >= 0 && down >= 0 && across <= this.camera.width && down <= this.camera.height);
    const order = seen.sort((a, b) => this.now[2 * b + 1] - this.now[2 * a + 1] || this.now[2 * a] - this.now[2 * b] || a - b);
    const at = order.indexOf(point);
    return order.length ? order[(at + step + order.length) % order.length] : point;
  }

  // The camera has moved: here, and in the other maps where they move together.
  moved() {
    this.hideTip();
    this.rest();
    if (this.app.view.together) for (const one of this.app.maps) if (one !== this) { one.camera.copy(this.camera); one.later(); }
    this.later();
  }

  later() { this.app.later("points", this); }

  // Of very many points, a sample is drawn while the map moves, and what stands for crowds of them is counted
  // anew when it rests: so each frame is drawn in time.
  rest() {
    if (this.app.data.count <= MANY && !this.app.view.everywhere) return;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => { this.resting = 0; this.later(); }, REST);
  }

  counted(name, count) {
    this.counts = this.counts || {};
    if (!this.resting || !this.counts[name]) this.counts[name] = count();
    return this.counts[name];
  }

  // ---------------------------------------------------------------------------------------- the kept layer

  retitle() {
    const { data, view } = this.app, trust = data.worth(this.map), found = this.app.found();
    const through = found.rows && this.name !== found.through ? ` · text placed through ${found.through}` : "";
    const name = data.spec.named ? this.name : data.how(), axes = data.axes ? `, ${scalesSaid(data.ownViews()[this.map])}` : "", alone = data.part ? `${grouped(data.standing())} pictures alone` : "";
    this.title.textContent = `${name}${data.spec.named && alone ? ` · ${alone}` : ""} · ${trust}${through}`;
    this.canvas.setAttribute("aria-label", `${this.called} of ${alone || `${data.count} pictures`}${axes}`);
    this.laid = view.color === "moved" && data.share("moved", 0) && this.map === 0 ? laidOnto(data.target(1), data.target(0)) : null;
  }

  drawPoints() {
    this.fit();
    this.app.pictures.sheets.begin();
    const { app, raster, camera } = this, { data, marks, ratio } = app, pen = this.base.getContext("2d");
    const coloring = data.coloring(app.view.color, this.map) || data.coloring("label", this.map);
    const radius = marks.radius(camera.zoom), all = marks.alpha(camera, radius);
    const [order, many] = this.resting ? sampled(app.order, IN_MOTION, all) : [app.order, all];
    const common = { order, places: this.now, camera, ratio, codes: coloring.codes, chosen: app.states() };
    const styles = marks.styles(coloring, radius, ratio), picking = app.picked.size > 0;
    raster.clear(app.ink().paper);
    this.drawShade();
    if (app.passing) raster.paint({ ...common, styles, alpha: AWAY, wanted: 2 });
    raster.paint({ ...common, styles, alpha: app.picked.size > 1 ? FAINT : many, wanted: 0 });
    if (picking) raster.paint({ ...common, order: app.order, styles: marks.styles(coloring, radius + 0.6, ratio), alpha: Math.max(all, 0.9), wanted: 1 });
    raster.show(pen);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (app.view.fog) drawFog(this, pen);
    if (app.view.contours !== "none") drawContours(this, pen, coloring);
    this.drawRings(pen, radius);
    this.decorate(pen, coloring);
    this.moves = this.laid ? moversOf(app) : [];
    // What is in view, and whether it stays, for what looks at the page from outside.
    Object.assign(this.canvas.dataset, { zoom: camera.zoom.toFixed(3), middle: `${camera.x.toFixed(4)} ${camera.y.toFixed(4)}`, pictures: this.shown.length, names: this.names.length, sheets: this.app.pictures.sheets.held.size, decoded: this.app.pictures.sheets.decoded, moving: Boolean(this.app.moving || this.resting) });
    this.drawOver();
    this.app.address.note();
  }

  // A few selected points have rings, too; of many, all others stand back.
  drawRings(pen, radius) {
    if (this.app.picked.size > MOST_RINGED) return;
    for (const point of this.app.picked) ringAt(pen, this.x(point), this.y(point), radius + 3, HERE, 2);
  }

  // How many of all pictures stand where, behind a sample of them.
  drawShade() {
    const { data, ratio } = this.app, { raster, camera } = this;
    if (!data.shade.length || data.views.length) return;
    const maps = data.maps * data.spec.settings.length, cells = Math.round(Math.sqrt(data.shade.length / maps));
    const start = (this.map * data.spec.settings.length + data.chosen) * cells * cells, paint = channels(this.app.theming().shade), pixels = raster.image.data;
    for (let down = 0; down < raster.height; down++) {
      for (let across = 0; across < raster.width; across++) {
        const [x, y] = camera.place([across / ratio, down / ratio]);
        if (x < 0 || y < 0 || x >= 1 || y >= 1) continue;
        const share = data.shade[start + Math.floor(y * cells) * cells + Math.floor(x * cells)] / 255, at = 4 * ((down + raster.room) * raster.stride + across + raster.room);
        for (let part = 0; share && part < 3; part++) pixels[at + part] += (paint[part] - pixels[at + part]) * share;
      }
    }
  }

  // Pictures and names over the points.
  decorate(pen, coloring) {
    const { view, pictures, data } = this.app;
    [this.shown, this.names] = [[], []];
    if (view.pictures && pictures.any) this.drawPictures(pen, coloring);
    this.naming = view.names ? data.naming(view.words, coloring) : null;
    if (this.naming) writeNames(this, pen, this.naming);
    if (data.axes) drawScales(this, pen, data.ownViews()[this.map]);
  }

  // Every picture in view, smaller where they are many; in an order by chance, and while the map moves the first of it.
  drawAll(pen, coloring) {
    const { app, camera } = this, { width, height } = camera, usual = PICTURE * app.view.size;
    const seen = this.counted("all", () => inViewOf(camera, this.now, (point) => this.behind(point), app.order));
    const side = Math.max(Math.min(Math.sqrt((0.7 * width * height) / Math.max(seen.length, 1)) * app.view.size, usual), LEAST_PICTURE), small = app.pictures.tooMany(seen);
    for (const point of this.resting ? seen.slice(0, MOST_IN_MOTION) : seen) this.drawPicture(pen, point, { side, small, color: this.colorOf(point, coloring) });
  }

  // Hidden by a filter, or not selected while several are: around a single one, which has its ring, all stay.
  behind(point) { return this.app.hidden(point) || (this.app.picked.size > 1 && !this.app.picked.has(point)); }

  colorOf(point, { codes, palette }) { return this.app.marks.color(palette[Math.min(codes[point], palette.length - 1)]); }

  // The first of each cell where most have room or the map is zoomed in, else only where no cell around has more.
  drawPictures(pen, coloring) {
    const { app, camera } = this;
    if (app.view.everywhere) { this.drawAll(pen, coloring); return; }
    const usual = PICTURE * app.view.size, found = this.counted("pictures", () => crowds(camera, this.now, app.order, usual, (point) => this.behind(point))), inView = found.reduce((sum, { count }) => sum + count, 0);
    const apart = inView <= MOST_PICTURES && 2 * found.length >= inView; // there is room for most of them
    const all = apart || camera.zoom >= 6, side = all ? usual : usual * 0.7, taken = [];
    for (const { point, count, top } of found) {
      if (!all && (!top || count < 3)) continue;
      const across = this.x(point), down = this.y(point), room = all ? side + 2 : 2.2 * side;
      if (taken.some(([x, y]) => Math.abs(x - across) < room && Math.abs(y - down) < room)) continue;
      taken.push([across, down]);
      if (taken.length > MOST_PICTURES) break;
      this.drawPicture(pen, point, { side, color: this.colorOf(point, coloring) });
    }
  }

  drawPicture(pen, point, { side, color, small = false }) {
    const [width, height] = this.app.pictures.size(point, side), across = this.x(point), down = this.y(point);
    if (!this.app.pictures.draw(pen, point, across, down, side, small)) return;
    this.shown.push([across, down, side, point]);
    pen.lineWidth = side < 24 ? 1 : 2;
    pen.strokeStyle = this.app.picked.has(point) ? HERE : color;
    pen.strokeRect(across - width / 2 - 1, down - height / 2 - 1, width + 2, height + 2);
  }

  // ---------------------------------------------------------------------------------------- what follows the pointer

  drawOver() {
    const { view, ratio } = this.app, pen = this.canvas.getContext("2d"), { line } = this.app.ink();
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(this.base, 0, 0);
    pen.scale(ratio, ratio);
    const open = view.focus >= 0 ? view.focus : view.opened;
    if (open >= 0 && (view.lines || view.opened >= 0)) this.drawLines(pen, line, open);
    this.drawMoves(pen, line);
    if (open >= 0) ringAt(pen, this.x(open), this.y(open), this.app.marks.radius(this.camera.zoom) + 6, line, 2);
    if (this.app.found().rows) this.drawStar(pen, line);
    if (view.drag && view.drag.one === this && view.drag.path) this.drawDrag(pen);
  }

  // From a picture to its true neighbors; torn ones, which the map has put elsewhere, dashed.
  drawLines(pen, line, from) {
    if (!this.app.view.lines) return;
    const { torn } = neighborhoodOf(this.app, this, from);
    for (const other of this.app.data.neighbors(this.map, from)) {
      pen.setLineDash(torn.has(other) ? [4, 3] : []);
      this.stroke(pen, line, [this.x(from), this.y(from)], [this.x(other), this.y(other)]);
      ringAt(pen, this.x(other), this.y(other), this.app.marks.radius(this.camera.zoom) + 2, line, 1);
    }
    pen.setLineDash([]);
  }

  // From where a picture stands to where the second map has it, laid onto this one.
  drawMoves(pen, line) {
    for (const point of this.moves || []) {
      const there = [this.x(point, this.laid), this.y(point, this.laid)];
      this.stroke(pen, line, [this.x(point), this.y(point)], there);
      pen.fillStyle = line;
      pen.fillRect(there[0] - 3, there[1] - 3, 6, 6);
    }
  }

  stroke(pen, color, from, to) {
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.strokeStyle = color;
    pen.lineWidth = 1.2;
    pen.stroke();
  }

  // The text's place: the mean of its nearest pictures' places by their cosines; the ring is their spread.
  drawStar(pen, line) {
    const { rows, cosines } = this.app.found();
    const there = rows.map((row, n) => [this.app.data.point(row), Math.max(cosines[n], 0.001)]).filter(([point]) => point !== undefined && this.now[2 * point] === this.now[2 * point]);
    if (!there.length) return;
    const total = there.reduce((sum, [, weight]) => sum + weight, 0);
    const mean = (of) => there.reduce((sum, [point, weight]) => sum + weight * of(point), 0) / total;
    const across = mean((point) => this.x(point)), down = mean((point) => this.y(point));
    const spread = Math.sqrt(mean((point) => (this.x(point) - across) ** 2 + (this.y(point) - down) ** 2));
    ringAt(pen, across, down, Math.max(spread, 8), line, 1.5);
    pen.save();
    pen.translate(across, down);
    outline(pen, 7, 11);
    [pen.fillStyle, pen.strokeStyle, pen.lineWidth] = [STAR, PALETTE.black, 1.5];
    pen.fill();
    pen.stroke();
    pen.restore();
  }

  drawDrag(pen) {
    const { path, from, tool } = this.app.view.drag, [endX, endY] = path[path.length - 1];
    pen.beginPath();
    if (tool === "rectangle") pen.rect(from[0], from[1], endX - from[0], endY - from[1]);
    else path.forEach(([across, down]) => pen.lineTo(across, down));
    pen.closePath();
    [pen.fillStyle, pen.strokeStyle, pen.lineWidth] = [PALETTE.hereVeil, HERE, 1.5];
    pen.fill();
    pen.stroke();
  }

  // ---------------------------------------------------------------------------------------- the tip

  hideTip() { this.tip.style.display = "none"; }

  showTip(point) {
    const { tip, canvas } = this, [name, ...rest] = this.app.data.lines(point), picture = this.app.pictures.thumb(point, 96);
    const same = this.together(point).length - 1, crowd = same > 0 ? [`${same} more stand${same > 1 ? "" : "s"} at this very place; a lasso takes all, N goes from one to the next`] : [];
    const short = name.length > LONGEST ? `${name.slice(0, LONGEST / 2)}…${name.slice(-LONGEST / 2)}` : name;
    Object.assign(tip.style, { display: "block", width: `${Math.min(TIP, canvas.clientWidth)}px`, maxHeight: `${canvas.offsetHeight}px` });
    tip.replaceChildren(...(picture ? [picture] : []), make("strong", {}, short), ...[...rest, ...crowd].map((words) => make("div", {}, words)));
    tip.style.left = `${beside(this.x(point), tip.offsetWidth, canvas.clientWidth)}px`;
    tip.style.top = `${beside(this.y(point), tip.offsetHeight, canvas.clientHeight)}px`;
  }
}

// Where a tip begins along one side: behind the point, or before it where there is more room; never outside.
function beside(at, length, room) {
  const behind = at + 14, before = at - 14 - length;
  if (behind + length <= room) return Math.max(behind, 0);
  return before >= 0 ? Math.min(before, room - length) : Math.max(room - length, 0);
}

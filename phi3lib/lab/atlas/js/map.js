// Part 2 of 5: one map on its canvas. Three layers: the points, the points with the selection's rings, and
// on top what follows the pointer; the first two are kept, so that hovering draws few things only. Points are
// stamped pixel by pixel: for 20,000 of them a tenth of the time that the canvas takes without a graphics card.

const MARGIN = 16, REACH = 14, GLIDE = 350, MOST_MOVES = 10, TIP = 170, LONGEST = 90, HERE = "#D55E00", STAR = "#F0E442";
const MAGNITUDE = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const CORNERS = { 1: [4, Math.PI / 4], 2: [3, -Math.PI / 2], 3: [4, 0], 4: [3, Math.PI / 2] };

// Eight shapes beside eight colours, as everywhere in the course: never colour alone.
function outline(pen, shape, radius) {
  const spokes = (count, turn, inner) => {
    for (let n = 0; n < count; n++) {
      const angle = turn + (n * 2 * Math.PI) / count, length = n % 2 ? inner : radius;
      pen.lineTo(length * Math.cos(angle), length * Math.sin(angle));
    }
  };
  pen.beginPath();
  if (shape === 0) pen.arc(0, 0, radius * 0.85, 0, 7);
  else if (CORNERS[shape]) spokes(...CORNERS[shape], radius);
  else if (shape === 7) spokes(10, -Math.PI / 2, radius * 0.45);
  else cross(pen, radius, shape === 6 ? Math.PI / 4 : 0);
  pen.closePath();
}

function cross(pen, radius, turn) {
  const thick = 0.35 * radius, arm = [[radius, -thick], [radius, thick], [thick, thick]];
  for (let quarter = 0; quarter < 4; quarter++) {
    const cosine = Math.cos(turn + (quarter * Math.PI) / 2), sine = Math.sin(turn + (quarter * Math.PI) / 2);
    for (const [across, down] of arm) pen.lineTo(across * cosine - down * sine, across * sine + down * cosine);
  }
}

// What paints points: small canvases made once for each label or share, anew for another theme or zoom.
class Marks {
  constructor(app) {
    this.app = app;
    this.radius = app.data.count <= 500 ? 5 : app.data.count <= 3000 ? 3.5 : 2.2;
  }

  prepare() {
    const { data, view } = this.app, { colours, kinds } = data.spec;
    const seen = colours.map((colour) => (colour === "#000000" && this.app.dark() ? "#ffffff" : colour));
    this.images = view.colour === "label"
      ? kinds.map((_, n) => this.stamp((pen) => this.mark(pen, seen[n % 8], (n + Math.floor(n / 8)) % 8)))
      : MAGNITUDE.map((colour) => this.stamp((pen) => this.mark(pen, colour, 0)));
    this.ring = this.stamp((pen) => ringAt(pen, 0, 0, this.radius + 3, HERE, 2), 5);
  }

  stamp(draw, room = 1.5) {
    const { ratio } = this.app, side = Math.ceil((this.radius + room) * 2 * ratio), canvas = make("canvas", { width: side, height: side });
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, side / 2, side / 2);
    draw(pen);
    canvas.pixels = pen.getImageData(0, 0, side, side).data;
    return canvas;
  }

  mark(pen, colour, shape) {
    outline(pen, shape, this.radius);
    pen.fillStyle = colour;
    pen.fill();
    pen.lineWidth = this.radius > 3 ? 0.8 : 0.5;
    pen.strokeStyle = this.app.ink().edge;
    pen.stroke();
  }

  // For each point of a map its image.
  of(map) {
    const { data, view } = this.app;
    if (view.colour === "label") return (point) => this.images[data.spec.codes[point]];
    const values = data.share(view.colour, map);
    return (point) => this.images[values ? Math.min(Math.floor(values[point] / 10), 9) : 0];
  }
}

// Put an image's pixels around a place; all places keep so far from the edges that none falls outside.
function stampOn({ data, width }, { pixels, width: side }, across, down, alpha) {
  const left = Math.round(across - side / 2), top = Math.round(down - side / 2);
  for (let line = 0; line < side; line++) {
    let to = 4 * ((top + line) * width + left);
    for (let from = 4 * line * side, end = from + 4 * side; from < end; from += 4, to += 4) {
      const share = (pixels[from + 3] * alpha) / 255;
      if (!share) continue;
      data[to] += (pixels[from] - data[to]) * share;
      data[to + 1] += (pixels[from + 1] - data[to + 1]) * share;
      data[to + 2] += (pixels[from + 2] - data[to + 2]) * share;
    }
  }
}

function ringAt(pen, across, down, radius, colour, width) {
  pen.beginPath();
  pen.arc(across, down, radius, 0, 7);
  pen.lineWidth = width;
  pen.strokeStyle = colour;
  pen.stroke();
}

class MapView {
  constructor(app, map) {
    Object.assign(this, { app, map, name: app.data.spec.names[map], side: app.data.maps === 1 ? 560 : 400 });
    this.now = Float32Array.from(app.data.target(map));
    this.title = make(app.heading, { style: "font-size:1em;margin:.3em 0" });
    this.canvas = make("canvas", { tabIndex: 0, role: "application", "aria-label": `Map ${this.name} of ${app.data.count} pictures. ` +
      "Arrows: to the neighbour in that direction. Enter: select. Shift and Enter: add. Escape: clear.",
      style: `width:${this.side}px;max-width:100%;touch-action:pinch-zoom;cursor:crosshair;border:1px solid #767676;border-radius:4px;display:block;box-sizing:border-box` });
    this.tip = make("div", { className: "phi3lib-tip", style: "position:absolute;display:none;pointer-events:none;z-index:5;padding:6px;overflow:hidden;" +
      "box-sizing:border-box;border:1px solid #767676;border-radius:4px;font-size:.8em;line-height:1.3;overflow-wrap:anywhere" });
    this.box = make("div", { style: `position:relative;width:${this.side}px;max-width:100%` }, this.title, this.canvas, this.tip);
    this.base = make("canvas");
    this.picked = make("canvas");
    this.fit();
  }

  // Canvases of as many pixels as the screen shows: anew when the page is zoomed.
  fit() {
    for (const layer of [this.canvas, this.base, this.picked]) layer.width = layer.height = Math.round(this.side * this.app.ratio);
  }

  // ---------------------------------------------------------------------------------------- places

  x(point, places = this.now) { return MARGIN + (places[2 * point] / GRID) * (this.side - 2 * MARGIN); }
  y(point, places = this.now) { return this.side - MARGIN - (places[2 * point + 1] / GRID) * (this.side - 2 * MARGIN); }

  place(event) {
    const rect = this.canvas.getBoundingClientRect();
    return [((event.clientX - rect.left) / rect.width) * this.side, ((event.clientY - rect.top) / rect.height) * this.side];
  }

  nearest([across, down], reach = REACH) {
    let best = -1, least = reach * reach;
    for (let point = 0; point < this.app.data.count; point++) {
      const distance = (this.x(point) - across) ** 2 + (this.y(point) - down) ** 2;
      if (distance < least && !this.app.hidden(point)) [best, least] = [point, distance];
    }
    return best;
  }

  // The nearest point in the quarter of the plane that an arrow points to; the same one where there is none.
  towards(from, [dx, dy]) {
    let best = from, least = Infinity;
    for (let point = 0; point < this.app.data.count; point++) {
      if (point === from || this.app.hidden(point)) continue;
      const across = this.x(point) - this.x(from), down = this.y(point) - this.y(from);
      const along = across * dx + down * dy, aside = Math.abs(across * dy + down * dx), far = Math.hypot(across, down);
      if (along > 0.01 && aside <= along && far < least) [best, least] = [point, far];
    }
    return best;
  }

  // How many others stand where this one does: equal pictures do.
  together(point) {
    const [across, down] = [this.now[2 * point], this.now[2 * point + 1]];
    let same = -1;
    for (let n = 0; n < this.now.length; n += 2) if (this.now[n] === across && this.now[n + 1] === down) same += 1;
    return same;
  }

  within(inside) {
    return range(this.app.data.count).filter((point) => !this.app.hidden(point) && inside(this.x(point), this.y(point)));
  }

  // ---------------------------------------------------------------------------------------- layers

  draw() {
    const { data, view } = this.app, trust = data.spec.trust_words[this.map][data.chosen];
    const through = this.app.found().rows && this.name !== this.app.found().through ? ` · text placed through ${this.app.found().through}` : "";
    this.title.textContent = `${this.name} · ${trust}${through}`;
    this.laid = view.colour === "moved" && this.map === 0 ? laidOnto(data.target(1), data.target(0)) : null;
    this.drawPoints();
  }

  drawPoints() {
    const { data, marks } = this.app, pen = this.base.getContext("2d", { willReadFrequently: true });
    pen.fillStyle = this.app.ink().paper;
    pen.fillRect(0, 0, this.base.width, this.base.height);
    this.drawShade(pen);
    this.stampAll(pen, pen, range(data.count), marks.of(this.map));
    this.drawPicked();
  }

  // What one layer shows, and these points on it, on another layer or the same.
  stampAll(from, to, points, image) {
    const { ratio } = this.app, pixels = from.getImageData(0, 0, this.base.width, this.base.height);
    for (const point of points) stampOn(pixels, image(point), this.x(point) * ratio, this.y(point) * ratio, this.app.hidden(point) ? 0.1 : 1);
    to.putImageData(pixels, 0, 0);
  }

  // How many of all pictures stand where, behind a sample of them.
  drawShade(pen) {
    const { data, ratio } = this.app;
    if (!data.shade.length) return;
    const maps = data.maps * data.spec.settings.length, cells = Math.round(Math.sqrt(data.shade.length / maps));
    const start = (this.map * data.spec.settings.length + data.chosen) * cells * cells;
    const step = ((this.side - 2 * MARGIN) / cells) * ratio;
    pen.fillStyle = this.app.dark() ? "#6a6a6a" : "#b8b8b8";
    for (let cell = 0; cell < cells * cells; cell++) {
      pen.globalAlpha = data.shade[start + cell] / 255;
      if (!pen.globalAlpha) continue;
      const line = Math.floor(cell / cells) + 1;
      pen.fillRect(MARGIN * ratio + (cell % cells) * step, (this.side - MARGIN) * ratio - line * step, step + 1, step + 1);
    }
    pen.globalAlpha = 1;
  }

  drawPicked() {
    const { marks } = this.app;
    this.stampAll(this.base.getContext("2d"), this.picked.getContext("2d"), this.app.selection(), () => marks.ring);
    this.moves = this.laid ? this.app.movers() : [];
    this.drawOver();
  }

  drawOver() {
    const { view, marks, ratio } = this.app, pen = this.canvas.getContext("2d"), { line } = this.app.ink();
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(this.picked, 0, 0);
    pen.scale(ratio, ratio);
    if (view.lines) this.drawLines(pen, line);
    this.drawMoves(pen, line);
    if (view.focus >= 0) ringAt(pen, this.x(view.focus), this.y(view.focus), marks.radius + 6, line, 2);
    if (this.app.found().rows) this.drawStar(pen, line);
    if (view.drag && view.drag.one === this) this.drawDrag(pen);
  }

  // From the picture that is looked at, or the only one selected, to its true neighbours.
  drawLines(pen, line) {
    const picked = this.app.selection(), { focus } = this.app.view;
    const from = focus >= 0 ? focus : picked.length === 1 ? picked[0] : -1;
    if (from < 0) return;
    for (const other of this.app.data.neighbours(this.map, from)) {
      this.stroke(pen, line, [this.x(from), this.y(from)], [this.x(other), this.y(other)]);
      ringAt(pen, this.x(other), this.y(other), this.app.marks.radius + 2, line, 1);
    }
  }

  // From where a picture stands to where the second map has it, laid onto this one.
  drawMoves(pen, line) {
    for (const point of this.moves) {
      const there = [this.x(point, this.laid), this.y(point, this.laid)];
      this.stroke(pen, line, [this.x(point), this.y(point)], there);
      pen.fillStyle = line;
      pen.fillRect(there[0] - 3, there[1] - 3, 6, 6);
    }
  }

  stroke(pen, colour, from, to) {
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.strokeStyle = colour;
    pen.lineWidth = 1.2;
    pen.stroke();
  }

  // The text's place: the mean of its nearest pictures' places by their cosines; the ring is their spread.
  drawStar(pen, line) {
    const { rows, cosines } = this.app.found();
    const there = rows.map((row, n) => [this.app.data.point(row), Math.max(cosines[n], 0.001)]).filter(([point]) => point !== undefined);
    if (!there.length) return;
    const total = there.reduce((sum, [, weight]) => sum + weight, 0);
    const mean = (of) => there.reduce((sum, [point, weight]) => sum + weight * of(point), 0) / total;
    const across = mean((point) => this.x(point)), down = mean((point) => this.y(point));
    const spread = Math.sqrt(mean((point) => (this.x(point) - across) ** 2 + (this.y(point) - down) ** 2));
    ringAt(pen, across, down, Math.max(spread, 8), line, 1.5);
    pen.save();
    pen.translate(across, down);
    outline(pen, 7, 11);
    pen.fillStyle = STAR;
    pen.fill();
    pen.lineWidth = 1.5;
    pen.strokeStyle = "#000000";
    pen.stroke();
    pen.restore();
  }

  drawDrag(pen) {
    const { path, from } = this.app.view.drag, [endX, endY] = path[path.length - 1];
    pen.beginPath();
    if (this.app.view.tool === "rectangle") pen.rect(from[0], from[1], endX - from[0], endY - from[1]);
    else path.forEach(([across, down]) => pen.lineTo(across, down));
    pen.closePath();
    pen.fillStyle = "rgba(213,94,0,.15)";
    pen.fill();
    pen.strokeStyle = HERE;
    pen.lineWidth = 1.5;
    pen.stroke();
  }

  // ---------------------------------------------------------------------------------------- the tip

  hideTip() { this.tip.style.display = "none"; }

  showTip(point) {
    const { paper, line } = this.app.ink(), { tip, canvas } = this;
    const [name, ...rest] = this.app.data.lines(point), picture = this.app.thumb(point, 1.5);
    const same = this.together(point), crowd = same ? [`${same} more stand${same > 1 ? "" : "s"} at this very place; a lasso takes all`] : [];
    const short = name.length > LONGEST ? `${name.slice(0, LONGEST / 2)}…${name.slice(-LONGEST / 2)}` : name;
    Object.assign(tip.style, { background: paper, color: line, display: "block",
      width: `${Math.min(TIP, canvas.clientWidth)}px`, maxHeight: `${canvas.offsetHeight}px` });
    tip.replaceChildren(...(picture ? [picture] : []), make("strong", { style: "display:block" }, short), ...[...rest, ...crowd].map((words) => make("div", {}, words)));
    const scale = canvas.clientWidth / this.side;
    tip.style.left = `${beside(this.x(point) * scale, tip.offsetWidth, canvas.clientWidth)}px`;
    tip.style.top = `${canvas.offsetTop + beside(this.y(point) * scale, tip.offsetHeight, canvas.clientHeight)}px`;
  }
}

// Where a tip begins along one side: behind the point, or before it where there is more room; never outside.
function beside(at, length, room) {
  const behind = at + 14, before = at - 14 - length;
  if (behind + length <= room) return behind;
  return before >= 0 ? before : Math.max(room - length, 0);
}

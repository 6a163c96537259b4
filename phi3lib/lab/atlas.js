// The explorer's page. Python computes maps, neighbours and shares once and sends them as bytes; everything
// that follows the pointer, the keys and the sliders happens here. An exported file runs the same code with
// a stand-in for the notebook's model, under a policy that allows no inline style: so styles are set on
// elements, and all text goes in as text.

const SIDE = 400, MARGIN = 16, REACH = 14, MOST_THUMBS = 60, MOST_ROWS = 100, MOST_KINDS = 40, GLIDE = 350, UNKNOWN = 255;
const MAGNITUDE = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const HERE = "#D55E00";

function make(tag, { style = "", on = {}, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  element.style.cssText = style;
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  element.append(...children);
  return element;
}

// ------------------------------------------------------------------------------------------ the data

class Data {
  constructor(model) {
    this.model = model;
    this.read();
  }

  read() {
    const bytes = (name) => {
      const view = this.model.get(name);
      return view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
    };
    this.spec = this.model.get("spec");
    this.places = new Uint16Array(bytes("places"));
    this.near = new Uint32Array(bytes("near"));
    this.shares = new Uint8Array(bytes("shares"));
    this.shade = new Uint8Array(bytes("shade"));
    this.count = this.spec.count;
    this.maps = this.spec.names.length;
    this.chosen = this.find(this.model.get("chosen"));
    this.rowOf = this.spec.rows || null;
    this.pointOf = new Map((this.rowOf || []).map((row, point) => [row, point]));
  }

  find(wanted) {
    const keys = ["method", "n_neighbors", "min_dist", "seed"];
    const found = this.spec.settings.findIndex((one) => keys.every((key) => one[key] === wanted[key]));
    return Math.max(found, 0);
  }

  settings() { return this.spec.settings[this.chosen]; }
  row(point) { return this.rowOf ? this.rowOf[point] : point; }
  point(row) { return this.rowOf ? this.pointOf.get(row) : row; }

  target(map) {
    const start = (map * this.spec.settings.length + this.chosen) * this.count * 2;
    return this.places.subarray(start, start + this.count * 2);
  }

  neighbours(map, point) {
    const start = (map * this.count + point) * this.spec.k;
    return Array.from(this.near.subarray(start, start + this.spec.k)).filter((other) => other !== point);
  }

  share(line) { return this.shares.subarray(line * this.count, (line + 1) * this.count); }
  kept(map) { return this.share(map * this.spec.settings.length + this.chosen); }
  wobble(map) { return this.share(this.maps * this.spec.settings.length + map); }
  between() { return this.share(this.maps * this.spec.settings.length + this.maps); }
  moved() { return this.share(this.maps * this.spec.settings.length + this.maps + 1 + this.chosen); }

  describe(point) {
    const { ids, codes, kinds, label, names, k } = this.spec;
    const trust = names.map((name, map) => `${name} keeps ${this.kept(map)[point]}% of its ${k} true neighbours`);
    return [ids[point], label ? kinds[codes[point]] : "", ...trust].filter(Boolean).join("; ");
  }
}

// What colours and the list of ten can be about: where the numbers come from, and which end is the bad one.
function measures(data) {
  const [first, second] = data.spec.names;
  const all = { kept: { words: "true neighbours kept on the map", of: (map) => data.kept(map), worst: "low" } };
  if (data.spec.wobbles.some(Boolean)) {
    all.wobble = { words: "map neighbours that change with the seed", of: (map) => data.wobble(map), worst: "high" };
  }
  if (data.maps > 1) {
    all.between = { words: `neighbours shared by ${first} and ${second}`, of: () => data.between(), worst: "low" };
    all.moved = { words: `moved between ${first} and ${second}`, of: () => data.moved(), worst: "high" };
  }
  return all;
}

// ------------------------------------------------------------------------------------------ the view

function render({ model, el }) {
  const data = new Data(model);
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const view = { colour: "label", tool: "lasso", lines: false, kind: -1, order: "selected", focus: -1, drag: null };
  let measure = measures(data), glide = 0;

  const root = make("div", { style: "max-width:100%;line-height:1.4" });
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  const status = make("div", { role: "status", style: "min-height:1.5em;margin:.3em 0" });
  status.setAttribute("aria-live", "polite");
  const stage = make("div", { style: "display:flex;flex-wrap:wrap;gap:12px" });
  const controls = make("div", { style: "display:flex;flex-wrap:wrap;gap:.4em 1.2em;align-items:center" });
  const legend = make("div", { style: "display:flex;flex-wrap:wrap;gap:.2em 1em;font-size:.85em;margin:.3em 0" });
  const strip = make("div", {}), gallery = make("div", {}), lists = make("div", {});
  root.append(controls, status, stage, legend, strip, gallery, lists);
  el.append(root);

  const isDark = () => document.body.dataset.jpThemeLight === "false" ||
    (model.alone && window.matchMedia("(prefers-color-scheme: dark)").matches);
  const ink = () => (isDark() ? { paper: "#1c1c1c", line: "#e8e8e8", edge: "#e8e8e8" } : { paper: "#ffffff", line: "#1a1a1a", edge: "#333333" });
  const say = (text) => { status.textContent = text; };

  // ---------------------------------------------------------------------------------------- points

  const radius = data.count <= 500 ? 5 : data.count <= 3000 ? 3.5 : 2.2;

  function sprite(colour, shape) {
    const side = Math.ceil((radius * 2 + 3) * ratio), canvas = make("canvas", { width: side, height: side });
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.translate(side / ratio / 2, side / ratio / 2);
    outline(pen, shape, radius);
    pen.fillStyle = colour;
    pen.fill();
    pen.lineWidth = radius > 3 ? 0.8 : 0.5;
    pen.strokeStyle = ink().edge;
    pen.stroke();
    return canvas;
  }

  // Eight shapes beside eight colours, as everywhere in the course: never colour alone.
  function outline(pen, shape, r) {
    const corners = { 1: [4, Math.PI / 4], 2: [3, -Math.PI / 2], 3: [4, 0], 4: [3, Math.PI / 2], 5: [5, -Math.PI / 2] }[shape];
    pen.beginPath();
    if (shape === 0) pen.arc(0, 0, r * 0.85, 0, 7);
    else if (corners) spokes(pen, corners[0], corners[1], () => r);
    else if (shape === 6) spokes(pen, 8, 0, (n) => (n % 2 ? r * 0.45 : r));
    else spokes(pen, 10, -Math.PI / 2, (n) => (n % 2 ? r * 0.45 : r));
    pen.closePath();
  }

  function spokes(pen, count, turn, length) {
    for (let n = 0; n < count; n++) {
      const angle = turn + (n * 2 * Math.PI) / count;
      pen.lineTo(length(n) * Math.cos(angle), length(n) * Math.sin(angle));
    }
  }

  let sprites = [];
  function prepareSprites() {
    const colours = data.spec.colours.map((colour) => (colour === "#000000" && isDark() ? "#ffffff" : colour));
    sprites = view.colour === "label"
      ? data.spec.kinds.map((_, n) => sprite(colours[n % 8], (n + Math.floor(n / 8)) % 8))
      : MAGNITUDE.map((colour) => sprite(colour, 0));
  }

  // What colours and shapes mean: the labels, or the two ends of a measure.
  function fillLegend() {
    const entry = (image, words) => {
      const mark = make("canvas", { width: image.width, height: image.height,
        style: `width:${image.width / ratio}px;height:${image.height / ratio}px` });
      mark.setAttribute("aria-hidden", "true");
      mark.getContext("2d").drawImage(image, 0, 0);
      return make("span", { style: "display:inline-flex;gap:.3em;align-items:center" }, mark, words);
    };
    const more = data.spec.kinds.length - MOST_KINDS;
    legend.replaceChildren(...(view.colour !== "label"
      ? sprites.flatMap((image, n) => (n % 3 ? [] : [entry(image, `${10 * n}%${n === 9 ? " and more" : ""}`)]))
      : data.spec.label ? data.spec.kinds.slice(0, MOST_KINDS).map((kind, n) => entry(sprites[n], kind)) : []),
    ...(view.colour === "label" && more > 0 ? [`and ${more} more`] : []));
  }

  function spriteOf(map, point) {
    if (view.colour === "label") return sprites[data.spec.codes[point]];
    const value = measure[view.colour].of(map)[point];
    return sprites[value === UNKNOWN ? 0 : Math.min(Math.floor(value / 10), 9)];
  }

  // ---------------------------------------------------------------------------------------- maps

  const maps = data.spec.names.map((name, map) => {
    const title = make("h3", { style: "font-size:1em;margin:.3em 0" });
    const canvas = make("canvas", { width: SIDE * ratio, height: SIDE * ratio, tabIndex: 0, role: "application",
      style: `width:${SIDE}px;max-width:100%;touch-action:pinch-zoom;cursor:crosshair;border:1px solid #767676;border-radius:4px;display:block` });
    canvas.setAttribute("aria-label", `Map ${name} of ${data.count} pictures. Arrows: to the neighbour in that direction. ` +
      "Enter: select. Shift and Enter: add. Escape: clear.");
    const tip = make("div", { style: "position:absolute;display:none;pointer-events:none;z-index:5;width:150px;padding:6px;" +
      "border:1px solid #767676;border-radius:4px;font-size:.85em;overflow-wrap:anywhere" });
    const box = make("div", { style: `position:relative;width:${SIDE}px;max-width:100%` }, title, canvas, tip);
    stage.append(box);
    const base = make("canvas", { width: SIDE * ratio, height: SIDE * ratio });
    const one = { name, map, title, canvas, tip, box, base, now: Float32Array.from(data.target(map)) };
    listen(one);
    return one;
  });

  const x = (one, point) => MARGIN + (one.now[2 * point] / 65535) * (SIDE - 2 * MARGIN);
  const y = (one, point) => SIDE - MARGIN - (one.now[2 * point + 1] / 65535) * (SIDE - 2 * MARGIN);
  const hidden = (point) => view.kind >= 0 && data.spec.codes[point] !== view.kind;

  function drawBase(one) {
    const pen = one.base.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillStyle = ink().paper;
    pen.fillRect(0, 0, one.base.width, one.base.height);
    drawShade(one, pen);
    for (let point = 0; point < data.count; point++) {
      const image = spriteOf(one.map, point);
      pen.globalAlpha = hidden(point) ? 0.1 : 1;
      pen.drawImage(image, x(one, point) * ratio - image.width / 2, y(one, point) * ratio - image.height / 2);
    }
    pen.globalAlpha = 1;
  }

  function drawShade(one, pen) {
    if (!data.shade.length) return;
    const cells = Math.round(Math.sqrt(data.shade.length / (data.maps * data.spec.settings.length)));
    const start = (one.map * data.spec.settings.length + data.chosen) * cells * cells;
    const step = ((SIDE - 2 * MARGIN) / cells) * ratio;
    pen.fillStyle = isDark() ? "#6a6a6a" : "#b8b8b8";
    for (let cell = 0; cell < cells * cells; cell++) {
      const value = data.shade[start + cell];
      if (!value) continue;
      pen.globalAlpha = value / 255;
      pen.fillRect(MARGIN * ratio + (cell % cells) * step, (SIDE - MARGIN) * ratio - (Math.floor(cell / cells) + 1) * step, step + 1, step + 1);
    }
    pen.globalAlpha = 1;
  }

  function drawOver(one) {
    const pen = one.canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(one.base, 0, 0);
    pen.scale(ratio, ratio);
    for (const point of selectedPoints()) ring(pen, x(one, point), y(one, point), radius + 3, HERE, 2);
    if (view.focus >= 0) {
      if (view.lines) drawLines(one, pen);
      ring(pen, x(one, view.focus), y(one, view.focus), radius + 6, ink().line, 2);
    }
    if (model.get("found").rows) drawStar(one, pen);
    if (view.drag && view.drag.one === one) drawDrag(pen);
  }

  function ring(pen, across, down, r, colour, width) {
    pen.beginPath();
    pen.arc(across, down, r, 0, 7);
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.stroke();
  }

  function drawLines(one, pen) {
    pen.strokeStyle = ink().line;
    pen.lineWidth = 1.2;
    for (const other of data.neighbours(one.map, view.focus)) {
      pen.beginPath();
      pen.moveTo(x(one, view.focus), y(one, view.focus));
      pen.lineTo(x(one, other), y(one, other));
      pen.stroke();
      ring(pen, x(one, other), y(one, other), radius + 2, ink().line, 1);
    }
  }

  // The text's place: the mean of its nearest pictures' places by their cosines; the ring is their spread.
  function drawStar(one, pen) {
    const { rows, cosines } = model.get("found");
    const points = rows.map((row) => data.point(row)), weights = cosines.map((cosine) => Math.max(cosine, 0.001));
    const there = points.map((point, n) => [point, weights[n]]).filter(([point]) => point !== undefined);
    if (!there.length) return;
    const total = there.reduce((sum, [, weight]) => sum + weight, 0);
    const mean = (place) => there.reduce((sum, [point, weight]) => sum + weight * place(one, point), 0) / total;
    const across = mean(x), down = mean(y);
    const spread = Math.sqrt(mean((_, point) => (x(one, point) - across) ** 2 + (y(one, point) - down) ** 2));
    ring(pen, across, down, Math.max(spread, 8), HERE, 1.5);
    pen.save();
    pen.translate(across, down);
    outline(pen, 7, 10);
    pen.fillStyle = "#F0E442";
    pen.fill();
    pen.lineWidth = 1.5;
    pen.strokeStyle = "#000000";
    pen.stroke();
    pen.restore();
  }

  function drawDrag(pen) {
    const { path, from } = view.drag, [endX, endY] = path[path.length - 1];
    pen.beginPath();
    if (view.tool === "rectangle") pen.rect(from[0], from[1], endX - from[0], endY - from[1]);
    else path.forEach(([across, down]) => pen.lineTo(across, down));
    pen.closePath();
    pen.fillStyle = "rgba(213,94,0,.15)";
    pen.fill();
    pen.strokeStyle = HERE;
    pen.lineWidth = 1.5;
    pen.stroke();
  }

  function drawOvers() { maps.forEach(drawOver); }

  function drawAll() {
    prepareSprites();
    fillLegend();
    maps.forEach((one) => {
      const trust = data.spec.trust[one.map][data.chosen];
      const through = data.spec.finds && model.get("found").rows && one.name !== data.spec.through
        ? ` · text placed through ${data.spec.through}` : "";
      one.title.textContent = `${one.name} · trustworthiness ${trust.toFixed(2)}${through}`;
      drawBase(one);
      drawOver(one);
    });
  }

  function glideTo() {
    const start = performance.now(), from = maps.map((one) => one.now.slice()), mine = ++glide;
    const targets = maps.map((one) => data.target(one.map));
    function step(time) {
      if (mine !== glide) return;
      const share = calm || data.count > 5000 ? 1 : Math.min((time - start) / GLIDE, 1), ease = share * share * (3 - 2 * share);
      maps.forEach((one, n) => {
        for (let i = 0; i < one.now.length; i++) one.now[i] = from[n][i] + ease * (targets[n][i] - from[n][i]);
        drawBase(one);
        drawOver(one);
      });
      if (share < 1) requestAnimationFrame(step);
    }
    requestAnimationFrame(step);
  }

  // ---------------------------------------------------------------------------------------- pointing

  function place(one, event) {
    const rect = one.canvas.getBoundingClientRect();
    return [((event.clientX - rect.left) / rect.width) * SIDE, ((event.clientY - rect.top) / rect.height) * SIDE];
  }

  function nearestPoint(one, [across, down], reach = REACH) {
    let best = -1, least = reach * reach;
    for (let point = 0; point < data.count; point++) {
      const distance = (x(one, point) - across) ** 2 + (y(one, point) - down) ** 2;
      if (distance < least && !hidden(point)) [best, least] = [point, distance];
    }
    return best;
  }

  function look(one, point) {
    view.focus = point;
    maps.forEach((other) => { other.tip.style.display = "none"; });
    if (point >= 0) {
      showTip(one, point);
      say(data.describe(point));
    }
    drawOvers();
  }

  function showTip(one, point) {
    const { paper, line } = ink();
    one.tip.style.background = paper;
    one.tip.style.color = line;
    one.tip.replaceChildren(thumb(point, 1.5), make("div", {}, data.describe(point)));
    one.tip.style.display = "block";
    const scale = one.canvas.clientWidth / SIDE, top = one.canvas.offsetTop;
    const left = Math.min(x(one, point) * scale + 16, one.canvas.clientWidth - one.tip.offsetWidth);
    const below = Math.min(y(one, point) * scale + 16, one.canvas.clientHeight - one.tip.offsetHeight);
    one.tip.style.left = `${Math.max(left, 0)}px`;
    one.tip.style.top = `${top + Math.max(below, 0)}px`;
  }

  function listen(one) {
    const { canvas } = one;
    canvas.addEventListener("pointermove", (event) => {
      if (view.drag) {
        view.drag.path.push(place(one, event));
        drawOver(one);
        return;
      }
      const point = nearestPoint(one, place(one, event));
      if (point !== view.focus) look(one, point);
    });
    canvas.addEventListener("pointerleave", () => { if (!view.drag && document.activeElement !== canvas) look(one, -1); });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      view.drag = { one, from: place(one, event), path: [place(one, event)] };
    });
    canvas.addEventListener("pointerup", (event) => {
      if (!view.drag) return;
      const drag = view.drag, end = place(one, event);
      view.drag = null;
      const still = Math.hypot(end[0] - drag.from[0], end[1] - drag.from[1]) < 4 && drag.path.length < 6;
      if (still) click(one, end, event.shiftKey);
      else select(inside(one, drag, end), event.shiftKey);
    });
    canvas.addEventListener("pointercancel", () => { view.drag = null; drawOver(one); });
    canvas.addEventListener("focus", () => { canvas.style.outline = "3px solid #0072B2"; });
    canvas.addEventListener("blur", () => { canvas.style.outline = ""; });
    canvas.addEventListener("keydown", (event) => key(one, event));
  }

  function click(one, where, adding) {
    const point = nearestPoint(one, where);
    if (point < 0) select([], false);
    else if (adding && selectedPoints().includes(point)) select(selectedPoints().filter((other) => other !== point), false);
    else select([point], adding);
  }

  function inside(one, drag, end) {
    const within = view.tool === "rectangle"
      ? (across, down) => (across - drag.from[0]) * (across - end[0]) <= 0 && (down - drag.from[1]) * (down - end[1]) <= 0
      : (across, down) => inPolygon(drag.path, across, down);
    const found = [];
    for (let point = 0; point < data.count; point++) {
      if (!hidden(point) && within(x(one, point), y(one, point))) found.push(point);
    }
    return found;
  }

  function inPolygon(path, across, down) {
    let odd = false;
    for (let i = 0, j = path.length - 1; i < path.length; j = i++) {
      const [ax, ay] = path[i], [bx, by] = path[j];
      if (ay > down !== by > down && across < ((bx - ax) * (down - ay)) / (by - ay) + ax) odd = !odd;
    }
    return odd;
  }

  const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

  function key(one, event) {
    const arrow = ARROWS[event.key];
    if (!arrow && event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation(); // else Jupyter would take it for one of its own
    if (arrow) look(one, neighbourTowards(one, arrow));
    else if (event.key === "Escape") { select([], false); look(one, -1); }
    else if (view.focus >= 0) select([view.focus], event.shiftKey);
  }

  function neighbourTowards(one, [dx, dy]) {
    if (view.focus < 0) return nearestPoint(one, [SIDE / 2, SIDE / 2], SIDE);
    let best = view.focus, least = Infinity;
    for (let point = 0; point < data.count; point++) {
      if (hidden(point) || point === view.focus) continue;
      const across = x(one, point) - x(one, view.focus), down = y(one, point) - y(one, view.focus);
      const along = across * dx + down * dy, aside = Math.abs(across * dy + down * dx);
      if (along > 0.01 && aside <= along && Math.hypot(across, down) < least) {
        [best, least] = [point, Math.hypot(across, down)];
      }
    }
    return best;
  }

  // ---------------------------------------------------------------------------------------- selecting

  const selectedPoints = () => model.get("selected").map((row) => data.point(row)).filter((point) => point !== undefined);

  function select(points, adding) {
    const rows = points.map((point) => data.row(point));
    const all = adding ? [...new Set([...model.get("selected"), ...rows])] : rows;
    model.set("selected", all);
    model.save_changes(); // once for each gesture
    say(`${all.length} selected`);
    drawOvers();
    fillGallery();
  }

  function thumb(point, scale = 1) {
    const { thumb: side, sheet, ids } = data.spec, sheets = model.get("sheets");
    const box = make("div", { role: "img", style: `width:${side * scale}px;height:${side * scale}px;background-repeat:no-repeat` });
    box.setAttribute("aria-label", ids[point]);
    if (!sheets.length) return box;
    const within = point % (sheet * sheet), lines = Math.ceil(Math.min(data.count - (point - within), sheet * sheet) / sheet);
    box.style.backgroundImage = `url("${sheets[Math.floor(point / (sheet * sheet))]}")`;
    box.style.backgroundSize = `${sheet * side * scale}px ${lines * side * scale}px`;
    box.style.backgroundPosition = `-${(within % sheet) * side * scale}px -${Math.floor(within / sheet) * side * scale}px`;
    return box;
  }

  function thumbButton(point, words) {
    const name = data.spec.ids[point];
    return make("button", { type: "button", title: name, style: "border:1px solid #767676;border-radius:4px;padding:2px;background:transparent;color:inherit;font-size:.8em",
      on: { click: () => { select([point], false); look(maps[0], point); } } }, thumb(point), make("div", {}, words));
  }

  const ROW = "display:flex;flex-wrap:wrap;gap:4px;margin:.3em 0";

  function fillGallery() {
    const points = selectedPoints();
    if (view.order === "name") points.sort((a, b) => data.spec.ids[a].localeCompare(data.spec.ids[b]));
    if (view.order === "kept") points.sort((a, b) => data.kept(0)[a] - data.kept(0)[b]);
    const more = points.length > MOST_THUMBS ? `, the first ${MOST_THUMBS} of them shown` : "";
    const buttons = points.slice(0, MOST_THUMBS).map((point) => thumbButton(point, `${data.kept(0)[point]}%`));
    gallery.replaceChildren(...(points.length
      ? [make("h3", { style: "font-size:1em;margin:.5em 0 .2em" }, `Selected: ${points.length}${more}; under each, how many of its true neighbours ${data.spec.names[0]} keeps`), make("div", { style: ROW }, ...buttons)]
      : []));
    fillTable();
  }

  function fillStrip() {
    const found = model.get("found");
    if (!found.rows) { strip.replaceChildren(); return; }
    const buttons = found.rows.map((row, n) => [data.point(row), found.cosines[n]]).filter(([point]) => point !== undefined)
      .map(([point, cosine]) => thumbButton(point, cosine.toFixed(2)));
    strip.replaceChildren(make("h3", { style: "font-size:1em;margin:.5em 0 .2em" }, `“${found.text}”${found.weak ? " (weak)" : ""}`), make("div", { style: ROW }, ...buttons));
  }

  // ---------------------------------------------------------------------------------------- lists

  const worst = make("details", {}), table = make("details", {});
  lists.append(worst, table, make("details", {}, make("summary", {}, "How these maps were made"),
    make("pre", { style: "white-space:pre-wrap;overflow-wrap:anywhere;font-size:.8em" }, JSON.stringify(data.spec.card, null, 1))));
  table.addEventListener("toggle", fillTable);

  function fillWorst() {
    const name = measure[view.colour] ? view.colour : "kept", { words, of, worst: end } = measure[name];
    const lines = data.spec.names.slice(0, name === "between" || name === "moved" ? 1 : undefined).map((mapName, map) => {
      const values = of(map), order = Array.from({ length: data.count }, (_, point) => point).filter((point) => values[point] !== UNKNOWN);
      order.sort((a, b) => (end === "low" ? values[a] - values[b] : values[b] - values[a]) || a - b);
      const buttons = order.slice(0, 10).map((point) => thumbButton(point, `${values[point]}%`));
      return make("div", {}, mapName, make("div", { style: ROW }, ...buttons));
    });
    worst.replaceChildren(make("summary", {}, `Ten ${end === "low" ? "lowest" : "highest"}: ${words}`), ...lines);
  }

  function fillTable() {
    const chosen = selectedPoints(), points = (chosen.length ? chosen : Array.from({ length: data.count }, (_, n) => n)).slice(0, MOST_ROWS);
    const of = chosen.length ? `selected (${chosen.length})` : `all (${data.count})`;
    const heads = ["name", ...(data.spec.label ? [data.spec.label] : []), ...data.spec.names.map((name) => `${name}: neighbours kept`)];
    table.replaceChildren(make("summary", {}, `Table: ${of}, at most ${MOST_ROWS} rows`));
    if (!table.open) return;
    const cell = "border:1px solid #767676;padding:2px 6px;text-align:left";
    const lines = points.map((point) => make("tr", {}, ...[
      data.spec.ids[point], ...(data.spec.label ? [data.spec.kinds[data.spec.codes[point]]] : []),
      ...data.spec.names.map((_, map) => `${data.kept(map)[point]}%`),
    ].map((text) => make("td", { style: cell }, text))));
    table.append(make("table", { style: "border-collapse:collapse;font-size:.85em" },
      make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { style: cell, scope: "col" }, text)))), make("tbody", {}, ...lines)));
  }

  // ---------------------------------------------------------------------------------------- controls

  function labelled(words, control) { return make("label", { style: "display:inline-flex;gap:.4em;align-items:center" }, words, control); }

  function choose(words, options, value, changed) {
    const control = make("select", { on: { change: () => changed(control.value) } },
      ...options.map(([name, text]) => make("option", { value: name }, text)));
    control.value = value;
    return labelled(words, control);
  }

  // A slider over the values that were made ready; it moves all maps at once.
  function slider(words, name) {
    const values = [...new Set(data.spec.settings.filter((one) => one.method === "UMAP").map((one) => one[name]))].sort((a, b) => a - b);
    if (values.length < 2) return [];
    const shown = make("span", {}, String(data.settings()[name]));
    const control = make("input", { type: "range", min: 0, max: values.length - 1, step: 1, style: "width:7em" });
    control.value = Math.max(values.indexOf(data.settings()[name]), 0);
    control.setAttribute("aria-valuetext", shown.textContent);
    control.addEventListener("input", () => {
      shown.textContent = String(values[control.value]);
      control.setAttribute("aria-valuetext", shown.textContent);
      change({ ...data.settings(), method: "UMAP", [name]: values[control.value] });
    });
    return [labelled(words, control), shown];
  }

  function change(settings) {
    const exact = data.spec.settings.find((one) => ["method", "n_neighbors", "min_dist", "seed"].every((key) => one[key] === settings[key]));
    const near = exact || data.spec.settings.find((one) => one.method === settings.method);
    if (!near) return;
    model.set("chosen", { ...near });
    model.save_changes();
  }

  function fillControls() {
    const methods = [...new Set(data.spec.settings.map((one) => one.method))];
    const colours = [["label", data.spec.label || "one colour"], ...Object.entries(measure).map(([name, one]) => [name, one.words])];
    const kinds = [["-1", "all"], ...data.spec.kinds.map((kind, n) => [String(n), kind])];
    const lines = make("input", { type: "checkbox", checked: view.lines, on: { change: () => { view.lines = lines.checked; drawOvers(); } } });
    const umap = data.settings().method === "UMAP";
    controls.replaceChildren(
      choose("Map", methods.map((name) => [name, name]), data.settings().method, (method) => {
        change(data.spec.settings.find((one) => one.method === method));
        fillControls();
      }),
      ...(umap ? [...slider("n_neighbors", "n_neighbors"), ...slider("min_dist", "min_dist"), ...slider("seed", "seed")] : []),
      choose("Colour", colours, view.colour, (name) => { view.colour = name; drawAll(); fillWorst(); }),
      ...(data.spec.label ? [choose("Show", kinds, String(view.kind), (kind) => { view.kind = Number(kind); drawAll(); })] : []),
      choose("Select by", [["lasso", "lasso"], ["rectangle", "rectangle"]], view.tool, (tool) => { view.tool = tool; }),
      choose("Sort", [["selected", "as selected"], ["name", "by name"], ["kept", "by neighbours kept"]], view.order, (order) => { view.order = order; fillGallery(); }),
      labelled("true neighbours", lines),
      ...(data.spec.finds && !model.alone ? [query()] : []),
      ...(model.alone ? [] : [recompute()]),
    );
  }

  function query() {
    const text = make("input", { type: "text", style: "width:12em", on: { keydown: (event) => { event.stopPropagation(); if (event.key === "Enter") ask(); } } });
    const ask = () => model.send({ do: "find", text: text.value });
    return make("span", { style: "display:inline-flex;gap:.4em" }, labelled("Text", text), make("button", { type: "button", on: { click: ask } }, "Find"));
  }

  function recompute() {
    const now = data.settings(), number = (words, name, value, step) => {
      const control = make("input", { type: "number", value, step, min: 0, name, style: "width:5em", on: { keydown: (event) => event.stopPropagation() } });
      return [labelled(words, control), control];
    };
    const [a, neighbours] = number("n_neighbors", "n_neighbors", now.n_neighbors, 1);
    const [b, distance] = number("min_dist", "min_dist", now.min_dist, 0.05);
    const [c, seed] = number("seed", "seed", now.seed, 1);
    const go = () => {
      say("Computing the maps …");
      model.send({ do: "recompute", n_neighbors: neighbours.value, min_dist: distance.value, seed: seed.value });
    };
    return make("details", {}, make("summary", {}, "Other parameters"), a, " ", b, " ", c, " ", make("button", { type: "button", on: { click: go } }, "Recompute"));
  }

  // ---------------------------------------------------------------------------------------- the model

  const followers = {
    "change:selected": () => { drawOvers(); fillGallery(); },
    "change:found": () => { drawAll(); fillStrip(); },
    "change:status": () => { if (model.get("status")) say(model.get("status")); },
    "change:spec": () => { data.read(); measure = measures(data); },
    "change:chosen": () => {
      data.read();
      view.colour = view.colour in measure ? view.colour : "label";
      drawAll();
      glideTo();
      refreshControls();
      fillWorst();
      fillGallery();
      say(describeMaps());
    },
  };

  // The controls are made anew only where their values are others: a slider in hand must stay.
  let known = "";
  function refreshControls() {
    const state = JSON.stringify([data.spec.settings.length, data.settings().method]);
    if (state !== known) fillControls();
    known = state;
  }

  function describeMaps() {
    const one = data.settings();
    const how = one.method === "PCA" ? "PCA" : `UMAP, n_neighbors ${one.n_neighbors}, min_dist ${one.min_dist}, seed ${one.seed}`;
    const sample = data.count < data.spec.all ? ` ${data.count} of ${data.spec.all} pictures are drawn as points; the shade shows all.` : "";
    return `${how}: ${data.spec.names.map((name, map) => `${name} trustworthiness ${data.spec.trust[map][data.chosen].toFixed(2)}`).join(", ")}.${sample}`;
  }

  for (const [name, follower] of Object.entries(followers)) model.on(name, follower);
  const themes = new MutationObserver(drawAll);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  refreshControls();
  fillWorst();
  fillTable();
  fillStrip();
  drawAll();
  fillGallery();
  say(describeMaps());
  return () => {
    themes.disconnect();
    for (const [name, follower] of Object.entries(followers)) model.off(name, follower);
  };
}

export default { render };

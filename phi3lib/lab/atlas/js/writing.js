// What is written on a map, and how its density is drawn.

const MOST_WRITTEN = 40, LONGEST_WRITTEN = 34, APART = 300, SHADES = 7;
const BUTTONS = { wide: 48, high: 240 }; // the corner in which the zoom buttons stand

// Names that a click selects by, bold; then, quieter, what is more frequent in a cell than elsewhere, or a picture's own
// text. None over another, and the first below the middle of their points: a group may be smaller than its name.
function writeNames(map, pen, naming) {
  const { app, camera } = map, { line } = app.ink(), { quiet } = app.theming(), terms = app.data.terms(naming);
  [pen.textAlign, pen.textBaseline, pen.lineJoin] = ["center", "middle", "round"];
  for (const one of map.counted("names", () => wordsInView(camera, map.now, naming, terms, (point) => app.hidden(point)))) {
    if (map.names.length >= MOST_WRITTEN) return;
    write(map, pen, { ...one, ...(one.kind >= 0 ? { font: "600 12px system-ui, sans-serif", color: line } : { font: "500 12px system-ui, sans-serif", color: quiet }) });
  }
}

function write(map, pen, { words: whole, kind, x, y, under, font, color }) {
  const { camera, names } = map, { paper } = map.app.ink(), words = whole.length > LONGEST_WRITTEN ? `${whole.slice(0, LONGEST_WRITTEN - 1)}…` : whole;
  pen.font = font;
  const wide = pen.measureText(words).width / 2 + 6, right = camera.width - (camera.down(y) < BUTTONS.high ? BUTTONS.wide : 0);
  const across = Math.min(Math.max(camera.across(x), wide), right - wide);
  const down = below(map, across, Math.min(Math.max(camera.down(y) + (under || kind >= 0 ? 14 : 0), 12), camera.height - 12), wide);
  if (!words || names.some((box) => Math.abs(box.across - across) < box.wide + wide && Math.abs(box.down - down) < 20)) return;
  if (names.some((box) => box.words === words && Math.hypot(box.across - across, box.down - down) < APART)) return;
  names.push({ across, down, wide, kind, words });
  [pen.lineWidth, pen.strokeStyle, pen.fillStyle] = [4, paper, color];
  pen.strokeText(words, across, down);
  pen.fillText(words, across, down);
}

// Where a name stands that would cover a picture: below it, or above it at the lower edge of the map.
function below(map, across, down, wide) {
  const under = map.shown.filter(([x, y, side]) => Math.abs(x - across) < side / 2 + wide - 6 && Math.abs(y - down) < side / 2 + 8);
  const low = under.reduce((most, [, y, side]) => Math.max(most, y + side / 2 + 11), down);
  return low <= map.camera.height - 8 ? low : under.reduce((least, [, y, side]) => Math.min(least, y - side / 2 - 11), down);
}

// How dense the map is, in steps as on a relief: made once for places and filters, and laid over the points.
function drawFog(map, pen) {
  const { app, camera } = map, dark = app.dark(), made = map.fog;
  if (!made || made.places !== map.now || made.passing !== app.passing || made.dark !== dark) {
    map.fog = { places: map.now, passing: app.passing, dark, image: fogImage(fog(map.now, (point) => app.hidden(point)), /** @type {[number, number, number]} */ (channels(app.theming().accent))) };
  }
  pen.save();
  pen.globalCompositeOperation = dark ? "lighten" : "multiply";
  pen.imageSmoothingQuality = "high";
  const scale = camera.scale();
  pen.drawImage(map.fog.image, camera.across(-FRINGE), camera.down(1 + FRINGE), scale * (1 + 2 * FRINGE), scale * (1 + 2 * FRINGE));
  pen.restore();
}

function fogImage(shares, [red, green, blue]) {
  const image = make("canvas", { width: FOGGED, height: FOGGED }), pen = image.getContext("2d"), drawn = pen.createImageData(FOGGED, FOGGED);
  shares.forEach((share, cell) => drawn.data.set([red, green, blue, 15 * Math.ceil(SHADES * Math.max(share - 0.01, 0) ** 0.5)], 4 * cell));
  pen.putImageData(drawn, 0, 0);
  return image;
}

// Lines around the densest parts, kept until zoom or view have changed much; while the map moves, those there are.
function drawContours(map, pen, coloring) {
  const { app, camera } = map, { contours: what } = app.view, window = windowOf(camera), made = map.contours, groups = what === "groups";
  const same = made && made.places === map.now && made.passing === app.passing && made.what === what && (!groups || made.coloring === coloring);
  if (!same || (made.key !== window.key && !map.resting)) {
    const found = contours(window, map.now, groups ? coloring.codes : null, (point) => app.hidden(point));
    map.contours = { places: map.now, passing: app.passing, what, coloring, key: window.key, found: found.map((one) => ({ ...one, paths: one.lines.map(pathOf) })) };
  }
  map.canvas.dataset.contours = map.contours.found.length;
  const { edge } = app.ink(), scale = camera.scale(), { accent } = app.theming();
  for (const { code, peak, paths } of [...map.contours.found].reverse()) {
    const color = groups ? app.marks.color(coloring.palette[Math.min(code, coloring.palette.length - 1)]) : accent;
    pen.save();
    pen.translate(camera.across(0), camera.down(0));
    pen.scale(scale, -scale);
    pen.lineJoin = "round";
    for (const [width, paint] of [[2.8, edge], [1.6, color]]) paths.forEach((path) => { [pen.lineWidth, pen.strokeStyle] = [/** @type {number} */ (width) / scale, paint]; pen.stroke(path); });
    pen.restore();
    if (groups && coloring.shaped) drawPeak(map, pen, peak, code, color);
  }
}

// Pieces joined into long lines: these are drawn several times as fast.
/** @param {Float32Array} pieces */
function pathOf(pieces) {
  const path = new Path2D(), done = new Uint8Array(pieces.length), /** @type {Map<string, number[]>} */ meeting = new Map();
  const place = (end) => `${pieces[end]} ${pieces[end + 1]}`;
  for (let end = 0; end < pieces.length; end += 2) meeting.set(place(end), [...(meeting.get(place(end)) || []), end]);
  for (let start = 0; start < pieces.length; start += 4) {
    if (done[start]) continue;
    path.moveTo(pieces[start], pieces[start + 1]);
    for (let end = start + 2; end !== undefined; ) {
      path.lineTo(pieces[end], pieces[end + 1]);
      done[end - (end % 4)] = 1;
      const next = meeting.get(place(end)).find((other) => !done[other - (other % 4)]);
      end = next === undefined ? undefined : next ^ 2; // the other end of that piece
    }
  }
  return path;
}

// The group's shape where it is densest: never color alone.
function drawPeak(map, pen, [x, y], code, color) {
  pen.save();
  pen.translate(map.camera.across(x), map.camera.down(y));
  outline(pen, shapeOf(code), 8);
  [pen.fillStyle, pen.strokeStyle, pen.lineWidth, pen.lineJoin] = [color, map.app.ink().paper, 4, "round"];
  pen.stroke();
  [pen.strokeStyle, pen.lineWidth] = [map.app.ink().line, 1.4];
  pen.fill();
  pen.stroke();
  pen.restore();
}

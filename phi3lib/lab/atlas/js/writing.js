// What is written on a map, and the shade of its density.

const CELL = 110, MOST_WRITTEN = 40, LONGEST_WRITTEN = 34, APART = 300, SHADES = 7;

// Names of the kinds where most of a cell is of one, which a click selects; then, quieter, what is more frequent in
// a cell than elsewhere. None over another.
function writeNames(map, pen, coloring) {
  const { app, camera } = map, { line } = app.ink(), hidden = (point) => app.hidden(point), boxes = [];
  map.names = boxes;
  [pen.textAlign, pen.textBaseline, pen.lineJoin] = ["center", "middle", "round"];
  const plain = map.counted("names", () => spots(camera, map.now, coloring.codes, CELL, hidden));
  for (const { kind, x, y } of plain) {
    if (boxes.length < MOST_WRITTEN && coloring.entries[kind]) write(map, pen, { words: coloring.entries[kind].words, kind, x, y, font: "600 12px system-ui, sans-serif", color: line });
  }
  const { quiet } = app.theming();
  for (const { words, x, y } of map.counted("telling", () => telling(camera, map.now, coloring.codes, app.data.terms(coloring), CELL, hidden))) {
    if (boxes.length < MOST_WRITTEN) write(map, pen, { words, kind: -1, x, y, font: "500 12px system-ui, sans-serif", color: quiet });
  }
}

function write(map, pen, { words: whole, kind, x, y, font, color }) {
  const { camera, names } = map, { paper } = map.app.ink(), words = whole.length > LONGEST_WRITTEN ? `${whole.slice(0, LONGEST_WRITTEN - 1)}…` : whole;
  pen.font = font;
  const wide = pen.measureText(words).width / 2 + 6, across = Math.min(Math.max(camera.across(x), wide), camera.width - wide);
  const down = below(map, across, Math.min(Math.max(camera.down(y), 12), camera.height - 12), wide);
  if (!words || names.some((box) => Math.abs(box.across - across) < box.wide + wide && Math.abs(box.down - down) < 20)) return;
  if (names.some((box) => box.words === words && Math.hypot(box.across - across, box.down - down) < APART)) return;
  names.push({ across, down, wide, kind, words });
  [pen.lineWidth, pen.strokeStyle, pen.fillStyle] = [4, paper, color];
  pen.strokeText(words, across, down);
  pen.fillText(words, across, down);
}

// Where a name stands that would cover a picture: below it.
function below(map, across, down, wide) {
  const under = map.shown.filter(([x, y, side]) => Math.abs(x - across) < side / 2 + wide - 6 && Math.abs(y - down) < side / 2 + 8);
  return under.reduce((low, [, y, side]) => Math.max(low, y + side / 2 + 11), down);
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

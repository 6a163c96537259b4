// @ts-check
// The two scales of a map of the reader's own axes: lines, numbers and names, drawn over the points.

const MARGIN_OF_AXES = 48, TICK_ACROSS = 90, TICK_UP = 60, FOOT = 38;

/** What a reader who does not see it is told of the scales. @param {OwnView} view */
function scalesSaid({ x, y }) {
  const ends = ({ low, high, date }) => (date ? [low, high].map((value) => dateText(value).slice(0, 10)) : [low, high].map((value) => String(Number(value.toPrecision(3))))).join(" to ");
  return `${x.words} across, ${ends(x)}; ${y.words} up, ${ends(y)}`;
}

/**
 * The scales stand beside the places, or where these begin left and below the frame, at its edges.
 * @param {MapView} map @param {CanvasRenderingContext2D} pen @param {OwnView} view
 */
function drawScales(map, pen, { x, y, scales }) {
  const { camera } = map, [left, bottom] = camera.bounds, [from, to] = [camera.place([0, camera.height]), camera.place([camera.width, 0])];
  const value = ([low, high], share) => low + share * (high - low), share = ([low, high], at) => (at - low) / (high - low);
  const across = ticksOf(value(scales.x, Math.max(from[0], left)), value(scales.x, Math.min(to[0], camera.bounds[2])), (camera.width - 60) / TICK_ACROSS, x.date);
  const up = ticksOf(value(scales.y, Math.max(from[1], bottom)), value(scales.y, Math.min(to[1], camera.bounds[3])), camera.height / TICK_UP, y.date);
  pen.save();
  pen.font = "11px system-ui, sans-serif";
  const wide = Math.max(...up.map(({ words }) => pen.measureText(words).width), 20) + 10;
  const foot = Math.min(camera.down(bottom) + 10, camera.height - FOOT), side = Math.max(camera.across(left) - 10, wide);
  for (const { value: at, words } of across) tick(map, pen, { words, at: [camera.across(share(scales.x, at)), foot], end: [0, -camera.height] });
  for (const { value: at, words } of up) tick(map, pen, { words, at: [side, camera.down(share(scales.y, at))], end: [camera.width, 0] });
  pen.font = "600 12px system-ui, sans-serif";
  const ends = [Math.min(camera.across(camera.bounds[2]), camera.width - 6), Math.max(camera.down(camera.bounds[3]) - 14, 12)];
  named(map, pen, `${fitted(pen, x.words, ends[0] - 30)} →`, [ends[0], foot + 28], "right");
  named(map, pen, `↑ ${fitted(pen, y.words, camera.width - 60)}`, [Math.max(side - wide + 6, 6), ends[1]], "left");
  pen.restore();
}

// A thin line through the map, and what it stands for at its end; none where the other scale is.
/**
 * @param {MapView} map @param {CanvasRenderingContext2D} pen
 * @param {{words: string, at: number[], end: number[]}} one
 */
function tick(map, pen, { words, at: [across, down], end }) {
  const { line } = map.app.ink(), flat = end[1] === 0, { width, height } = map.camera;
  if (across < 0 || down < 4 || across > width || down > height) return;
  [pen.lineWidth, pen.strokeStyle, pen.globalAlpha] = [1, line, 0.13];
  pen.beginPath();
  pen.moveTo(Math.round(across) + 0.5, Math.round(down) + 0.5);
  pen.lineTo(Math.round(across + end[0]) + 0.5, Math.round(down + end[1]) + 0.5);
  pen.stroke();
  pen.globalAlpha = 1;
  if (flat) haloed(pen, words, [across - 5, down], "right", map.app.theming());
  else haloed(pen, words, [across, down + 11], "center", map.app.theming());
}

function named(map, pen, words, at, align) { haloed(pen, words, at, align, { ...map.app.theming(), quiet: map.app.ink().line }); }

function haloed(pen, words, [across, down], align, { paper, quiet }) {
  [pen.textAlign, pen.textBaseline, pen.lineJoin, pen.lineWidth, pen.strokeStyle, pen.fillStyle] = [align, "middle", "round", 3.5, paper, quiet];
  pen.strokeText(words, across, down);
  pen.fillText(words, across, down);
}

// Words cut to a width.
function fitted(pen, words, wide) {
  let short = words;
  while (short.length > 4 && pen.measureText(short).width > wide) short = `${short.slice(0, -2)}…`;
  return short;
}

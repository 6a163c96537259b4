// @ts-check
// The token microscope's canvas. All geometry comes from Python; here it is drawn, and keys and clicks are
// sent back.
const HEIGHT = 330, RIBBON = 46, GAP = 16;

/**
 * What does not depend on the token, and what is drawn of one. A box is left, top, right, bottom in pixels of the
 * padded picture; a run of the ribbon is its first token, its length and its kind.
 * @typedef {{ rows: number, cols: number, tokens: number, count: number, size: [number, number],
 *   padding: [number, number, number, number], original: [number, number], resized: [number, number],
 *   runs: [number, number, string][], colors: Record<string, string>, paddingColor: string, here: string }} Layout
 * @typedef {{ index: number, kind: string, box: [number, number, number, number] | null, sentence: string }} Scene
 * @typedef {LiveTraits & { layout_: Layout, scene: Scene, picture: string }} MicroscopeTraits
 */

/** @param {View<MicroscopeTraits>} view */
function render({ model, el }) {
  const layout = model.get("layout_");
  const [fullWidth, fullHeight] = layout.size;
  const scale = Math.min(HEIGHT / fullHeight, 440 / fullWidth);
  const width = fullWidth * scale, height = fullHeight * scale, side = Math.min(width, height, 300);
  const total = Math.max(width + GAP + side, 560);

  const box = document.createElement("div");
  box.className = "phi3lib";
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "Token microscope");
  box.style.cssText = `max-width:100%;width:${total}px;box-sizing:border-box`;
  const canvas = document.createElement("canvas");
  const ratio = window.devicePixelRatio || 1;
  canvas.width = total * ratio;
  canvas.height = (Math.max(height, side) + GAP + RIBBON) * ratio;
  canvas.style.cssText = "display:block;width:100%;cursor:crosshair;touch-action:manipulation";
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "Token microscope: the picture and its tokens");
  const keysSaid = document.createElement("span"); // heard after the name, and only where descriptions are wanted
  keysSaid.hidden = true;
  keysSaid.id = `phi3lib-${Math.random().toString(36).slice(2)}-keys`;
  keysSaid.textContent =
    "Left and right arrow: along the sequence. Up and down: by rows. Page Up and Page Down: by rows of crops. Home and End: first and last token. Click: tokens of a place.";
  canvas.setAttribute("aria-describedby", keysSaid.id);
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = "0";
  slider.max = String(layout.count - 1);
  slider.style.width = "100%";
  slider.setAttribute("aria-label", "Place in the token sequence");
  const words = document.createElement("div");
  words.className = "phi3lib-words";
  words.style.minHeight = "2.8em";
  words.setAttribute("role", "status");
  box.append(canvas, keysSaid, legend(layout.colors), slider, words);
  const leave = attend({ model, el }, box);

  const picture = new Image();
  picture.onload = draw;
  picture.src = model.get("picture");
  const pen = context(canvas);
  /** @type {number[] | null} where the pointer is, in pixels of the padded picture */
  let pointed = null;

  function draw() {
    const scene = model.get("scene");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(picture, 0, 0, width, height);
    pen.drawImage(picture, width + GAP, 0, side, side);
    hatch(0, 0, width, height);
    hatch(width + GAP, 0, side, side);
    lines(0, 0, width, height, layout.rows, layout.cols, layout.colors["crop"], 1.5);
    lines(width + GAP, 0, side, side, layout.tokens, layout.tokens, layout.colors["global view"], 0.5);
    if (pointed) {
      cell(pointed, 0, 0, width, height, layout.rows * layout.tokens, layout.cols * layout.tokens, layout.colors["crop"]);
      cell(pointed, width + GAP, 0, side, side, layout.tokens, layout.tokens, layout.colors["global view"]);
    }
    if (scene.box) {
      mark(scene.box, 0, 0, width / fullWidth, height / fullHeight);
      mark(scene.box, width + GAP, 0, side / fullWidth, side / fullHeight);
    }
    ribbon(scene.index);
    slider.value = String(scene.index);
    slider.setAttribute("aria-valuetext", scene.sentence);
    words.textContent = scene.sentence;
  }

  // A grid over a view that is drawn at (left, top) as w × h.
  /**
   * @param {number} left @param {number} top @param {number} w @param {number} h @param {number} rows @param {number} cols
   * @param {string} color @param {number} thickness
   */
  function lines(left, top, w, h, rows, cols, color, thickness) {
    pen.strokeStyle = color;
    pen.lineWidth = thickness;
    for (let row = 0; row <= rows; row++) stroke(left, top + (h * row) / rows, left + w, top + (h * row) / rows);
    for (let col = 0; col <= cols; col++) stroke(left + (w * col) / cols, top, left + (w * col) / cols, top + h);
  }

  // The white strips around the picture, in a view that is drawn at (left, top) as w × h.
  /** @param {number} left @param {number} top @param {number} w @param {number} h */
  function hatch(left, top, w, h) {
    const [before, above, behind, below] = layout.padding;
    const across = w / fullWidth, down = h / fullHeight;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, w, above * down);
    pen.rect(left, top + h - below * down, w, below * down);
    pen.rect(left, top, before * across, h);
    pen.rect(left + w - behind * across, top, behind * across, h);
    pen.clip();
    pen.strokeStyle = layout.paddingColor;
    pen.lineWidth = 1;
    for (let x = -h; x < w; x += 8) stroke(left + x, top + h, left + x + h, top);
    pen.restore();
  }

  // The token's cell under the pointer, in a view that is drawn at (left, top) as w × h.
  /**
   * @param {number[]} pointed @param {number} left @param {number} top @param {number} w @param {number} h
   * @param {number} rows @param {number} cols @param {string} color
   */
  function cell(pointed, left, top, w, h, rows, cols, color) {
    const row = Math.floor((pointed[1] / fullHeight) * rows), col = Math.floor((pointed[0] / fullWidth) * cols);
    /** @type {Rectangle} */
    const place = [left + (w * col) / cols, top + (h * row) / rows, w / cols, h / rows];
    pen.fillStyle = PALETTE.paperVeil;
    pen.fillRect(...place);
    pen.lineWidth = 2;
    pen.strokeStyle = color;
    pen.strokeRect(...place);
  }

  /** @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 */
  function stroke(x0, y0, x1, y1) {
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
    pen.stroke();
  }

  /** @param {number[]} box @param {number} left @param {number} top @param {number} across @param {number} down */
  function mark([x0, y0, x1, y1], left, top, across, down) {
    /** @type {Rectangle} */
    const place = [left + x0 * across, top + y0 * down, (x1 - x0) * across, (y1 - y0) * down];
    pen.lineWidth = 5;
    pen.strokeStyle = PALETTE.figurePaper;
    pen.strokeRect(...place);
    pen.lineWidth = 2.5;
    pen.strokeStyle = layout.here;
    pen.strokeRect(...place);
  }

  /** @param {number} index */
  function ribbon(index) {
    const top = Math.max(height, side) + GAP + 10;
    for (const [start, length, kind] of layout.runs) {
      const left = (start / layout.count) * total, w = (length / layout.count) * total;
      paint(pen, kind, layout.colors[kind], left, top, Math.max(w, WIDTHS[kind] ?? 0));
    }
    const x = ((index + 0.5) / layout.count) * total;
    pen.fillStyle = layout.here;
    pen.beginPath();
    pen.moveTo(x, top - 2);
    pen.lineTo(x - 6, top - 12);
    pen.lineTo(x + 6, top - 12);
    pen.fill();
    pen.fillRect(x - 1, top - 2, 2, 24);
  }

  const send = (/** @type {string} */ what, /** @type {number | number[]} */ value) => model.send({ do: what, value });
  /** @type {Record<string, [string, number]>} */
  const keys = {
    ArrowLeft: ["move", -1], ArrowRight: ["move", 1], ArrowUp: ["row", -1], ArrowDown: ["row", 1],
    PageUp: ["row", -layout.tokens], PageDown: ["row", layout.tokens],
    Home: ["go", 0], End: ["go", layout.count - 1],
  };
  canvas.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    send(...keys[event.key]);
  });
  // No key may reach Jupyter's command mode, where arrows leave the cell and letters delete it.
  box.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
  slider.addEventListener("input", () => send("go", Number(slider.value)));
  // An event's place on the canvas as it was drawn, before CSS stretched it.
  /** @param {MouseEvent} event */
  function onCanvas(event) {
    const shown = canvas.getBoundingClientRect(), zoom = total / shown.width;
    return [(event.clientX - shown.left) * zoom, (event.clientY - shown.top) * zoom];
  }

  // A place on the canvas in pixels of the padded picture, or null beside both views.
  /** @param {number[]} at */
  function onPicture([x, y]) {
    const place = x > width ? [((x - width - GAP) / side) * fullWidth, (y / side) * fullHeight] : [x / scale, y / scale];
    const inside = place[0] >= 0 && place[1] >= 0 && place[0] < fullWidth && place[1] < fullHeight;
    return inside ? place : null;
  }

  canvas.addEventListener("pointermove", (event) => {
    pointed = onPicture(onCanvas(event));
    draw();
  });
  canvas.addEventListener("pointerleave", () => {
    pointed = null;
    draw();
  });
  canvas.addEventListener("click", (event) => {
    canvas.focus();
    const [x, y] = onCanvas(event), place = onPicture([x, y]);
    if (y > Math.max(height, side) + GAP / 2) return send("go", Math.floor((x / total) * layout.count));
    if (!place) return;
    const across = ((place[0] - layout.padding[0]) * layout.original[0]) / layout.resized[0];
    const down = ((place[1] - layout.padding[1]) * layout.original[1]) / layout.resized[1];
    const onThePicture = across >= 0 && down >= 0 && across < layout.original[0] && down < layout.original[1];
    if (!onThePicture) words.textContent = "Padding: white pixels around the picture, which nothing was drawn on.";
    else send("look", [Math.floor(across), Math.floor(down)]);
  });
  model.on("change:scene", draw);
  return () => {
    leave();
    model.off("change:scene", draw);
  };
}

// A stretch of the ribbon. Each kind has a form of its own besides its color: crops are plain, the global
// view is dotted, row separators are short teeth, the view separator is a long one.
/** @type {Partial<Record<string, number>>} */
const WIDTHS = { "row separator": 1, "view separator": 3 };
/** @type {Partial<Record<string, number>>} how many pixels a tooth is higher than the ribbon */
const BEYOND = { "row separator": 6, "view separator": 12 };

/**
 * @param {CanvasRenderingContext2D} pen @param {string} kind @param {string} color
 * @param {number} left @param {number} top @param {number} w
 */
function paint(pen, kind, color, left, top, w) {
  const beyond = BEYOND[kind] ?? 0;
  pen.fillStyle = color;
  pen.fillRect(left, top - beyond / 2, w, 20 + beyond);
  if (kind !== "global view") return;
  pen.fillStyle = PALETTE.black;
  for (let x = left + 3; x < left + w - 1; x += 6) for (const y of [5, 10, 15]) pen.fillRect(x, top + y, 1.5, 1.5);
}

/** @param {Record<string, string>} colors */
function legend(colors) {
  const list = document.createElement("ul");
  list.className = "phi3lib-legend";
  for (const [kind, color] of Object.entries(colors)) {
    const sample = document.createElement("canvas"), item = document.createElement("li");
    sample.width = sample.height = 30;
    sample.style.cssText = "width:24px;height:24px";
    sample.setAttribute("aria-hidden", "true");
    const tooth = WIDTHS[kind], w = tooth ? tooth + 2 : 24;
    paint(context(sample), kind, color, (30 - w) / 2, 5, w);
    item.append(sample, kind);
    list.append(item);
  }
  return list;
}

export default { render };

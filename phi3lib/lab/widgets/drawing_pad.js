// @ts-check
// The drawing pad: a canvas, colors, a file chooser. The picture goes to Python as a PNG; what the models
// make of it comes back and is shown as text and thumbnails.
/**
 * What the models found; `taken`: the picture was read.
 * @typedef {{ sentence: string, near: { src: string, text: string }[], taken: boolean }} Findings
 * @typedef {LiveTraits & { side: number, colors: Record<string, string>, picture: string, measured: string,
 *   examples: { src: string, text: string }[], findings: Findings }} PadTraits
 */

/** @param {View<PadTraits>} view */
function render({ model, el }) {
  const side = model.get("side");
  const canvas = make("canvas", { width: side, height: side });
  canvas.style.cssText = `width:${side}px;height:${side}px;border:1px solid var(--border);touch-action:none;cursor:crosshair`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Drawing pad. Draw with the pointer, or open a picture with the button beside it.");
  const pen = context(canvas);
  pen.lineCap = pen.lineJoin = "round";

  const color = make("select");
  for (const name of Object.keys(model.get("colors"))) color.append(make("option", { value: name, textContent: name }));
  color.value = "black";
  const width = make("input", { type: "range", min: 2, max: 40, value: 8 });
  const clear = make("button", { type: "button", textContent: "Clear" });
  const look = make("button", { type: "button", textContent: "What is it?" });
  const file = make("input", { type: "file", accept: "image/*" });
  const row = (/** @type {string} */ text, /** @type {HTMLElement} */ control) => make("label", {}, make("div", { textContent: text }), control);
  const buttons = make("div", {}, clear, " ", look);
  const tools = make("div", {}, row("Color", color), row("Width of the pen", width), buttons, row("Open a picture", file));
  tools.style.cssText = "display:flex;flex-direction:column;gap:10px;align-items:flex-start";

  const words = make("div", { className: "phi3lib-words" });
  words.setAttribute("role", "status");
  const near = make("div");
  near.style.cssText = "display:flex;gap:12px;flex-wrap:wrap;min-height:96px";
  // Drawings by people: a click puts one on the pad.
  const examples = make("div");
  examples.style.cssText = "display:flex;gap:6px;flex-wrap:wrap;align-items:center";
  if (model.get("examples").length) examples.append("Drawings by people: ");
  for (const one of model.get("examples")) {
    const button = make("button", { type: "button", title: `Put on the pad: ${one.text}` });
    button.setAttribute("aria-label", `Put a person's drawing on the pad: ${one.text}`);
    button.style.cssText = `padding:1px;line-height:0;background:${model.get("colors").white};border:1px solid var(--border);cursor:pointer`;
    button.append(make("img", { src: one.src, alt: "", width: 44, height: 44 }));
    button.addEventListener("click", () => put(one.src, ask));
    examples.append(button);
  }
  const measured = make("p", { textContent: model.get("measured") });
  measured.style.cssText = "max-width:60em;margin:6px 0";
  const top = make("div", {}, canvas, tools);
  top.style.cssText = "display:flex;gap:16px;flex-wrap:wrap";
  const root = make("div", { className: "phi3lib" }, top, examples, words, near, measured);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Drawing pad");
  const leave = attend({ model, el }, root);

  // Keys on the controls must not reach Jupyter's command mode; Ctrl+S and the like pass.
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });

  function fill() {
    pen.fillStyle = model.get("colors").white;
    pen.fillRect(0, 0, side, side);
  }

  /** @param {string} source @param {() => void} then */
  function put(source, then = () => {}) {
    const picture = new Image();
    picture.onload = () => {
      const scale = Math.min(side / picture.width, side / picture.height);
      fill();
      pen.drawImage(picture, (side - picture.width * scale) / 2, (side - picture.height * scale) / 2,
        picture.width * scale, picture.height * scale);
      then();
    };
    picture.onerror = () => (words.textContent = "This file is no picture that the browser can read.");
    picture.src = source;
  }

  // One question at a time: what is drawn while Python looks is asked for when the answer is there.
  let /** @type {string | null} */ asked = null, again = false;
  function ask() {
    words.textContent = "Looking …";
    again = asked !== null;
    if (again) return;
    asked = canvas.toDataURL("image/png");
    model.send({ picture: asked });
  }
  /** @param {PointerEvent} event @returns {[number, number]} where it is on the canvas */
  const place = (event) => {
    const shown = canvas.getBoundingClientRect(), zoom = side / canvas.clientWidth;
    return [(event.clientX - shown.left - canvas.clientLeft) * zoom, (event.clientY - shown.top - canvas.clientTop) * zoom];
  };

  let drawing = false;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drawing = true;
    canvas.setPointerCapture(event.pointerId);
    pen.strokeStyle = model.get("colors")[color.value];
    pen.lineWidth = Number(width.value);
    pen.beginPath();
    pen.moveTo(...place(event));
    pen.lineTo(...place(event));
    pen.stroke();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    pen.lineTo(...place(event));
    pen.stroke();
  });
  const lift = () => {
    if (drawing) ask();
    drawing = false;
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  clear.addEventListener("click", () => {
    fill();
    again = false;
    words.textContent = "An empty pad. Draw something.";
    near.replaceChildren();
  });
  look.addEventListener("click", ask);
  file.addEventListener("change", () => {
    const reader = new FileReader();
    reader.onload = () => put(String(reader.result), ask);
    if (file.files?.length) reader.readAsDataURL(file.files[0]);
  });
  file.addEventListener("click", () => (file.value = "")); // so that the same file can be opened once more

  function show() {
    const found = model.get("findings");
    words.textContent = found.sentence;
    near.replaceChildren(
      ...found.near.map((one) => {
        const picture = make("img", { src: one.src, alt: "", width: 72 });
        picture.style.margin = "0 auto";
        const figure = make("figure", {}, picture, make("figcaption", { textContent: one.text }));
        figure.style.cssText = "margin:0;text-align:center;max-width:110px";
        return figure;
      }),
    );
  }
  function hear() {
    const shown = model.get("picture"), ofAnotherView = shown !== asked && model.get("findings").taken;
    if (ofAnotherView) put(shown);
    asked = null;
    show();
    if (again) ask();
  }
  fill();
  put(model.get("picture"));
  show();
  model.on("change:findings", hear);
  return () => {
    leave();
    model.off("change:findings", hear);
  };
}

export default { render };

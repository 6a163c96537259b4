// The drawing pad: a canvas, colours, a file chooser. The picture goes to Python as a PNG; what the models
// make of it comes back and is shown as text and thumbnails.
function render({ model, el }) {
  const side = model.get("side");
  const make = (name, parts = {}, ...children) => {
    const node = Object.assign(document.createElement(name), parts);
    node.append(...children);
    return node;
  };

  const canvas = make("canvas", { width: side, height: side });
  canvas.style.cssText = `width:${side}px;max-width:100%;border:1px solid #767676;touch-action:none;cursor:crosshair`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Drawing pad. Draw with the pointer, or open a picture with the button beside it.");
  const pen = canvas.getContext("2d");
  pen.lineCap = pen.lineJoin = "round";

  const colour = make("select");
  for (const name of Object.keys(model.get("colours"))) colour.append(make("option", { value: name, textContent: name }));
  colour.value = "black";
  const width = make("input", { type: "range", min: 2, max: 40, value: 8 });
  const clear = make("button", { textContent: "Clear" });
  const look = make("button", { textContent: "What is it?" });
  const file = make("input", { type: "file", accept: "image/*" });
  const row = (text, control) => make("label", {}, make("div", { textContent: text }), control);
  const tools = make("div", {}, row("Colour", colour), row("Width", width), clear, look, row("Open a picture", file));
  tools.style.cssText = "display:flex;flex-direction:column;gap:8px;align-items:flex-start";

  const words = make("div");
  words.setAttribute("role", "status");
  words.setAttribute("aria-live", "polite");
  const near = make("div");
  near.style.cssText = "display:flex;gap:8px;flex-wrap:wrap";
  const top = make("div", {}, canvas, tools);
  top.style.cssText = "display:flex;gap:16px;flex-wrap:wrap";
  el.append(make("div", {}, top, words, near));

  // Keys on the controls must not reach Jupyter's command mode.
  tools.addEventListener("keydown", (event) => event.stopPropagation());

  function fill() {
    pen.fillStyle = "white";
    pen.fillRect(0, 0, side, side);
  }

  function put(source) {
    const picture = new Image();
    picture.onload = () => {
      const scale = Math.min(side / picture.width, side / picture.height);
      fill();
      pen.drawImage(picture, (side - picture.width * scale) / 2, (side - picture.height * scale) / 2,
        picture.width * scale, picture.height * scale);
      if (source !== model.get("picture")) ask();
    };
    picture.onerror = () => (words.textContent = "This file is no picture that the browser can read.");
    picture.src = source;
  }

  const ask = () => {
    words.textContent = "Looking …";
    model.send({ picture: canvas.toDataURL("image/png") });
  };
  const place = (event) => {
    const shown = canvas.getBoundingClientRect(), zoom = side / shown.width;
    return [(event.clientX - shown.left) * zoom, (event.clientY - shown.top) * zoom];
  };

  let drawing = false;
  canvas.addEventListener("pointerdown", (event) => {
    drawing = true;
    canvas.setPointerCapture(event.pointerId);
    pen.strokeStyle = model.get("colours")[colour.value];
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
  canvas.addEventListener("pointerup", () => {
    if (drawing) ask();
    drawing = false;
  });
  clear.addEventListener("click", () => {
    fill();
    words.textContent = "";
    near.replaceChildren();
  });
  look.addEventListener("click", ask);
  file.addEventListener("change", () => {
    const reader = new FileReader();
    reader.onload = () => put(reader.result);
    if (file.files.length) reader.readAsDataURL(file.files[0]);
  });

  function show() {
    const found = model.get("findings");
    words.textContent = found.sentence;
    near.replaceChildren(
      ...found.near.map((one) => {
        const picture = make("img", { src: one.src, alt: "", width: 72 });
        return make("figure", { style: "margin:0;text-align:center" }, picture, make("figcaption", { textContent: one.text }));
      }),
    );
  }
  const complain = () => model.get("problem") && (words.textContent = model.get("problem"));
  fill();
  put(model.get("picture"));
  show();
  model.on("change:findings", show);
  model.on("change:problem", complain);
  return () => {
    model.off("change:findings", show);
    model.off("change:problem", complain);
  };
}

export default { render };

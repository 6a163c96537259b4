// @ts-check
// An instrument's page: the browser's own controls with their labels, a sentence that is read out, a picture.
/**
 * A control as Python describes it, and what is on the page of it: a slider or a choice sends a place among `texts`.
 * @typedef {string | number | boolean} Value
 * @typedef {{ kind: keyof typeof builders, name: string, label: string, texts: string[] }} Spec
 * @typedef {{ name: string, nodes: HTMLElement[], put: (value: Value) => void }} Control
 * @typedef {(name: string, value: Value) => void} Change
 * @typedef {LiveTraits & { title: string, controls: Spec[], values: Record<string, Value>, picture: string,
 *   sentence: string, drawing: boolean }} PanelTraits
 */

/** @param {View<PanelTraits>} view */
function render({ model, el }) {
  const prefix = `phi3lib-${Math.random().toString(36).slice(2)}`; // of this view alone
  const controls = model.get("controls").map((spec) => builders[spec.kind](spec, `${prefix}-${spec.name}`, change));
  const words = make("div", { className: "phi3lib-words", id: `${prefix}-words` });
  words.setAttribute("role", "status");
  const picture = make("img", { alt: `${model.get("title")}: the picture of the sentence above` });
  picture.setAttribute("aria-describedby", words.id);
  const tools = make("div", { className: "phi3lib-controls" }, ...controls.flatMap((one) => one.nodes));
  const root = make("div", { className: "phi3lib" }, tools, words, picture);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", model.get("title"));
  root.addEventListener("keydown", keepFromJupyter);
  const leave = attend({ model, el }, root);

  /** @type {Change} */
  function change(name, value) {
    model.set("values", { ...model.get("values"), [name]: value });
    model.save_changes();
  }
  function putValues() {
    const values = model.get("values");
    for (const control of controls) control.put(values[control.name]);
  }
  function show() {
    picture.src = model.get("picture");
    picture.className = model.get("drawing") ? "phi3lib-drawing" : "";
    words.textContent = model.get("sentence");
  }
  putValues();
  show();
  model.on("change:values", putValues);
  model.on("change:picture change:sentence", show);
  return () => {
    leave();
    model.off("change:values", putValues);
    model.off("change:picture change:sentence", show);
  };
}

// Keys on a control are for it: letters and arrows would delete or leave cells. Ctrl+S and the like pass.
/** @param {KeyboardEvent} event */
function keepFromJupyter(event) {
  if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
}

/** @param {Spec} spec @param {string} id @param {HTMLElement} control @returns {HTMLElement[]} */
const labelled = (spec, id, control, readout = make("span")) => [
  make("label", { htmlFor: id, textContent: spec.label }),
  Object.assign(control, { id }),
  readout,
];

const builders = {
  /** @param {Spec} spec @param {string} id @param {Change} change @returns {Control} */
  slider(spec, id, change) {
    const last = spec.texts.length - 1;
    const range = make("input", { type: "range", min: 0, max: last, step: 1, disabled: last === 0 });
    const readout = make("span");
    readout.setAttribute("aria-hidden", "true"); // the slider says it itself
    const write = () => {
      const said = spec.texts[Number(range.value)];
      readout.textContent = said;
      range.setAttribute("aria-valuetext", said);
    };
    range.addEventListener("input", () => {
      write();
      change(spec.name, Number(range.value));
    });
    const put = (/** @type {Value} */ value) => {
      range.value = String(value);
      write();
    };
    return { name: spec.name, nodes: labelled(spec, id, range, readout), put };
  },

  /** @param {Spec} spec @param {string} id @param {Change} change @returns {Control} */
  choice(spec, id, change) {
    const list = make("select", {}, ...spec.texts.map((text, place) => make("option", { value: place, textContent: text })));
    list.addEventListener("change", () => change(spec.name, Number(list.value)));
    return { name: spec.name, nodes: labelled(spec, id, list), put: (value) => (list.value = String(value)) };
  },

  /** @param {Spec} spec @param {string} id @param {Change} change @returns {Control} */
  text(spec, id, change) {
    const line = make("input", { type: "text", autocomplete: "off" });
    line.addEventListener("change", () => change(spec.name, line.value));
    return { name: spec.name, nodes: labelled(spec, id, line), put: (value) => (line.value = String(value)) };
  },

  /** @param {Spec} spec @param {string} id @param {Change} change @returns {Control} */
  tick(spec, id, change) {
    const box = make("input", { type: "checkbox" });
    box.addEventListener("change", () => change(spec.name, box.checked));
    return { name: spec.name, nodes: labelled(spec, id, box), put: (value) => (box.checked = Boolean(value)) };
  },
};

export default { render };

// @ts-check
// Elements of a page. All text goes in as text, never as markup.

/**
 * @template {keyof Tags} Tag
 * @param {Tag} tag
 * @param {Parts<Tag>} [parts]
 * @param {...(Node | string)} children
 * @returns {Tags[Tag]}
 */
function make(tag, { on = {}, style = {}, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  Object.assign(element.style, style);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) Object.assign(element, { [name]: value });
    else element.setAttribute(name, String(value));
  }
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, /** @type {EventListener} */ (listener));
  element.append(...children);
  return element;
}

/** The pen of a canvas. @param {HTMLCanvasElement} canvas */
function context(canvas) {
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("this browser has no canvas");
  return pen;
}

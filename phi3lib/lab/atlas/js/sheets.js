// @ts-check
// The sheets of thumbnails. A sheet is text until a picture on it is drawn for the first time; then it is decoded.
// When many are held, those that no view has drawn for longest are let go, and their memory with them. To draw every
// picture at once there are small copies of the sheets: those of 20,000 pictures have 21 MB.

const HELD = 32_000_000, LATELY = 8, SMALL = 16, AT_ONCE = 8; // bytes of decoded sheets; drawings of maps that count as recent; the side of a small picture; copies between drawings

class Sheets {
  /** @param {Model<AtlasTraits>} model @param {() => void} changed is called when a sheet can be drawn */
  constructor(model, changed) {
    this.model = model;
    this.changed = changed;
    /** @type {Map<number, {image: ImageBitmap, drawn: number}>} the one drawn longest ago first */
    this.held = new Map();
    /** @type {Map<number, Promise<void>>} */
    this.coming = new Map();
    /** @type {Map<number, HTMLCanvasElement | null>} small copies; null: on its way, or never there */
    this.small = new Map();
    this.copying = Promise.resolve();
    this.drawing = 0;
    this.decoded = 0;
  }

  get count() {
    const sheets = this.model.get("sheets") || 0;
    return typeof sheets === "number" ? sheets : sheets.length;
  }

  // A map is drawn anew: what was not drawn for some drawings may be let go.
  begin() { this.drawing += 1; }

  // A sheet that can be drawn, or null: then it is decoded, and `changed` is called.
  /** @param {number} number */
  image(number) {
    const one = this.held.get(number);
    if (!one) { this.ready(number); return null; }
    one.drawn = this.drawing;
    this.held.delete(number);
    this.held.set(number, one);
    return one.image;
  }

  // A small copy of a sheet, or null: then it is made, one after the other, and `changed` is called now and then.
  /** @param {number} number @param {number} side of the sheet's pictures, in a row */
  smallImage(number, side) {
    const one = this.small.get(number);
    if (one === undefined) {
      this.small.set(number, null);
      this.copying = this.copying.then(() => this.copy(number, side)).catch(() => {});
    }
    return one || null;
  }

  /** @param {number} number @param {number} side */
  async copy(number, side) {
    const held = this.held.get(number), image = held ? held.image : await createImageBitmap(blobOf(await this.text(number)));
    const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
    [canvas.width, canvas.height] = [SMALL * side, Math.round((SMALL * side * image.height) / image.width)];
    pen.imageSmoothingQuality = "high";
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    if (!held) { image.close(); this.decoded += 1; }
    this.small.set(number, canvas);
    const left = [...this.small.values()].filter((one) => !one).length;
    if (left % AT_ONCE === 0) this.changed();
  }

  // When a sheet can be drawn; never for one that cannot be decoded.
  /** @param {number} number */
  ready(number) {
    if (!this.coming.has(number)) this.coming.set(number, this.decode(number).catch(() => {}));
    return /** @type {Promise<void>} */ (this.coming.get(number));
  }

  /** @param {number} number */
  async decode(number) {
    const image = await createImageBitmap(blobOf(await this.text(number)));
    this.decoded += 1;
    this.held.set(number, { image, drawn: this.drawing });
    this.release();
    this.changed();
  }

  // In a file, sheets come last: a view may be there before them.
  /** @param {number} number */
  async text(number) {
    const sheets = this.model.get("sheets");
    if (typeof sheets !== "number") return sheets[number];
    if (document.readyState === "loading" && !sheetElement(number + 1)) await new Promise((done) => document.addEventListener("DOMContentLoaded", done, { once: true }));
    return (sheetElement(number)?.textContent || "").trim();
  }

  bytes() { return [...this.held.values()].reduce((sum, { image }) => sum + 4 * image.width * image.height, 0); }

  // Never one that a view has just drawn, so that a view of many sheets does not decode them again and again.
  release() {
    let bytes = this.bytes();
    for (const [number, { image, drawn }] of this.held) {
      if (bytes <= HELD || drawn > this.drawing - LATELY) return;
      bytes -= 4 * image.width * image.height;
      this.drop(number, image);
    }
  }

  /** @param {number} number @param {ImageBitmap} image */
  drop(number, image) {
    image.close();
    this.held.delete(number);
    this.coming.delete(number);
  }

  forget() {
    this.small.clear();
    for (const [number, { image }] of this.held) this.drop(number, image);
  }
}

/** @param {number} number */
const sheetElement = (number) => document.getElementById(`sheet-${number}`);

/** The bytes of a data URI, without asking the browser to load it: a page's policy need not allow that. @param {string} uri */
function blobOf(uri) {
  const [head, letters] = uri.split(","), type = head.slice(5).split(";")[0];
  return new Blob([Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0))], { type });
}

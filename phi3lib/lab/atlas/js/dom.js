// @ts-check
// What the page is made of; what needs no rule of its own in atlas.css has no style.

/** @param {string} words @param {(event: MouseEvent) => void} click @param {Parts<"button">} [properties] */
const button = (words, click, properties = {}) => make("button", { type: "button", on: { click }, ...properties }, words);

// A set of buttons of which one is pressed; `set` shows another one as pressed.
function choice(name, options, changed) {
  const buttons = options.map(([value, words, title]) => button(words, () => { set(value); changed(value); }, { title: title || words, value }));
  const set = (value) => buttons.forEach((one) => one.setAttribute("aria-pressed", String(one.value === value)));
  set(options[0][0]);
  return { element: make("span", { className: "choice", role: "group", "aria-label": name }, ...buttons), set };
}

function labeled(words, ...controls) { return make("label", {}, words, ...controls); }

function toggle(words, checked, changed) {
  const box = make("input", { type: "checkbox", checked, on: { change: () => changed(box.checked) } });
  return make("label", { className: "toggle" }, box, words);
}

/** @param {string} name @param {string} text */
function save(name, text) { saveBlob(name, new Blob([text], { type: "text/csv" })); }

/** @param {string} name @param {Blob} blob */
function saveBlob(name, blob) {
  const address = URL.createObjectURL(blob);
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

// Copy a text; this way works where the clipboard's own interface is not allowed: in files and frames.
function copied(root, text) {
  const area = make("textarea", { value: text, style: { position: "fixed", opacity: "0" } }), before = document.activeElement;
  root.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
}

// The thumbnails, on sheets. In a notebook, Python makes a large picture when it is asked for.
class Pictures {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.sheets = new Sheets(app.model, () => app.later("decorate"));
    this.large = new Map();
    this.waiting = new Map();
    this.tabs = new Map();
  }

  get any() { return this.sheets.count > 0; }

  // Width and height of a picture within a square of this side; its thumbnail's margins are left out.
  /** @param {number} point @param {number} side */
  size(point, side) {
    const shape = (this.app.data.spec.shapes[point] || 100) / 100;
    return shape > 1 ? [side, Math.max(side / shape, 2)] : [Math.max(side * shape, 2), side];
  }

  // Which sheet a point's thumbnail is on, and where.
  /** @param {number} point */
  slot(point) {
    const { sheet } = this.app.data.spec, slot = this.app.data.slots[point], within = slot % (sheet * sheet);
    return { number: Math.floor(slot / (sheet * sheet)), column: within % sheet, line: Math.floor(within / sheet) };
  }

  // Whether the sheets of these pictures are more than can be held.
  /** @param {number[]} points */
  tooMany(points) {
    const { sheet, thumb } = this.app.data.spec;
    return new Set(points.map((point) => this.slot(point).number)).size * 4 * (sheet * thumb) ** 2 > HELD;
  }

  // Draw a point's thumbnail around a place, or a small copy of it; false while its sheet is not there yet.
  /** @param {CanvasRenderingContext2D} pen @param {number} point @param {number} across @param {number} down @param {number} side @param {boolean} [small] */
  draw(pen, point, across, down, side, small = false) {
    const { spec } = this.app.data, thumb = small ? SMALL : spec.thumb, { number, column, line } = this.slot(point);
    const image = small ? this.sheets.smallImage(number, spec.sheet) : this.sheets.image(number);
    if (!image) return false;
    const [width, height] = this.size(point, side), [wide, high] = this.size(point, thumb);
    const left = column * thumb + (thumb - wide) / 2, top = line * thumb + (thumb - high) / 2;
    pen.drawImage(image, left, top, wide, high, across - width / 2, down - height / 2, width, height);
    return true;
  }

  // A thumbnail as an element, or null where there are no pictures.
  /** @param {number} point @param {number} side */
  thumb(point, side) {
    if (!this.any) return null;
    const { thumb, ids } = this.app.data.spec, [width, height] = this.size(point, thumb), sides = this.size(point, side);
    const canvas = make("canvas", { width: Math.round(width), height: Math.round(height), role: "img", "aria-label": ids[point], style: { width: `${sides[0]}px`, height: `${sides[1]}px` } });
    const draw = () => this.draw(canvas.getContext("2d"), point, canvas.width / 2, canvas.height / 2, thumb);
    if (!draw()) this.sheets.ready(this.slot(point).number).then(draw);
    return canvas;
  }

  // A picture as large as there is one: the thumbnail at once, in a notebook the picture itself when it comes.
  /** @param {number} point @param {number} side */
  whole(point, side) {
    const small = this.thumb(point, side), { alone } = this.app.model, file = this.file(point);
    if (alone ? !file : !this.app.data.spec.large) return small;
    const place = make("div", { className: "whole" }, ...(small ? [small] : [])), row = this.app.data.row(point);
    const picture = (address) => make("img", { src: address, alt: this.app.data.spec.ids[point] });
    const show = (address) => place.replaceChildren(picture(address));
    if (alone) { this.showFile(picture(file), place); return place; }
    if (this.large.has(row)) show(this.large.get(row));
    else {
      this.waiting.set(row, show);
      this.app.model.send({ do: "picture", row });
    }
    return place;
  }

  // The address of a picture's file beside an exported page.
  file(point) { return (this.app.model.get("files") || [])[point]; }

  // A file that is no longer there leaves the thumbnail.
  showFile(image, place) { image.decode().then(() => place.replaceChildren(image), () => {}); }

  // The tab opens with the press, as browsers want it; the picture follows.
  /** @param {number} point */
  openWhole(point) {
    const row = this.app.data.row(point), tab = window.open("", "_blank");
    if (!tab) { this.app.say("The browser did not open a new tab"); return; }
    tab.document.title = this.app.data.spec.ids[point];
    this.tabs.set(row, tab);
    this.app.model.send({ do: "whole picture", row });
  }

  receive({ picture, whole }, buffers) {
    if (whole !== undefined && buffers.length) this.fillTab(whole, buffers[0]);
    if (picture === undefined || !buffers.length) return;
    this.large.set(picture, URL.createObjectURL(new Blob([buffers[0]], { type: "image/jpeg" })));
    const show = this.waiting.get(picture);
    this.waiting.delete(picture);
    if (show) show(this.large.get(picture));
  }

  /** @param {number} row @param {ArrayBuffer} bytes */
  fillTab(row, bytes) {
    const tab = this.tabs.get(row), address = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
    this.tabs.delete(row);
    this.large.set(`whole ${row}`, address);
    if (tab) tab.location.replace(address);
  }

  forget() {
    this.sheets.forget();
    for (const address of this.large.values()) URL.revokeObjectURL(address);
  }
}

// @ts-check
// Selections that have a name: saved, taken up again and combined. They go to Python and into an exported file.

class Named {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.text = make("input", { type: "text", maxLength: LONGEST_NAME, placeholder: "a name", on: { keydown: (event) => { if (event.key === "Enter") this.save(); } } });
    this.button = button("Save", () => this.save(), { title: "Save the selection under this name" });
    this.list = make("span", { className: "chips" });
    this.element = make("div", { className: "named", role: "group", "aria-label": "Named selections" }, labeled("Name the selection", this.text), this.button, this.list);
    this.fill();
  }

  /** @returns {[string, number[]][]} */
  all() { return this.app.model.get("selections") || []; }
  /** @param {string} name */
  rows(name) { return (this.all().find(([one]) => one === name) || [name, []])[1]; }

  // The name of these rows, if they are just those of a named selection.
  /** @param {number[]} rows */
  nameOf(rows) {
    if (!rows.length) return undefined;
    const picked = new Set(rows), found = this.all().find(([, others]) => others.length === picked.size && others.every((row) => picked.has(row)));
    return found && found[0];
  }

  put(selections) {
    this.app.model.set("selections", selections);
    this.app.model.save_changes();
  }

  save() {
    const name = this.text.value.trim(), rows = this.app.model.get("selected"), others = this.all().filter(([one]) => one !== name);
    if (!rows.length) { this.app.say("Nothing is selected: there is nothing to save"); return; }
    if (!name) { this.app.say("Give the selection a name first"); this.text.focus(); return; }
    if (others.length >= MOST_NAMED) { this.app.say(`There are ${MOST_NAMED} named selections already: remove one first`); return; }
    this.put([...others, [name, rows]]);
    this.text.value = "";
    this.app.say(`“${name}” saved, with ${grouped(rows.length)} pictures`);
  }

  /** @param {string} name */
  remove(name) {
    this.put(this.all().filter(([one]) => one !== name));
    this.app.say(`“${name}” removed; the selection stays`);
    this.text.focus();
  }

  // Those of a link, beside what is there.
  take(named) {
    const names = new Set(named.map(([name]) => name));
    this.put([...this.all().filter(([name]) => !names.has(name)), ...named].slice(0, MOST_NAMED));
  }

  fill() {
    this.list.replaceChildren(...this.all().map(([name, rows]) => this.chip(name, rows)));
    this.sync();
  }

  /** @param {string} name @param {number[]} rows */
  chip(name, rows) {
    const press = (event) => { this.app.put(combined(this.app.model.get("selected"), this.rows(name), this.app.how(event))); };
    const words = `Select “${name}”; with Shift: add; with Alt: take away`;
    return make("span", { className: "chip" },
      make("button", { type: "button", title: words, value: name, on: { click: press } }, make("span", { className: "words" }, name), " ", make("span", { className: "count" }, grouped(rows.length))),
      button("×", () => this.remove(name), { title: `Remove “${name}”`, "aria-label": `Remove “${name}”`, className: "remove" }));
  }

  sync() {
    const rows = this.app.model.get("selected"), now = this.nameOf(rows);
    this.button.disabled = !rows.length;
    for (const one of this.list.querySelectorAll("button[value]")) one.setAttribute("aria-pressed", String(one.getAttribute("value") === now));
  }
}

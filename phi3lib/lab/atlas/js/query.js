// @ts-check
// The field for a whole query in SQL, its answer as a table, and the way from there to a selection. In a notebook
// Python answers; an exported page has SQLite in it, unpacked at the first query.

class Query {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    /** @type {number[] | null} */
    this.rows = null;
    this.waiting = false;
    this.asking = this.asked = ""; // the map that a query, and the answer that is shown, are about
    const id = `phi3lib-sql-${Math.random().toString(36).slice(2)}`, keys = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.ask(); };
    this.error = make("p", { className: "wrong", id });
    this.text = make("textarea", { rows: 3, value: this.example(), maxLength: LONGEST_QUERY, spellcheck: false, autocapitalize: "off", "aria-describedby": id, on: { keydown: keys, input: () => this.fault("") } });
    this.select = button("Select these pictures", (event) => this.take(event), { title: "Select the pictures that the answer names; with Shift: add; with Alt: take away" });
    this.answer = make("div", { "aria-busy": "false" });
    this.stale = make("p", { className: "quiet", style: { display: "none" } }, "This answer is of the map that was shown then. Run the query again for the one that is shown now.");
    const run = make("span", { className: "acts" }, button("Run", () => this.ask(), { title: "Run the query: Control and Enter" }));
    this.element = make("details", { className: "sql" }, make("summary", {}, "Query in SQL"), make("div", {}, labeled("SQL", this.text), this.error, make("div", { className: "asking" }, run, this.help()), this.stale, this.answer));
  }

  // The table's columns, by their names elsewhere on the page, as a query takes them: some are words of SQL.
  names() {
    const fields = [...fieldsOf(this.app.data).keys()], names = sqlNames(fields);
    return new Map(fields.map((field, n) => [field, `\`${names[n].replaceAll("`", "``")}\``]));
  }

  // A query that groups by a column that there is.
  example() {
    const { columns } = this.app.data, text = columns.find(({ type, kinds }) => type === "text" && kinds.length > 1), group = text && this.names().get(text.name);
    return group ? `SELECT ${group}, count(*) AS pictures\nFROM pictures\nGROUP BY ${group} ORDER BY pictures DESC` : "SELECT id\nFROM pictures\nORDER BY id LIMIT 10";
  }

  help() {
    const { data, model } = this.app, columns = ["row", ...this.names().values()].join(", "), line = (words, code = "") => make("p", { className: "quiet" }, words, " ", make("code", {}, code));
    return make("details", { className: "other" }, make("summary", {}, "What can be asked"), make("div", {},
      line("One table,", "pictures"), line("Its columns:", columns),
      line("Missing values are NULL, dates are texts such as '2024-01-31', true is 1 and false 0. An answer with the column row or id can be selected."),
      ...(model.alone ? data.drawn(data.spec.all).map(() => line("The table has the pictures that are drawn here.")) : [])));
  }

  async ask() {
    const { model } = this.app;
    this.fault("");
    this.waiting = true;
    this.asking = this.app.data.shownKey();
    this.answer.setAttribute("aria-busy", "true");
    this.app.say("Running the query …");
    if (!model.alone) { model.send({ do: "sql", text: this.text.value, shown: this.app.data.shown() }); return; }
    try {
      this.receive((await this.engine()).ask(this.text.value));
    } catch (error) {
      this.receive({ error: error.message });
    }
  }

  // SQLite with the table as it stands: what a map keeps changes with the map.
  async engine() {
    const { data } = this.app, now = data.shownKey();
    if (this.filled !== now) this.opened = Sqlite.open(await packedSqlite(), data);
    this.filled = now;
    return this.opened;
  }

  // Another view of the same notebook may have asked.
  /** @param {Answer | {error: string}} answer */
  receive(answer) {
    if (!this.waiting) return;
    this.waiting = false;
    this.answer.setAttribute("aria-busy", "false");
    this.answer.replaceChildren();
    this.asked = "error" in answer ? "" : this.asking;
    this.follow();
    if ("error" in answer) { this.fault(answer.error); return; }
    this.rows = answer.rows;
    this.select.disabled = !answer.rows;
    const shown = `${grouped(answer.cells.length)} of ${grouped(answer.count)} rows shown`;
    const named = answer.rows ? this.select : make("span", { className: "quiet" }, "It names no pictures: an answer with the column row or id can be selected.");
    this.answer.append(this.table(answer, shown), named);
    this.app.say(`${grouped(answer.count)} rows`);
  }

  // Say whether the answer is of another map than the one that is shown: what is kept, and which pictures, may differ.
  follow() { this.stale.style.display = this.asked && this.asked !== this.app.data.shownKey() ? "" : "none"; }

  /** @param {Answer} answer @param {string} shown */
  table({ columns, cells }, shown) {
    const cell = (value) => make("td", { className: value === null ? "quiet" : typeof value === "number" ? "number" : "" }, value === null ? "NULL" : String(value));
    return make("div", { className: "scrolling", tabIndex: 0, role: "region", "aria-label": "Answer to the query" }, make("table", {}, make("caption", {}, shown),
      make("thead", {}, make("tr", {}, ...columns.map((name) => make("th", { scope: "col" }, name)))), make("tbody", {}, ...cells.map((line) => make("tr", {}, ...line.map(cell))))));
  }

  /** @param {MouseEvent} event */
  take(event) { this.app.put(combined(this.app.model.get("selected"), this.rows || [], this.app.how(event))); }

  // What is wrong, beside the query and aloud.
  /** @param {string} words */
  fault(words) {
    this.error.textContent = words;
    this.text.setAttribute("aria-invalid", String(Boolean(words)));
    if (words) { this.text.focus(); this.app.say(words); }
  }
}

// SQLite's program, which an exported page holds as packed text.
async function packedSqlite() {
  const packed = blobOf(document.getElementById("sqlite").textContent.trim()).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(packed).arrayBuffer();
}

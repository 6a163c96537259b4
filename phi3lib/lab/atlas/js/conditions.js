// @ts-check
// The line in which a condition is written, and what it selects.

class Conditions {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    const example = this.example(), id = `phi3lib-where-${Math.random().toString(36).slice(2)}`;
    /** @type {{text: string, rows: number[], key: string} | null} what was selected last, by which condition and on which map */
    this.made = null;
    this.error = make("span", { className: "wrong", id, style: { display: "none" } });
    this.text = make("input", { type: "text", placeholder: example, maxLength: LONGEST_WHERE, spellcheck: false, autocapitalize: "off", autocomplete: "off",
      on: { keydown: (event) => { if (event.key === "Enter") this.ask(event); }, input: () => { this.fault(""); app.address.note(); } } });
    this.text.setAttribute("aria-describedby", id);
    const help = make("details", { className: "other" }, make("summary", {}, "How to write it"), make("div", {}, ...this.help(example)));
    this.element = make("div", { className: "group where", role: "group", "aria-label": "Condition" },
      labeled("Where", this.text), button("Select", (event) => this.ask(event), { title: "Select the pictures for which it is true; with Shift: add; with Alt: take away" }), help, this.error);
  }

  // A condition on columns that there are.
  example() {
    const { columns } = this.app.data, text = columns.find(({ type, kinds }) => type === "text" && kinds.length > 1), asked = new Set((this.app.data.spec.queries || []).map(({ column }) => column)), number = columns.find(({ name, type }) => type === "number" && !asked.has(name));
    const first = text ? `${written(text.name)} = '${text.kinds[0].replaceAll("'", "''")}'` : "name like '%img%'";
    const known = number ? number.values.filter((value) => value !== null) : [];
    return known.length ? `${first} and ${written(number.name)} > ${known[known.length >> 1]}` : first;
  }

  help(example) {
    const columns = [...fieldsOf(this.app.data)].map(([name, make]) => `${written(name)} (${HOLDS[make().type]})`);
    const line = (words, code) => make("p", { className: "quiet" }, words, " ", make("code", {}, code));
    return [
      line("For instance:", example),
      line("Compare with", "= != < <= > >=   in ('a', 'b')   like '%img%'   between 1 and 5   is null"),
      line("Combine with", "and   or   not   ( )"),
      line("Columns:", columns.join(", ")),
      make("p", { className: "quiet" }, "Texts and dates stand in quotes, names of columns with blanks in backticks; in like, % is any text and _ one character."),
    ];
  }

  /** @param {MouseEvent | KeyboardEvent} event */
  ask(event) {
    const { app } = this, { data } = app, how = event instanceof MouseEvent || event.shiftKey ? app.how(event) : app.view.how;
    this.fault("");
    if (data.count < data.spec.all && !app.model.alone) { // Python knows the rows that are not drawn, too
      this.asked = how;
      app.model.send({ do: "where", text: this.text.value, shown: data.shown() });
      return;
    }
    try {
      this.take(this.found(this.text.value), how);
    } catch (error) {
      if (!(error instanceof WhereError)) throw error;
      this.fault(`A${error.message.slice(1)}`, error.at, error.end);
    }
  }

  // The rows that are drawn for which a condition is true. WhereError for one that is not understood.
  /** @param {string} text */
  found(text) {
    const { data } = this.app;
    return pointsWhere(text, fieldsOf(data), data.count).map((point) => data.row(point));
  }

  // The same, and null for one that is not understood.
  /** @param {string} text */
  rows(text) {
    try {
      return this.found(text);
    } catch (error) {
      if (!(error instanceof WhereError)) throw error;
      return null;
    }
  }

  // Whether a selection is just what the condition in the line selects, so that a link may hold the condition in place of it.
  /** @param {number[]} rows */
  selects(rows) {
    const { made } = this, key = this.app.data.shownKey();
    if (!made || made.rows !== rows || made.text !== this.text.value) return false;
    if (made.key !== key && !sameRows(rows, this.rows(made.text))) return false; // what a map keeps changes with the map
    made.key = key;
    return true;
  }

  // Write a condition into the line, with the rows that it has selected.
  /** @param {string} text @param {number[] | null} rows */
  write(text, rows) {
    this.text.value = text;
    this.fault("");
    this.made = rows && { text, rows, key: this.app.data.shownKey() };
  }

  /** @param {number[]} rows @param {string} how */
  take(rows, how) {
    const { app } = this, { spec, count } = app.data, selected = combined(app.model.get("selected"), rows, how);
    this.made = how === "new" ? { text: this.text.value, rows: selected, key: app.data.shownKey() } : null;
    app.put(selected);
    const drawn = count < spec.all && app.model.alone ? " of those that are drawn here" : "";
    app.say(`${grouped(rows.length)} pictures${drawn} fit the condition; ${grouped(selected.length)} selected`);
  }

  /** The answer of Python. @param {{where: number[]}} message */
  receive({ where }) { this.take(where, this.asked || "new"); }

  // What is wrong, beside the line and aloud; what it is about is marked in the line.
  /** @param {string} words @param {number} [at] @param {number} [end] */
  fault(words, at = 1, end = 0) {
    this.error.textContent = words;
    this.error.style.display = words ? "" : "none";
    this.text.setAttribute("aria-invalid", String(Boolean(words)));
    if (!words) return;
    const letters = [...this.text.value], place = (count) => letters.slice(0, count).join("").length;
    this.text.focus();
    this.text.setSelectionRange(place(at - 1), place(end));
    this.app.say(words);
  }
}

/** @param {number[]} one @param {number[] | null} other */
const sameRows = (one, other) => Boolean(other) && one.length === other.length && one.every((row, n) => row === other[n]);

// A column's name as a condition takes it.
/** @param {string} name */
const written = (name) => (/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name) && !RESERVED.has(name.toLowerCase()) ? name : `\`${name.replaceAll("`", "``")}\``);

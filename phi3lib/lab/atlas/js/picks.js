// @ts-check
// The selection's arithmetic: what gestures make of it, the way back and forth, and its file. Rows are those
// of the table, drawn or not.

const MOST_STEPS = 100;

/** What a gesture about these rows makes of the selection. */
function combined(before, rows, how) {
  if (how === "add") return [...new Set([...before, ...rows])];
  if (how === "intersect") {
    const both = new Set(rows);
    return before.filter((row) => both.has(row));
  }
  if (how === "subtract") {
    const away = new Set(rows);
    return before.filter((row) => !away.has(row));
  }
  return [...new Set(rows)];
}

/** All rows of a table of `count` that are not selected. */
function inverted(before, count) {
  const picked = new Set(before);
  return range(count).filter((row) => !picked.has(row));
}

// Selections that were there, for undo and redo; what comes from elsewhere (Python, another view) counts, too.
class Steps {
  constructor(now) {
    this.past = [];
    this.future = [];
    this.now = now;
  }

  note(rows) {
    if (rows.length === this.now.length && rows.every((row, n) => row === this.now[n])) return;
    this.past = [...this.past.slice(1 - MOST_STEPS), this.now];
    this.future = [];
    this.now = rows;
  }

  undo() { return this.step(this.past, this.future); }
  redo() { return this.step(this.future, this.past); }

  step(from, to) {
    if (!from.length) return null;
    to.push(this.now);
    this.now = from.pop();
    return this.now;
  }
}

/** A table as comma-separated values (RFC 4180). */
function commaSeparated(lines) {
  const cell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return lines.map((line) => line.map((value) => cell(String(value))).join(",")).join("\r\n") + "\r\n";
}

/** The selected rows with their names, columns and trust, as lines of a table with a head. */
function tableOf(data, rows) {
  const { ids, keys, label, names, named, rows: drawn } = data.spec, others = data.columns.filter((column) => column.name !== label);
  const of = data.views.length ? ` (${data.how()})` : "", kept = (_, map) => (point) => { const known = data.percent("kept", map, point); return known === null ? "" : `${known}%`; }, shares = names.map(kept);
  const head = ["id", ...(keys ? ["name"] : []), ...(label ? [label] : []), ...others.map((column) => column.name), ...names.map((name) => `${named ? `${name}: ` : ""}neighbors kept${of}`)];
  const line = (point) => [data.id(point), ...(keys ? [ids[point]] : []), ...(label ? [data.kind(point)] : []), ...others.map((column) => data.text(column, point)), ...shares.map((share) => share(point))];
  const undrawn = drawn ? rows.filter((row) => data.point(row) === undefined).map((row) => [`row ${row}`]) : [];
  return [head, ...data.points(rows).map(line), ...undrawn];
}

// @ts-check
// Queries in SQL on an exported page: SQLite itself, as WebAssembly, over the table that sql.py describes, with the
// same limits; tests/lab/atlas/sql.json holds cases that both must pass. This part touches no document.

const LONGEST_QUERY = 10_000, LONGEST_CELL = 100_000, MOST_ANSWERED = 1_000_000, SHOWN = 100, QUERY_SECONDS = 10, MOMENT = 1_000;
const READ = 20, READS = [READ, 21, 31, 33]; // what SQLite asks leave for: to read a column, select, call a function, recur

/**
 * The answer to a query: cells of the first rows, the number of rows, and the rows of pictures that it names.
 * @typedef {{columns: string[], cells: (string | number | null)[][], count: number, rows: number[] | null}} Answer
 * @typedef {{name: string, type: string, literal: (point: number) => string}} SqlColumn
 */

class Sqlite {
  /** @param {BufferSource} program sqlite3.wasm @param {Data} data @param {Map<string, () => Field>} [fields] */
  static async open(program, data, fields = fieldsOf(data)) {
    const memory = new WebAssembly.Memory({ initial: 128, maximum: 32_768 });
    const grow = (bytes) => { try { return memory.grow(Math.ceil((bytes - memory.buffer.byteLength) / 65_536)) && 1; } catch { return 0; } };
    const noLocalTime = () => { throw new Error("local time is not known on a page"); };
    const known = { memory, emscripten_resize_heap: grow, emscripten_get_heap_max: () => 2 ** 31, emscripten_date_now: Date.now, _localtime_js: noLocalTime };
    const outside = new Proxy(known, { get: (has, name) => has[name] || (() => -1) }); // no files, no environment
    const { instance } = await WebAssembly.instantiate(program, { env: outside, wasi_snapshot_preview1: outside });
    return new Sqlite(/** @type {Record<string, any>} */ (instance.exports), memory, data, sqlColumns(data, fields));
  }

  /** @param {Record<string, any>} c SQLite's functions @param {WebAssembly.Memory} memory @param {Data} data @param {SqlColumn[]} columns */
  constructor(c, memory, data, columns) {
    this.c = c;
    this.memory = memory;
    this.data = data;
    this.columns = columns;
    this.end = 0; // when the query that is running has had its time
    c.__wasm_call_ctors();
    this.spot = c.malloc(8); // where SQLite writes addresses
    this.with(":memory:", (name) => c.sqlite3_open(name, this.spot));
    this.database = this.address(0);
    this.fill();
    this.guard();
  }

  // ---------------------------------------------------------------------------------------- memory

  /** @param {number} n */
  address(n) { return new Uint32Array(this.memory.buffer)[(this.spot >> 2) + n]; }

  // Call with the address of a text, and what it returned.
  /** @param {string} text @param {(address: number) => any} call */
  with(text, call) {
    const bytes = new TextEncoder().encode(`${text}\0`), address = this.c.malloc(bytes.length);
    new Uint8Array(this.memory.buffer).set(bytes, address);
    try { return call(address); } finally { this.c.free(address); }
  }

  /** @param {number} address @param {number} [length] else to the first zero */
  text(address, length) {
    const bytes = new Uint8Array(this.memory.buffer);
    return new TextDecoder().decode(bytes.subarray(address, length === undefined ? bytes.indexOf(0, address) : address + length));
  }

  // A function of so many whole numbers, with one as its result, as C calls it: the smallest module that passes it on.
  /** @param {number} count @param {(...numbers: number[]) => number} f */
  callable(count, f) {
    const whole = 0x7f, type = [1, 0x60, count, ...Array(count).fill(whole), 1, whole], name = [1, 0x66];
    const code = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, type.length, ...type, 2, 7, 1, ...name, ...name, 0, 0, 7, 5, 1, ...name, 0, 0];
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(code)), { f: { f } });
    const table = this.c.__indirect_function_table, place = table.grow(1);
    table.set(place, exports.f);
    return place;
  }

  // ---------------------------------------------------------------------------------------- the table

  fill() {
    const { columns } = this, heads = columns.map(({ name, type }) => `"${name.replaceAll('"', '""')}" ${type}`);
    this.run(`CREATE TABLE pictures (${heads.join(", ")})`);
    const points = range(this.data.count), line = (point) => `(${columns.map(({ literal }) => literal(point)).join(", ")})`;
    while (points.length) this.run(`INSERT INTO pictures VALUES ${points.splice(0, 200).map(line).join(", ")}`);
  }

  // From now on nothing but `pictures` is read, for so long.
  guard() {
    const { c, database } = this, foreign = (action, table, column) => action === READ && this.text(column) && this.text(table) !== "pictures";
    c.sqlite3_limit(database, 0, LONGEST_CELL);
    c.sqlite3__wasm_db_config_ip(database, 1013, 1, 0); // "cat" is a text where no column has that name, as in Python
    c.sqlite3_set_authorizer(database, this.callable(6, (_, action, table, column) => Number(!READS.includes(action) || foreign(action, table, column))), 0);
    c.sqlite3_progress_handler(database, MOMENT, this.callable(1, () => Number(performance.now() > this.end)), 0);
  }

  /** @param {string} text */
  run(text) { this.check(this.with(text, (address) => this.c.sqlite3_exec(this.database, address, 0, 0, 0))); }

  // ---------------------------------------------------------------------------------------- a query

  /** @param {string} query @returns {Answer} */
  ask(query) {
    if (!query.trim()) throw new Error("the query is empty; write one such as SELECT count(*) FROM pictures");
    if (query.length > LONGEST_QUERY) throw new Error(`the query has ${grouped(query.length)} characters; it may have ${grouped(LONGEST_QUERY)}`);
    this.requireColumns(query);
    this.end = performance.now() + 1000 * QUERY_SECONDS;
    const statement = this.prepared(query);
    try { return this.answer(statement); } finally { this.c.sqlite3_finalize(statement); }
  }

  // A name in double quotes that is nearly a column's: SQLite takes it for a text.
  /** @param {string} query */
  requireColumns(query) {
    const found = [...query.matchAll(/'(?:[^']|'')*'|(\bas\s+)?"([^"]+)"/gi)].filter(([, , name]) => name), names = this.columns.map(({ name }) => name);
    const known = new Set([...names, ...found.filter(([, given]) => given).map(([, , name]) => name)].map((name) => name.toLowerCase()));
    const nearly = new Set(names.flatMap((name) => [name, name.slice(name.lastIndexOf(": ") + 1)]).map(lettersOf));
    for (const [, , name] of found) if (!known.has(name.toLowerCase()) && nearly.has(lettersOf(name))) throw new Error(this.said(`no such column: ${name}`));
  }

  /** @param {string} query */
  prepared(query) {
    this.with(query, (address) => {
      this.check(this.c.sqlite3_prepare_v2(this.database, address, -1, this.spot, this.spot + 4));
      if (this.text(this.address(1)).trim()) throw new Error("You can only execute one statement at a time.");
    });
    if (!this.address(0)) throw new Error("incomplete input");
    return this.address(0);
  }

  /** @param {number} statement @returns {Answer} */
  answer(statement) {
    const { c } = this, columns = range(c.sqlite3_column_count(statement)), names = columns.map((n) => this.text(c.sqlite3_column_name(statement, n)));
    const by = names.includes("row") ? "row" : "id", naming = names.indexOf(by), named = [], cells = [];
    let count = 0;
    for (; this.stepped(statement); count++) {
      if (count === MOST_ANSWERED) throw new Error(`the answer has more than ${grouped(MOST_ANSWERED)} rows; add a condition or LIMIT 1000`);
      if (count < SHOWN) cells.push(columns.map((n) => this.cell(statement, n)));
      if (naming >= 0) named.push(this.cell(statement, naming));
    }
    return { columns: names, cells, count, rows: naming < 0 ? null : this.rows(by, named) };
  }

  /** @param {number} statement whether there is a further row */
  stepped(statement) {
    const [row, done] = [100, 101], code = this.c.sqlite3_step(statement);
    if (code !== row && code !== done) this.check(code);
    return code === row;
  }

  /** @param {number} statement @param {number} n */
  cell(statement, n) {
    const { c } = this, type = c.sqlite3_column_type(statement, n), [whole, real, text, blob] = [1, 2, 3, 4];
    if (type === text) return this.text(c.sqlite3_column_text(statement, n), c.sqlite3_column_bytes(statement, n));
    if (type === blob) return `${c.sqlite3_column_bytes(statement, n)} bytes`;
    if (type !== whole && type !== real) return null;
    const number = type === whole ? c.sqlite3_column_int64(statement, n) : c.sqlite3_column_double(statement, n);
    return Math.abs(Number(number)) < 2 ** 53 ? Number(number) : String(number);
  }

  // The rows of pictures that these values name; null where one of them does not.
  /** @param {string} by @param {any[]} values */
  rows(by, values) {
    const { data } = this, of = new Map(range(data.count).map((point) => [by === "row" ? data.row(point) : data.id(point), data.row(point)]));
    return values.every((value) => of.has(value)) ? values.map((value) => of.get(value)) : null;
  }

  // What SQLite says is wrong, and what to do about it.
  /** @param {number} code */
  check(code) {
    if (!code) return;
    throw new Error(this.said(this.text(this.c.sqlite3_errmsg(this.database))));
  }

  /** @param {string} words */
  said(words) {
    const about = (...parts) => parts.some((part) => words.includes(part));
    if (about("interrupted")) return `the query was stopped after ${QUERY_SECONDS} seconds; ask for less, with a condition or LIMIT`;
    if (about("authoriz", "prohibited")) return `${words}: a query can only read the table pictures, with SELECT or WITH`;
    if (about("no such table")) return `${words}; there is one table, pictures`;
    return about("no such column") ? `${words}; pictures has: ${this.columns.map(({ name }) => name).join(", ")}` : words;
  }
}

/**
 * The table's columns, each value as it is written in SQL.
 * @param {Data} data @param {Map<string, () => Field>} fields @returns {SqlColumn[]}
 */
function sqlColumns(data, fields) {
  const names = sqlNames([...fields.keys()]), columns = [...fields.values()].map((make, n) => ({ name: names[n], ...sqlValues(make()) }));
  return [{ name: "row", type: "INTEGER PRIMARY KEY", literal: (point) => String(data.row(point)) }, ...columns];
}

// Letters and digits of a name, in one spelling.
/** @param {string} name */
const lettersOf = (name) => name.toLowerCase().replaceAll("our", "or").replace(/[^\p{L}\p{N}]/gu, "");

// Names that stay apart where upper and lower case are the same, and from `row`.
/** @param {string[]} names */
function sqlNames(names) {
  const taken = new Set(["row"]);
  return names.map((given) => {
    const name = given || "unnamed";
    let other = name;
    for (let number = 2; taken.has(other.toLowerCase()); number++) other = `${name} (${number})`;
    taken.add(other.toLowerCase());
    return other;
  });
}

/** @param {Field} field */
function sqlValues(field) {
  const { type, values } = field, quoted = (text) => `'${text.replaceAll("'", "''")}'`, or = (known) => (point) => (values[point] === null || values[point] === NOT_KNOWN ? "NULL" : known(values[point]));
  if (isTruth(field)) return { type: "INTEGER", literal: or((value) => (value === "True" ? "1" : "0")) };
  if (type === "text") return { type: "TEXT", literal: or(quoted) };
  if (type === "date") return { type: "TEXT", literal: or((value) => quoted(momentText(value))) };
  return { type: values.every((value) => value === null || Number.isInteger(value)) ? "INTEGER" : "REAL", literal: or((value) => (Number.isFinite(value) ? String(value) : "NULL")) };
}

// A date as SQLite reads it, no longer than it must be.
/** @param {number} milliseconds */
const momentText = (milliseconds) => new Date(milliseconds).toISOString().slice(0, -1).replace("T", " ").replace(/(?:(?: 00:00)?:00)?\.000$/, "");

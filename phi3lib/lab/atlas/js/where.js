// @ts-check
// Conditions on columns, as in SQL's WHERE: kind = 'cat' and width > 200. The same as where.py, which describes
// them; tests/lab/atlas/where.json holds cases that both must pass. Nothing is evaluated as code. This part
// touches no document.

const LONGEST_WHERE = 2000, DEEPEST = 50, NO = 0, UNKNOWN = 1, YES = 2; // `and` is the least of them, `or` the greatest
const RESERVED = new Set("and or not like in between is null true false".split(" "));
const HOLDS = { number: "numbers", date: "dates", text: "texts" };
const TURNED = { "<": ">", "<=": ">=", ">": "<", ">=": "<=" };
const WHERE_WORDS = /(?<space>\s+)|(?<number>[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)|(?<text>'(?:[^']|'')*'|"(?:[^"]|"")*")|(?<quoted>`(?:[^`]|``)+`)|(?<name>[\p{L}\p{Nl}\p{No}_][\p{L}\p{N}_]*)|(?<sign><=|>=|<>|!=|==|[=<>(),])/uy;
const DATE_WORDS = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?)?)?)?$/;

/**
 * A column that can be asked for; what is missing is null, or of texts "none".
 * @typedef {{type: "text" | "number" | "date", values: (string | number | null)[]}} Field
 * @typedef {{kind: string, text: string, value: any, at: number, end: number}} WhereWord
 */

// What is wrong with a condition, and from which character to which; the first is 1.
class WhereError extends Error {
  /** @param {string} what @param {number} at @param {number} end */
  constructor(what, at, end) {
    super(`at character ${at}: ${what}`);
    this.at = at;
    this.end = end;
  }
}

/**
 * The points for which a condition is true, in their order. WhereError for what is not understood.
 * @param {string} text @param {Map<string, () => Field>} fields @param {number} count @returns {number[]}
 */
function pointsWhere(text, fields, count) {
  const truths = new WhereParser(text, fields, count).parsed(), found = [];
  for (let point = 0; point < count; point++) if (truths[point] === YES) found.push(point);
  return found;
}

/**
 * Everything that the table below the maps shows, by the words above its columns, and the ids.
 * @param {Data} data @returns {Map<string, () => Field>}
 */
function fieldsOf(data) {
  /** @type {Map<string, () => Field>} */
  const fields = new Map(), points = range(data.count), { names, named } = data.spec;
  const add = (name, make) => { if (!fields.has(name)) fields.set(name, make); };
  const percent = (name, map) => () => ({ type: /** @type {const} */ ("number"), values: points.map((point) => data.percent(name, map, point)) });
  for (const column of data.columns) {
    const values = () => (column.type === "text" ? column.codes.map((code) => column.kinds[code]) : column.values);
    add(column.name, () => ({ type: column.type, values: values() }));
  }
  add("name", () => ({ type: "text", values: data.spec.ids }));
  add("id", () => ({ type: "text", values: points.map((point) => data.id(point)) }));
  names.forEach((name, map) => add(named ? `${name}: neighbors kept` : "neighbors kept", percent("kept", map)));
  if (data.share("between", 0)) { add("shared", percent("between", 0)); add("moved", percent("moved", 0)); }
  return fields;
}

/** @param {string} text @returns {WhereWord[]} */
function whereWords(text) {
  const { length } = [...text], /** @type {WhereWord[]} */ words = [];
  if (length > LONGEST_WHERE) throw new WhereError(`the condition has ${length} characters; it may have ${grouped(LONGEST_WHERE)}`, 1, length);
  const number = (place) => [...text.slice(0, place)].length; // of characters, as Python counts them
  for (let place = 0; place < text.length; ) {
    WHERE_WORDS.lastIndex = place;
    const found = WHERE_WORDS.exec(text);
    if (!found) {
      const [sign] = text.slice(place), quote = "'\"`".includes(sign), at = number(place) + 1;
      throw new WhereError(quote ? `the quote ${sign} is not closed` : `${sign} is not understood here`, at, quote ? length : at);
    }
    const [[kind]] = Object.entries(found.groups).filter(([, part]) => part !== undefined);
    if (kind !== "space") words.push(whereWord(kind, found[0], number(place) + 1, number(place + found[0].length)));
    place += found[0].length;
  }
  const end = [...text.trimEnd()].length + 1;
  return [...words, { kind: "end", text: "", value: null, at: end, end }];
}

/** @returns {WhereWord} */
function whereWord(kind, text, at, end) {
  if (kind === "number") return { kind, text, value: Number(text), at, end };
  if (kind === "text" || kind === "quoted") return { kind: kind === "text" ? kind : "column", text, value: text.slice(1, -1).replaceAll(text[0] + text[0], text[0]), at, end };
  if (kind === "name") return { kind: RESERVED.has(text.toLowerCase()) ? "word" : "column", text, value: text, at, end };
  return { kind: "sign", text, value: text, at, end };
}

// One pass over the words, from left to right; each method takes what it is named after.
class WhereParser {
  /** @param {string} text @param {Map<string, () => Field>} fields @param {number} count */
  constructor(text, fields, count) {
    this.words = whereWords(text);
    this.fields = fields;
    this.count = count;
    this.place = 0;
    this.depth = -1; // a test alone is within nothing
  }

  parsed() {
    if (this.now.kind === "end") throw this.wrong("the condition is empty; write one such as width > 200");
    const found = this.either();
    if (this.now.kind !== "end") throw this.wrong(`expected and, or, or the end instead of ${this.now.text}`);
    return found;
  }

  // -------------------------------------------------------------------------------------- words

  get now() { return this.words[this.place]; }

  /** @param {string} what @param {WhereWord} [first] */
  wrong(what, first) {
    const one = first || this.now;
    return new WhereError(what, one.at, Math.max(one.end, one.at));
  }

  // Step over the next word if it is one of these, and return it in lower case; else "".
  /** @param {...string} texts */
  took(...texts) {
    const { kind, text } = this.now, word = kind === "word" || kind === "sign" ? text.toLowerCase() : "";
    if (!texts.includes(word)) return "";
    this.place += 1;
    return word;
  }

  /** @param {string} text */
  need(text) { if (!this.took(text)) throw this.wrong(`expected ${text}${this.instead()}`); }
  instead() { return this.now.kind === "end" ? " at the end" : ` instead of ${this.now.text}`; }

  // -------------------------------------------------------------------------------------- and, or, not

  either() {
    let found = this.both();
    while (this.took("or")) { const other = this.both(); found = found.map((truth, n) => Math.max(truth, other[n])); }
    return found;
  }

  both() {
    let found = this.opposite();
    while (this.took("and")) { const other = this.opposite(); found = found.map((truth, n) => Math.min(truth, other[n])); }
    return found;
  }

  /** @returns {Uint8Array} */
  opposite() {
    this.depth += 1;
    if (this.depth > DEEPEST) throw this.wrong(`more than ${DEEPEST} parentheses and nots within each other`);
    const found = this.took("not") ? opposed(this.opposite()) : this.took("(") ? this.inside() : this.test();
    this.depth -= 1;
    return found;
  }

  inside() {
    const found = this.either();
    this.need(")");
    return found;
  }

  // -------------------------------------------------------------------------------------- tests

  test() {
    const left = this.operand(), sign = this.took("=", "==", "!=", "<>", "<", "<=", ">", ">=");
    if (sign) return this.compared(left, sign, this.operand());
    if (this.took("is")) {
      const opposite = Boolean(this.took("not"));
      this.need("null");
      return this.truths(this.field(left), (value) => (value === null || value === NOT_KNOWN) !== opposite, true);
    }
    const start = this.now, opposite = Boolean(this.took("not"));
    for (const [word, test] of /** @type {[string, (left: WhereWord) => Uint8Array][]} */ ([["in", this.among], ["like", this.like], ["between", this.between]])) {
      if (this.took(word)) { const found = test.call(this, left); return opposite ? opposed(found) : found; }
    }
    if (opposite) throw this.wrong(`expected in, like or between${this.instead()}`);
    if (left.kind === "column" && isTruth(this.field(left))) return this.truths(this.field(left), (value) => value === "True");
    throw this.wrong(`expected a comparison such as = or >${this.instead()}`, start);
  }

  operand() {
    const one = this.now, word = one.kind === "word" ? one.text.toLowerCase() : "";
    if (["column", "number", "text"].includes(one.kind) || word === "true" || word === "false") {
      this.place += 1;
      return one;
    }
    throw this.wrong(word === "null" ? "nothing is equal to null; write is null or is not null" : `expected a column or a value${this.instead()}`);
  }

  // The column that a word names: exactly, or whatever the case if that is only one.
  /** @param {WhereWord} word @returns {Field} */
  field(word) {
    if (word.kind !== "column") throw this.wrong(`${word.text} is a value; expected a column`, word);
    const same = this.fields.has(word.value) ? [word.value] : [...this.fields.keys()].filter((name) => name.toLowerCase() === word.value.toLowerCase());
    if (same.length !== 1) throw this.wrong(`there is no column ${word.value}; there are: ${[...this.fields.keys()].join(", ")}`, word);
    return this.fields.get(same[0])();
  }

  // What a column is compared with, for each point.
  /** @param {WhereWord} word @param {Field} field @param {WhereWord} of @returns {(point: number) => string | number | null} */
  value(word, field, of) {
    const holds = `${of.value} holds ${HOLDS[field.type]}`;
    if (word.kind === "column") {
      const other = this.field(word);
      if (other.type !== field.type) throw this.wrong(`${holds} and ${word.value} ${HOLDS[other.type]}: they cannot be compared`, word);
      return (point) => other.values[point];
    }
    if (word.kind === "word" && !isTruth(field)) throw this.wrong(`${holds}, not true and false`, word);
    if (field.type === "number" && word.kind !== "number") throw this.wrong(`${holds}; write a number without quotes`, word);
    if (field.type === "text" && word.kind === "number") throw this.wrong(`${holds}; write '${word.text}' in quotes`, word);
    const wanted = field.type === "date" ? this.date(word, of) : word.kind === "word" ? { true: "True", false: "False" }[word.text.toLowerCase()] : word.value;
    return () => wanted;
  }

  /** @param {WhereWord} word @param {WhereWord} of */
  date(word, of) {
    const found = word.kind === "text" ? DATE_WORDS.exec(word.value) : null;
    if (found) {
      const [, year, month = "01", day = "01", hour = "00", minute = "00", second = "00", part = "0"] = found;
      const text = `${year}-${month}-${day}T${hour}:${minute}:${second}.${part.padEnd(3, "0")}`, since = Date.parse(`${text}Z`);
      if (Number.isFinite(since) && new Date(since).toISOString() === `${text}Z`) return since; // else there is no such day
    }
    throw this.wrong(`${of.value} holds dates; write one as '2024-01-31' or '2024-01-31 18:30'`, word);
  }

  /** @param {WhereWord} left @param {string} sign @param {WhereWord} right @returns {Uint8Array} */
  compared(left, sign, right) {
    if (left.kind !== "column") {
      if (right.kind !== "column") throw this.wrong("two values are compared; one side must be a column", left);
      return this.compared(right, TURNED[sign] || sign, left);
    }
    const field = this.field(left), wanted = this.value(right, field, left);
    const test = { "=": (a, b) => a === b, "==": (a, b) => a === b, "!=": (a, b) => a !== b, "<>": (a, b) => a !== b,
      "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b }[sign];
    return Uint8Array.from(field.values, (value, point) => {
      const other = wanted(point);
      return value === null || other === null ? UNKNOWN : test(value, other) ? YES : NO;
    });
  }

  /** @param {WhereWord} left */
  among(left) {
    const field = this.field(left), wanted = new Set();
    this.need("(");
    do wanted.add(this.value(this.literal(), field, left)(0)); while (this.took(","));
    this.need(")");
    return this.truths(field, (value) => wanted.has(value));
  }

  /** @param {WhereWord} left */
  between(left) {
    const field = this.field(left), low = this.value(this.literal(), field, left)(0);
    this.need("and");
    const high = this.value(this.literal(), field, left)(0);
    return this.truths(field, (value) => value >= low && value <= high);
  }

  literal() {
    const one = this.operand();
    if (one.kind === "column") throw this.wrong(`${one.text} is a column; expected a value, texts in quotes`, one);
    return one;
  }

  /** @param {WhereWord} left */
  like(left) {
    const field = this.field(left), pattern = this.now;
    if (field.type !== "text") throw this.wrong(`${left.value} holds ${HOLDS[field.type]}; like is for texts`, left);
    if (pattern.kind !== "text") throw this.wrong(`expected a pattern in quotes such as 'IMG%'${this.instead()}`);
    this.place += 1;
    const letters = [...pattern.value.toLowerCase()], known = new Map();
    return this.truths(field, (value) => {
      if (!known.has(value)) known.set(value, fitsPattern(letters, [...value.toLowerCase()]));
      return known.get(value);
    });
  }

  // A test of each value; of a missing one there is no answer, unless `all` are asked.
  /** @param {Field} field @param {(value: any) => boolean} test @param {boolean} [all] */
  truths(field, test, all = false) { return Uint8Array.from(field.values, (value) => (value === null && !all ? UNKNOWN : test(value) ? YES : NO)); }
}

/** @param {Uint8Array} truths */
const opposed = (truths) => truths.map((truth) => YES - truth);

/** Whether a column holds true and false. @param {Field} field */
const isTruth = ({ type, values }) => type === "text" && values.every((value) => value === "True" || value === "False" || value === NOT_KNOWN);

// Whether letters fit a pattern with % and _, in as many steps as the product of their lengths: a regular
// expression would take exponentially many for some patterns.
/** @param {string[]} pattern @param {string[]} letters */
function fitsPattern(pattern, letters) {
  let at = 0, place = 0, star = -1, resumed = 0;
  while (place < letters.length) {
    if (pattern[at] === "%") [star, resumed, at] = [at, place, at + 1];
    else if (at < pattern.length && (pattern[at] === "_" || pattern[at] === letters[place])) [at, place] = [at + 1, place + 1];
    else if (star >= 0) { resumed += 1; [at, place] = [star + 1, resumed]; }
    else return false;
  }
  return pattern.slice(at).every((letter) => letter === "%");
}

// @ts-check
// How points are colored: by the kinds of a column, by its values, or by how well a map places them. This part touches
// no document.

/**
 * How points are colored: a place in the palette for each point; what the legend shows. `rows` tell which
 * codes belong to an entry of the legend.
 * @typedef {{codes: ArrayLike<number>, palette: string[], shaped: boolean, title: string, entries: {words: string, code: number, last: number}[]}} Coloring
 */

/** @returns {Coloring} */
function byKinds(title, kinds, codes) {
  const colors = PALETTE.classes;
  const palette = kinds.length ? kinds.map((kind, n) => (kind === NOT_KNOWN ? MISSING : colors[n % colors.length])) : [colors[0]];
  return { title, codes, palette, shaped: true, entries: kinds.map((words, code) => ({ words, code, last: code })) };
}

/** @returns {Coloring} */
function byShares(title, values) {
  const entries = range(10).filter((n) => n % 3 === 0).map((n) => ({ words: n === 9 ? "90% and more" : `${10 * n} to ${10 * n + 29}%`, code: n, last: n === 9 ? 9 : n + 2 }));
  return { title, codes: Uint8Array.from(values, (value) => Math.min(Math.floor(value / 10), 9)), palette: MAGNITUDE, shaped: false, entries };
}

// Numbers and dates on a scale of ten steps from the least to the greatest; what is missing is grey.
/** @param {Column} column @returns {Coloring} */
function byValues(column) {
  const known = column.values.filter((value) => value !== null);
  const low = known.reduce((a, b) => Math.min(a, b), Infinity), high = known.reduce((a, b) => Math.max(a, b), -Infinity);
  const step = (high - low) / 10 || 1, shown = column.type === "date" ? dateText : (value) => String(Number(value.toPrecision(3)));
  const codes = Uint8Array.from(column.values, (value) => (value === null ? 10 : Math.min(Math.floor((value - low) / step), 9)));
  const used = new Set(codes);
  const entries = range(10).filter((n) => used.has(n)).map((n) => ({ words: `${shown(low + n * step)} to ${shown(n === 9 ? high : low + (n + 1) * step)}`, code: n, last: n }));
  if (used.has(10)) entries.push({ words: NOT_KNOWN, code: 10, last: 10 });
  return { title: column.name, codes, palette: [...MAGNITUDE, MISSING], shaped: false, entries };
}

// What colors and the list of ten can be about, and which end of it is the bad one.
function measures(spec) {
  const [first, second] = spec.names;
  const all = { kept: { words: "true neighbors kept on the map", worst: "lowest" } };
  if (spec.lines.wobble) all.wobble = { words: "map neighbors that change with the seed", worst: "highest" };
  if (spec.lines.between) {
    all.between = { words: `neighbors shared by ${first} and ${second}`, worst: "lowest", once: true };
    all.moved = { words: `moved between ${first} and ${second}`, worst: "highest", once: true };
  }
  return all;
}

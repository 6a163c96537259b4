// The parts of the explorer's script that touch no document: run by `node --test` with the palette
// in the environment, see test_scripts.py.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const folder = new URL("../../../phi3lib/lab/atlas/js/", import.meta.url);
const code = process.env.PALETTE_SCRIPT + ["sheets", "data", "colorings", "axes", "plane", "umap", "selection_map", "filters", "where", "names", "density", "picks", "link", "sqlite"].map((part) => readFileSync(new URL(`${part}.js`, folder), "utf8")).join("\n");
const names = "Data, Camera, PointGrid, Steps, crowds, spots, shuffled, towards, inPolygon, combined, inverted, commaSeparated, tableOf, byValues, extent, " +
  "rowsAsText, rowsOfText, linkOf, shownBy, sampled, testsOf, passingOf, histogram, frequent, stretch, termsOf, telling, wordsInView, fog, Sheets, pointsWhere, fieldsOf, axesOf, axisOf, ownView, keptOn, ticksOf, contours, windowOf, isoline, Sqlite, sqlNames, " +
  "chance, nearestOf, laidOut, trustIn, widestOf, newMapOf, layOut, firstOf";
const { Data, Camera, PointGrid, Steps, crowds, spots, shuffled, towards, inPolygon, combined, inverted, commaSeparated, tableOf, byValues, extent,
  rowsAsText, rowsOfText, linkOf, shownBy, sampled, testsOf, passingOf, histogram, frequent, stretch, termsOf, telling, wordsInView, fog, Sheets, pointsWhere, fieldsOf, axesOf, axisOf, ownView, keptOn, ticksOf, contours, windowOf, isoline, Sqlite, sqlNames,
  chance, nearestOf, laidOut, trustIn, widestOf, newMapOf, layOut, firstOf } = new Function(`${code}; return { ${names} };`)();

const range = (count) => Array.from({ length: count }, (_, n) => n);

// Numbers between 0 and 1, always the same.
function numbers(count, seed = 1) {
  let state = seed;
  return Float32Array.from({ length: count }, () => (state = (state * 16807) % 2147483647) / 2147483647);
}

function model(changes = {}) {
  const bytes = (array) => new Uint8Array(array.buffer);
  const values = {
    spec: {
      names: ["map"], named: false, count: 4, all: 4, rows: null, ids: ["a", "b,c", 'd"e', "f"], label: "kind", kinds: ["cat", "dog"], codes: [0, 1, 0, 1],
      k: 2, square: 4095, settings: [{ method: "PCA", n_neighbors: 15, min_dist: 0.1, seed: 0 }], trust_words: [["trustworthiness 0.90"]],
      lines: { kept: [[0]] },
      columns: [
        { name: "kind", type: "text", kinds: ["cat", "dog"], codes: [0, 1, 0, 1] },
        { name: "size", type: "number", values: [1, null, 3, 11] },
        { name: "taken", type: "date", values: [0, 86400000, null, 3600000] },
      ],
    },
    places: bytes(Uint16Array.from([0, 0, 4095, 0, 0, 4095, 4095, 4095])), near: bytes(Uint16Array.from([1, 2, 0, 3, 0, 3, 1, 2])),
    shares: bytes(Uint8Array.from([50, 100, 0, 50])), shade: new Uint8Array(0),
    chosen: { method: "PCA", n_neighbors: 15, min_dist: 0.1, seed: 0 }, selected: [], ...changes,
  };
  return { get: (name) => values[name] };
}

test("places are shares of a square and neighbors leave out the point itself", () => {
  const data = new Data(model({ near: new Uint8Array(Uint16Array.from([0, 2, 0, 3, 0, 3, 1, 2]).buffer) }));
  assert.deepEqual([...data.target(0)], [0, 0, 1, 0, 0, 1, 1, 1]);
  assert.deepEqual(data.neighbors(0, 0), [2]);
});

test("a true neighbor has its cosine, others and those of a sample without have none", () => {
  const data = new Data(model({ cosines: new Uint8Array(Int8Array.from([99, -5, 100, 0, 1, 2, 3, 4]).buffer) }));
  assert.deepEqual([1, 2, 3].map((other) => data.cosine(0, 0, other)), ["0.99", "-0.05", ""]);
  assert.equal(new Data(model()).cosine(0, 0, 1), "");
});

test("a map without a name is the map in every sentence", () => {
  const data = new Data(model());
  assert.equal(data.say(), "PCA: trustworthiness 0.90.");
  assert.deepEqual(data.lines(1), ["b,c", "dog", "the map keeps 100% of its 2 true neighbors"]);
});

test("numbers and dates are colored on a scale, missing ones grey", () => {
  const data = new Data(model()), size = data.coloring("column:size", 0);
  assert.deepEqual([...size.codes], [0, 10, 2, 9]);
  assert.equal(size.entries.at(-1).words, "none");
  assert.equal(size.entries[0].words, "1 to 2");
  assert.equal(data.coloring("column:taken", 0).entries[0].words, "1970-01-01 to 1970-01-01 02:24");
  assert.equal(data.coloring("wobble", 0), null);
  const equal = byValues({ name: "one", type: "number", values: [5, 5] });
  assert.deepEqual([...equal.codes], [0, 0]);
});

test("labels that are numbers of many values stand on a scale", () => {
  const { spec } = { spec: model().get("spec") };
  const many = { ...spec, label: "size", kinds: Array.from({ length: 30 }, (_, n) => String(n)) };
  assert.equal(new Data(model({ spec: many })).coloring("label", 0).shaped, false);
});

test("a filter looks at the name, at one column or at all", () => {
  const data = new Data(model());
  assert.deepEqual([...data.matching("DOG", "")], [0, 1, 0, 1]);
  assert.deepEqual([...data.matching("a", "name")], [1, 0, 0, 0]);
  assert.deepEqual([...data.matching("11", "size")], [0, 0, 0, 1]);
  assert.deepEqual([...data.matching(" ", "")], [1, 1, 1, 1]);
  assert.deepEqual([...data.matching("/^D/", "")], [0, 1, 1, 1]);
  assert.deepEqual([...data.matching("/(/", "")], [0, 0, 0, 0]); // no expression: its letters
});

test("the nearest by the grid are the nearest of all", () => {
  const places = numbers(4000), grid = new PointGrid(places);
  const byHand = (x, y, k, accept) => Array.from({ length: 2000 }, (_, n) => n).filter(accept)
    .sort((a, b) => Math.hypot(places[2 * a] - x, places[2 * a + 1] - y) - Math.hypot(places[2 * b] - x, places[2 * b + 1] - y) || a - b).slice(0, k);
  for (const [x, y] of [[0, 0], [0.5, 0.5], [1, 0.2], [-3, 7], [0.99, 0.01]]) {
    assert.deepEqual(grid.closest(x, y, 7), byHand(x, y, 7, () => true));
    assert.deepEqual(grid.closest(x, y, 3, Infinity, (n) => n % 5 === 0), byHand(x, y, 3, (n) => n % 5 === 0));
  }
  assert.equal(grid.nearest(-3, 7, 0.1), -1);
  assert.ok(!grid.neighbors(17, 5).includes(17));
});

test("equal places and a single point have neighbors", () => {
  assert.deepEqual(new PointGrid(new Float32Array(8)).neighbors(1, 2), [0, 2]);
  assert.deepEqual(new PointGrid(Float32Array.from([0.5, 0.5])).neighbors(0, 3), []);
});

test("arrows go to the nearest in their quarter that is not hidden", () => {
  const places = Float32Array.from([0, 0, 1, 3, 4, 1, -2, 0, 0, -5]), shown = () => false;
  assert.deepEqual([[1, 0], [-1, 0], [0, 1], [0, -1]].map((arrow) => towards(places, 0, arrow, shown)), [2, 3, 1, 4]);
  assert.equal(towards(places, 0, [1, 0], (point) => point === 2), 0);
});

test("zooming keeps what is under the pointer, and zoom 1 is the whole map", () => {
  const camera = new Camera();
  Object.assign(camera, { width: 800, height: 400 });
  camera.frame(Float32Array.from([0, 0.25, 1, 0.75]));
  const at = [200, 120], before = camera.place(at);
  camera.zoomBy(8, at);
  assert.ok(Math.hypot(camera.place(at)[0] - before[0], camera.place(at)[1] - before[1]) < 1e-9);
  camera.zoomBy(1e-6, [0, 0]);
  assert.ok(camera.atHome());
  for (const corner of [[0, 0.25], [1, 0.75]]) {
    assert.ok(camera.across(corner[0]) >= 0 && camera.across(corner[0]) <= 800 && camera.down(corner[1]) >= 0 && camera.down(corner[1]) <= 400);
  }
  camera.zoomBy(4);
  camera.pan(1e6, 0);
  assert.equal(camera.x, 0);
});

test("a selection is shown whole, one place too", () => {
  const camera = new Camera();
  Object.assign(camera, { width: 500, height: 500 });
  camera.show([0.2, 0.2, 0.3, 0.25]);
  for (const [x, y] of [[0.2, 0.2], [0.3, 0.25]]) assert.ok(camera.across(x) > 0 && camera.across(x) < 500 && camera.down(y) > 0 && camera.down(y) < 500);
  camera.show([0.5, 0.5]);
  assert.ok(camera.zoom <= 64 && Math.abs(camera.across(0.5) - 250) < 1);
});

test("of a crowd the same picture stands for it at every zoom, and every place is counted once", () => {
  const places = numbers(2000, 7), order = shuffled(1000), camera = new Camera(), shown = () => false;
  Object.assign(camera, { width: 400, height: 400 });
  camera.frame(places);
  const whole = crowds(camera, places, order, 60, shown);
  assert.equal(whole.reduce((sum, { count }) => sum + count, 0), 1000);
  assert.ok(whole.some(({ top }) => top) && whole[0].top);
  const [x, y] = [places[2 * whole[0].point], places[2 * whole[0].point + 1]];
  camera.zoom = 4;
  Object.assign(camera, { x, y });
  assert.ok(crowds(camera, places, order, 60, shown).some(({ point }) => point === whole[0].point));
  assert.deepEqual(crowds(camera, places, order, 60, () => true), []);
  assert.deepEqual([...order].sort((a, b) => a - b), Array.from({ length: 1000 }, (_, n) => n));
});

test("a sample by chance is as dense as all", () => {
  const order = shuffled(1000);
  assert.deepEqual(sampled(order, 1000, 0.3), [order, 0.3]);
  const [some, alpha] = sampled(order, 500, 0.3);
  assert.equal(some.length, 500);
  assert.ok(Math.abs(alpha - 0.51) < 1e-9); // two of them over each other
  assert.equal(sampled(order, 1, 0.3)[1], 0.95);
});

test("names stand where most are of one kind", () => {
  const camera = new Camera(), places = Float32Array.from([...Array(5).fill([0.1, 0.1]), ...Array(4).fill([0.9, 0.9]), [0.1, 0.1]].flat());
  Object.assign(camera, { width: 300, height: 300 });
  camera.frame(places);
  const found = spots(camera, places, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1], 50, () => false);
  assert.deepEqual(found.map(({ kind, count }) => [kind, count]), [[0, 5], [1, 4]]);
  assert.ok(Math.abs(found[0].x - 0.1) < 1e-6 && Math.abs(found[1].y - 0.9) < 1e-6);
});

test("selections are added, taken away and inverted, without twins", () => {
  assert.deepEqual(combined([1, 2], [2, 5, 5], "new"), [2, 5]);
  assert.deepEqual(combined([1, 2], [2, 5], "add"), [1, 2, 5]);
  assert.deepEqual(combined([1, 2, 5], [2, 9], "subtract"), [1, 5]);
  assert.deepEqual(combined([5, 1, 2], [2, 5, 9], "intersect"), [5, 2]);
  assert.deepEqual(inverted([1, 3], 5), [0, 2, 4]);
});

test("undo and redo go back and forth; a new selection ends what could be redone", () => {
  const steps = new Steps([]);
  for (const rows of [[1], [1], [1, 2]]) steps.note(rows);
  assert.deepEqual(steps.undo(), [1]);
  steps.note([1]); // the model says what was set
  assert.deepEqual(steps.undo(), []);
  assert.equal(steps.undo(), null);
  assert.deepEqual([steps.redo(), steps.redo(), steps.redo()], [[1], [1, 2], null]);
  steps.undo();
  steps.note([7]);
  assert.equal(steps.redo(), null);
});

const having = { all: 200, maps: 2, colors: ["label", "column:size", "kept"], axes: ["column:size", "component:1"], columns: ["kind", "size"], kinds: ["cat", "dog"], named: ["mine"],
  settings: [{ method: "PCA", n_neighbors: 15, min_dist: 0.1, seed: 0 }, { method: "UMAP", n_neighbors: 5, min_dist: 0.8, seed: 1 }] };

test("rows as text come back, in their order in the table", () => {
  for (const rows of [[], [0], [199], [5, 3, 4], [0, 1, 2, 9, 40, 41], Array.from({ length: 200 }, (_, n) => n)]) {
    assert.deepEqual(rowsOfText(rowsAsText(rows), 200), [...rows].sort((a, b) => a - b));
  }
  assert.equal(rowsAsText(Array.from({ length: 200 }, (_, n) => n)).length, 4);
  for (const text of ["5k", "zzzzzz-zzzzzz", "1..2", "-1", "1-", "A", "0x1", "1 ", "0-5k", ".", "1".repeat(7), "1e9999"]) {
    assert.equal(rowsOfText(text, 200), null, text);
  }
});

test("what is shown comes back from its link", () => {
  const shown = { color: "column:size", settings: having.settings[1], axes: { x: "component:1", y: "column:size" }, views: [[0.25, 0.5, 4], [0.5, 0.75, 1]], text: "a & b=#;,%", where: "kind", kind: 1,
    opened: 36, selected: [1, 2, 7], named: [["__proto__", [3]], ["two words & <b>", [0, 1, 199]]] };
  assert.deepEqual(shownBy(`#${linkOf(shown).text}`, having), shown);
  const { selected, ...rest } = shown;
  assert.deepEqual(shownBy(linkOf({ ...shown, as: "mine" }).text, having), { ...rest, as: "mine" });
  assert.deepEqual(shownBy(linkOf({ ...shown, as: "__proto__" }).text, having), { ...rest, as: "__proto__" });
  assert.equal(linkOf({ selected: [] }).text, "");
});

test("a link holds a query of the page, and a condition in place of the many rows that it selects", () => {
  const rows = Array.from({ length: 60 }, (_, n) => 3 * n), asked = { ...having, queries: ["a cat", "the sea & <b>"], understood: (text) => text === "kind = 'cat' and size > 1" };
  const shown = { color: "label", query: "the sea & <b>", condition: "kind = 'cat' and size > 1", fits: true }, { text, left } = linkOf({ ...shown, selected: rows });
  assert.ok(text.length < 140 && !left.length);
  assert.deepEqual(shownBy(text, asked), shown);
  assert.deepEqual(shownBy(linkOf({ ...shown, fits: false, selected: [1] }).text, asked), { color: "label", query: shown.query, condition: shown.condition, selected: [1] });
  for (const bad of ["if=kind+%3D", `if=${"x".repeat(2001)}`, "chosen=if", "if=constructor&chosen=if", "query=a+dog", "query=__proto__", "query="]) assert.deepEqual(shownBy(bad, asked), {}, bad);
  const long = linkOf({ condition: "x".repeat(9000), fits: true, selected: [5] });
  assert.deepEqual([long.text, long.left], ["selected=5", ["the condition"]]);
});

test("a selection that is too large for a link is left out and named", () => {
  const many = Array.from({ length: 20_000 }, (_, n) => 2 * n), wide = { ...having, all: 40_000 };
  const { text, left } = linkOf({ color: "kept", selected: many, named: [["few", [1]], ["many", many]] });
  assert.ok(text.length < 8000);
  assert.deepEqual(left, ["“many” of 20,000 pictures", "the selection of 20,000 pictures"]);
  assert.deepEqual(shownBy(text, wide), { color: "kept", named: [["few", [1]]] });
  assert.deepEqual(linkOf({ as: "many", selected: many, named: [["many", many]] }).left, ["“many” of 20,000 pictures"]);
});

test("of a hostile link nothing is taken", () => {
  const hostile = ["#", "#%", "#%E0%A4%A", "color=column:password", "color=__proto__", "map=PCA", "map=UMAP,5,0.8,1,2", "at=1,1", "at=0,0,1", "at=NaN,0,1;0,0,1",
    "at=0,0,1e9;0,0,1", "at=0,0,1,1;0,0,1", "at=-1,0,1;0,0,1", "at=0,0,1;0,0,Infinity", "in=password", "x=column:size", "x=column:size&y=", "x=__proto__&y=column:size", "x=component:9&y=component:1", "show=2", "show=-1", "show=1e0", "open=zzz", "open=1.1", "open=0-5",
    "selected=zzzzz", "selected=<img>", "as=constructor", "as=", "named=1", "named=1 ", `named=1 ${"x".repeat(61)}`, "named= x", "named=zzzzz x",
    `filter=${"x".repeat(201)}`, `selected=0&pad=${"x".repeat(70_000)}`, "constructor=1&__proto__=2"];
  for (const text of hostile) assert.deepEqual(shownBy(text, having), {}, text);
  assert.equal(Object.getPrototypeOf(shownBy("__proto__=1", having)), Object.prototype);
  assert.equal(shownBy(Array.from({ length: 300 }, (_, n) => `named=1+n${n}`).join("&"), having).named.length, 100);
});

test("a new map of some pictures goes into a link and back, and nothing that the page cannot lay out", () => {
  const shown = { selected: [1, 2], anew: { rows: [0, 3, 4, 5, 9], settings: { method: "UMAP", n_neighbors: 5, min_dist: 0.1, seed: 7 } } }, able = { ...having, distances: [0.1, 0.25] };
  assert.deepEqual(shownBy(linkOf(shown).text, able), shown);
  assert.deepEqual(shownBy(linkOf(shown).text, having), { selected: [1, 2] });
  for (const bad of ["5,0.1,7", "5,0.1,7 zzzzz", "5,0.1,7 ", "1,0.1,7 0-5", "5,0.2,7 0-5", "5,..,7 0-5", "5,0.1,9999999999 0-5", "-5,0.1,7 0-5"]) assert.deepEqual(shownBy(`anew=${encodeURIComponent(bad)}`, able), {}, bad);
});

test("a file of the selection quotes what needs it", () => {
  const lines = tableOf(new Data(model()), [2, 1]);
  assert.deepEqual(lines[0], ["id", "kind", "size", "taken", "neighbors kept"]);
  assert.equal(commaSeparated(lines.slice(1)), '"d""e",cat,3,,0%\r\n"b,c",dog,,1970-01-02,100%\r\n');
});

test("a lasso and an extent", () => {
  const square = [[0, 0], [10, 0], [10, 10], [0, 10]];
  assert.ok(inPolygon(square, 5, 5) && !inPolygon(square, 15, 5));
  assert.deepEqual(extent([1, 2, -1, 5]), [-1, 2, 1, 5]);
});

test("names to show stand beside the ids in the file of a selection", () => {
  const spec = { ...model().get("spec"), keys: ["k0", "k1", "k2", "k3"] };
  const lines = tableOf(new Data(model({ spec })), [2]);
  assert.deepEqual([lines[0].slice(0, 3), lines[1].slice(0, 3)], [["id", "name", "kind"], ["k2", 'd"e', "cat"]]);
});

test("all filters hold at once, and a column's chart leaves its own out", () => {
  const data = new Data(model()), limits = new Map([["size", { low: 1, high: 3 }], ["kind", { codes: [0] }]]);
  const passing = (filtered, without) => [...(passingOf(4, testsOf(data, filtered, without)) || "all")];
  assert.deepEqual(passing({ limits }), [1, 0, 1, 0]);
  assert.deepEqual(passing({ limits }, "size"), [1, 0, 1, 0]);
  assert.deepEqual(passing({ limits }, "kind"), [1, 0, 1, 0]); // what is missing lies in no range
  assert.deepEqual(passing({ limits: new Map([["size", { low: 2, high: 20 }]]), only: new Set([2]) }), [0, 0, 1, 0]);
  assert.deepEqual(passing({ kind: 1, text: Uint8Array.from([1, 1, 1, 0]) }), [0, 1, 0, 0]);
  assert.equal(passingOf(4, testsOf(data, { kind: -1, text: null, only: null })), null);
});

test("a chart has a bar for each whole number where they are few, and a stretch of it is a range of them", () => {
  const whole = histogram({ name: "n", type: "number", values: [1, 3, 3, null] }, Uint8Array.from([0, 1, 0, 1]));
  assert.deepEqual([[...whole.all], [...whole.shown], whole.low, whole.high], [[1, 0, 2], [0, 0, 1], 1, 3]);
  assert.deepEqual(stretch(whole, 0.9, 0.4), { low: 2, high: 3 });
  assert.deepEqual(stretch(whole, -1, 0.1), { low: 1, high: 1 });
  const broad = histogram({ name: "n", type: "number", values: [0.5, 10.5] }, null);
  assert.equal(broad.all.length, 24);
  assert.deepEqual([broad.all[0], broad.all[23]], [1, 1]);
  assert.deepEqual(stretch(broad, 0.25, 0.5), { low: 3, high: 5.5 });
  const one = histogram({ name: "n", type: "number", values: [2.5, 2.5] }, null);
  assert.equal(one.all.reduce((a, b) => a + b, 0), 2);
  assert.equal(histogram({ name: "n", type: "number", values: [null] }, null), null);
  assert.deepEqual(frequent({ name: "k", type: "text", kinds: ["a", "b"], codes: [1, 1, 0] }, Uint8Array.from([1, 0, 1])).map(({ words, all, shown }) => [words, all, shown]), [["b", 2, 1], ["a", 1, 1]]);
});

test("limits and what alone is shown go into a link and back, and nothing that does not fit", () => {
  const having = { all: 4, maps: 1, colors: [], axes: [], settings: [], columns: ["kind", "size"], kinds: [], sorts: { kind: 2, size: 0 }, named: [] };
  const limits = [["size", { low: -1.5, high: 3 }], ["kind", { codes: [0, 1] }]], { text } = linkOf({ limits, only: [1, 2] });
  assert.deepEqual(shownBy(text, having), { limits, only: [1, 2] });
  for (const bad of ["3..1 size", "1..x size", "1 size", "=0 size", "=5 kind", "0..1 kind", "= kind", "1..2 other", "1..2 __proto__", "1..Infinity size", "size"]) {
    assert.deepEqual(shownBy(new URLSearchParams({ limit: bad, only: "9" }).toString(), having), {}, bad);
  }
});

test("a place without a leading kind is described by what is more frequent there than elsewhere", () => {
  const kinds = Array.from({ length: 600 }, (_, n) => (n % 2 ? `a red ship ${n}` : `the green ship ${n}`)), codes = range(600);
  const known = termsOf(kinds), camera = new Camera(), places = Float32Array.from({ length: 1200 }, (_, n) => (n % 2 ? 0.5 : (n >> 1) % 2 ? 0.1 : 0.9));
  Object.assign(camera, { width: 600, height: 600 });
  camera.frame(places);
  const rare = { terms: known.terms, of: known.of.map((terms, code) => (code % 20 === 1 ? terms : terms.filter((term) => known.terms[term] !== "red"))) };
  assert.ok(known.terms.includes("red") && known.terms.includes("ship") && !known.terms.includes("the") && !known.terms.includes("a"));
  assert.deepEqual(telling(camera, places, codes, known, 110, () => false), []); // twice as frequent is too little
  const all = Float32Array.from({ length: 1200 }, (_, n) => (n % 2 ? 0.5 : (n >> 1) % 20 === 1 ? 0.1 : 0.9));
  assert.deepEqual(telling(camera, all, codes, rare, 110, () => false).map(({ words, x }) => [words, x.toFixed(2)]), [["red", "0.10"]]);
  assert.deepEqual(telling(camera, all, codes, rare, 110, (point) => point % 20 === 1), []);
  assert.deepEqual(termsOf(["red ship"]), { terms: ["red ship"], of: [[0]] });
});

test("captions are taken apart, names of several words are not", () => {
  const captions = Array.from({ length: 40 }, (_, n) => `a red ship at sea ${n}`), breeds = ["golden retriever dog", "maine coon cat"];
  assert.ok(termsOf(captions, 50).terms.includes("ship"));
  assert.deepEqual(termsOf(breeds, 50).terms, breeds);
  assert.deepEqual(termsOf(["one", "two"], 3).terms, ["one", "two"]);
});

test("there are words at every zoom: of crowds what is frequent there, of few pictures their own, and none that say nothing", () => {
  const camera = new Camera(), side = 40, places = Float32Array.from({ length: 2 * side * side }, (_, n) => (n % 2 ? Math.floor((n >> 1) / side) : (n >> 1) % side) / side);
  Object.assign(camera, { width: 900, height: 600 });
  camera.frame(places);
  const quarter = (point) => (places[2 * point] < 0.5 ? 0 : 1) + (places[2 * point + 1] < 0.5 ? 0 : 2);
  const captions = range(side * side).map((point) => `${["red", "green", "blue", "white"][quarter(point)]} ship by the ${Math.floor(8 * places[2 * point]) % 2 ? "pier" : "beach"} ${point}`);
  const naming = { codes: range(side * side), entries: captions.map((words) => ({ words })) }, terms = termsOf(captions, captions.length);
  const at = (zoom) => { Object.assign(camera, { zoom, x: 0.25, y: 0.25 }); return wordsInView(camera, places, naming, terms, () => false); };
  for (const zoom of [1, 2, 4, 6]) {
    const found = at(zoom).map(({ words }) => words);
    assert.ok(found.length > 0 && found.every((words) => !words.includes("ship")), `${zoom}: ${found}`);
  }
  assert.ok(at(1).some(({ words }) => words.includes("red")) && at(1).some(({ words }) => words.includes("white")));
  const near = at(14);
  assert.ok(near.length > 4 && near.length <= 40 && near.every(({ words, kind, under }) => words.includes("ship by the") && kind === -1 && under));
  const alike = { codes: range(side * side).map(() => 0), entries: [{ words: "none" }, { words: "other" }] };
  for (const zoom of [1, 14]) { camera.zoom = zoom; assert.deepEqual(wordsInView(camera, places, alike, termsOf(["none", "other"]), () => false), []); }
});

test("names are taken from a column of texts, and from the label where the colors are numbers", () => {
  const data = new Data(model()), numbers = data.coloring("column:size", 0);
  assert.equal(data.naming("", data.coloring("label", 0)).title, "kind");
  assert.equal(data.naming("", numbers).title, "kind");
  assert.equal(data.naming("kind", numbers).title, "kind");
  assert.equal(new Data(model({ spec: { ...model().get("spec"), columns: [] } })).naming("", numbers), null);
});

test("density is the greatest where most points are, and nothing of hidden ones", () => {
  const places = Float32Array.from([0.25, 0.75, 0.25, 0.75, 0.8, 0.1]), side = Math.sqrt(fog(places, () => false).length);
  const line = (share) => Math.floor(((share + 0.1) / 1.2) * side), at = (shares, x, y) => shares[line(1 - y) * side + line(x)];
  const shares = fog(places, () => false);
  assert.equal(Math.max(...shares), 1);
  assert.ok(at(shares, 0.25, 0.75) > 0.9 && at(shares, 0.8, 0.1) < 0.6 && at(shares, 0.8, 0.1) > 0.3);
  assert.equal(at(fog(places, (point) => point === 2), 0.8, 0.1), 0);
});

// Sheets of 8 MB each, and a browser that counts what it decodes and lets go.
function sheets(count) {
  const events = [], uri = `data:image/webp;base64,${btoa("sheet")}`;
  globalThis.createImageBitmap = async (blob) => {
    events.push(`decoded ${blob.type} ${await blob.text()}`);
    return { width: 2000, height: 1000, close: () => events.push("let go") };
  };
  const values = { sheets: Array.from({ length: count }, () => uri) };
  return { events, sheets: new Sheets({ get: (name) => values[name] }, () => events.push("changed")) };
}

test("a sheet is decoded when it is drawn first, once", async () => {
  const { events, sheets: held } = sheets(3);
  assert.equal(held.count, 3);
  assert.deepEqual(events, []);
  assert.equal(held.image(1), null);
  await Promise.all([held.ready(1), held.ready(1)]);
  assert.equal(held.image(1).width, 2000);
  assert.deepEqual(events, ["decoded image/webp sheet", "changed"]);
});

test("sheets that were not drawn lately are let go, those in view never", async () => {
  const { events, sheets: held } = sheets(12);
  for (let number = 0; number < 7; number++) await held.ready(number);
  assert.equal(held.held.size, 7); // 56 MB, but all of them have just been drawn
  held.image(0);
  for (let drawing = 0; drawing < 8; drawing++) { held.begin(); held.image(0); }
  await held.ready(7);
  assert.deepEqual([...held.held.keys()].sort(), [0, 5, 6, 7]); // 32 MB
  assert.equal(held.image(1), null); // comes again when it is wanted
  await held.ready(1);
  assert.equal(events.filter((one) => one.startsWith("decoded")).length, 9);
  held.forget();
  assert.equal(held.held.size, 0);
});

test("to draw every picture, sheets are copied small, one after the other, and let go", async () => {
  const { events, sheets: held } = sheets(11), sizes = [];
  globalThis.document = { createElement: () => ({ getContext: () => ({ drawImage: (_, left, top, width, height) => sizes.push([left, top, width, height]) }) }) };
  await held.ready(3);
  for (let number = 0; number < 11; number++) assert.equal(held.smallImage(number, 16), null);
  await held.copying;
  assert.deepEqual(sizes, Array(11).fill([0, 0, 256, 128]));
  assert.deepEqual([...held.held.keys()], [3]); // the one that was there before
  assert.equal(events.filter((one) => one === "let go").length, 10);
  assert.equal(events.filter((one) => one === "changed").length, 3); // of the first sheet, after some copies, at the end
  assert.equal(held.smallImage(5, 16).width, 256);
  delete globalThis.document;
  held.forget();
  assert.equal(held.small.size, 0);
});

test("a broken sheet stays away without an error", async () => {
  const { sheets: held } = sheets(1);
  globalThis.createImageBitmap = async () => { throw new Error("no picture"); };
  await held.ready(0);
  assert.equal(held.image(0), null);
});

test("points are drawn in an order that Python knows: see test_thumbnails.py", () => {
  assert.deepEqual([...shuffled(10)], [6, 2, 3, 1, 8, 5, 7, 4, 9, 0]);
});

// ------------------------------------------------------------------------------------------ conditions

const shared = JSON.parse(readFileSync(new URL("where.json", import.meta.url), "utf8"));
const sharedFields = () => new Map([...shared.columns.map(({ name, type, values }) => [name, () => ({ type, values })]),
  ["id", () => ({ type: "text", values: range(8).map((n) => `row ${n}`) })]]);

for (const { where, rows, error } of shared.cases) {
  test(`the condition ${JSON.stringify(where)}`, () => {
    if (rows) return assert.deepEqual(pointsWhere(where, sharedFields(), 8), rows);
    assert.throws(() => pointsWhere(where, sharedFields(), 8), (caught) => {
      assert.equal(caught.message, `at character ${error.at}: ${error.says}`);
      assert.deepEqual([caught.at, caught.end], [error.at, error.end]);
      return true;
    });
  });
}

test("a condition is neither too long nor too deep", () => {
  assert.throws(() => pointsWhere("x".repeat(2001), sharedFields(), 8), /it may have 2,000/);
  assert.deepEqual(pointsWhere("width = 100".padEnd(2000), sharedFields(), 8), [0]);
  assert.throws(() => pointsWhere(`${"not ".repeat(51)}width = 1`, sharedFields(), 8), /more than 50 parentheses/);
  assert.deepEqual(pointsWhere(`${"not ".repeat(50)}width = 100`, sharedFields(), 8), [0]);
});

test("a name in other letters is known where only one fits", () => {
  const fields = new Map(["Note", "NOTE", "Size"].map((name, place) => [name, () => ({ type: "number", values: range(8).map((n) => n + place) })]));
  assert.deepEqual(["Note = 3", "NOTE = 3", "size = 3"].map((where) => pointsWhere(where, fields, 8)), [[3], [2], [1]]);
  assert.throws(() => pointsWhere("note = 3", fields, 8), /there is no column note; there are: Note, NOTE, Size/);
});

test("a condition asks for columns, names, ids and what the map keeps", () => {
  const fields = fieldsOf(new Data(model()));
  assert.deepEqual([...fields.keys()], ["kind", "size", "taken", "name", "id", "neighbors kept"]);
  assert.deepEqual(pointsWhere("`neighbors kept` >= 50 and size is not null", fields, 4), [0, 3]);
  assert.deepEqual(pointsWhere("name = 'b,c' or taken = '1970-01-01 01:00'", fields, 4), [1, 3]);
});

// ------------------------------------------------------------------------------------------ axes of the reader's own

// Four pictures with a missing value in each column, and two components of each of two tables.
function ofAxes(changes = {}) {
  const spec = { ...model().get("spec"), components: [{ shares: [0.5, 0.081], low: [-1, 0], high: [1, 8] }], ...changes };
  const near = new Uint8Array(Uint16Array.from([1, 2, 0, 3, 0, 3, 0, 2]).buffer);
  return new Data(model({ spec, near, components: new Uint8Array(Uint16Array.from([0, 4095, 0, 4095, 0, 0, 4095, 2048]).buffer) }));
}

test("numbers, dates and components are axes, and no column of one value", () => {
  const { columns } = model().get("spec"), constant = { name: "same", type: "number", values: [2, null, 2, 2] };
  assert.deepEqual(axesOf(ofAxes({ columns: [...columns, constant] })), [["column:size", "size"], ["column:taken", "taken"],
    ["component:1", "component 1: 50% of the variance"], ["component:2", "component 2: 8.1% of the variance"]]);
  assert.deepEqual([...axisOf(ofAxes(), "component:2", 0).values].map((value) => Math.round(100 * value)), [0, 0, 800, 400]);
});

test("each axis has its own scale, two components have one, and what is missing has no place", () => {
  const data = ofAxes(), size = axisOf(data, "column:size", 0), taken = axisOf(data, "column:taken", 0);
  const { places, missing, scales } = ownView(size, taken);
  assert.equal(missing, 2);
  assert.deepEqual([...places].map((value) => Math.round(1000 * value)), [0, 0, NaN, NaN, NaN, NaN, 1000, 42]);
  assert.deepEqual(scales, { x: [1, 11], y: [0, 86400000] });
  const one = ownView(axisOf(data, "component:1", 0), axisOf(data, "component:2", 0));
  assert.deepEqual([...one.places].map((value) => Math.round(1000 * value)), [375, 0, 625, 0, 375, 1000, 625, 500]);
  assert.deepEqual(one.scales, { x: [-4, 4], y: [0, 8] });
});

test("what axes keep is counted for them, and said with what is left out", () => {
  const data = ofAxes();
  data.placeBy({ x: "column:size", y: "column:taken" });
  assert.deepEqual([...data.placed], [1, 0, 0, 1]);
  assert.deepEqual([...data.share("kept", 0)], [0, 0, 0, 50]); // 1 and 2 have no place
  assert.deepEqual([data.share("wobble", 0), data.share("moved", 0)], [null, null]);
  assert.equal(data.say(), "size across, taken up: 25% of 2 true neighbors near. 2 pictures have no value on an axis and are not shown. " +
    "Each axis has its own scale: distances across and up cannot be compared.");
  assert.deepEqual(passingOf(4, testsOf(data, {})), Uint8Array.from([1, 0, 0, 1]));
  assert.deepEqual(pointsWhere("`neighbors kept` is null", fieldsOf(data), 4), [1, 2]); // not 0%
  assert.deepEqual(tableOf(data, [1, 3]).map((line) => line.at(-1)), ["neighbors kept (size across, taken up)", "", "50%"]);
  assert.deepEqual(data.shown(), { axes: data.axes, kept: [[0, null, null, 50]] }); // for Python
  data.placeBy({ x: "component:1", y: "component:2" });
  assert.equal(data.placed, null);
  assert.match(data.say(), /^component 1 across, component 2 up: .* Both axes have one scale\.$/);
  data.placeBy(null);
  assert.deepEqual([data.shown(), tableOf(data, [])[0].at(-1)], [{}, "neighbors kept"]);
  assert.deepEqual([data.say(), [...data.share("kept", 0)]], ["PCA: trustworthiness 0.90.", [50, 100, 0, 50]]);
});

test("kept neighbors are those that a search of all pictures finds, also where many stand at one place", () => {
  for (const places of [numbers(800, 3), numbers(800, 3).map((value) => Math.round(3 * value) / 3)]) {
    places.set([NaN, NaN], 20);
    const grid = new PointGrid(places), near = Uint16Array.from(numbers(4000, 9), (value) => Math.floor(400 * value));
    const data = { neighbors: (_, point) => [...near.subarray(10 * point, 10 * point + 10)].filter((other) => other !== point) }, found = keptOn(data, 0, grid, range(400));
    const far = (a, b) => (places[2 * a] - places[2 * b]) ** 2 + (places[2 * a + 1] - places[2 * b + 1]) ** 2;
    for (const point of [0, 7, 10, 399]) {
      const truth = data.neighbors(0, point), others = range(400).filter((other) => other !== point && other !== 10);
      const last = others.map((other) => far(point, other)).sort((a, b) => a - b)[truth.length - 1], kept = (test) => (100 * truth.filter((other) => other !== 10 && test(far(point, other))).length) / truth.length;
      if (point === 10) assert.ok(Number.isNaN(found[point]));
      else assert.ok(found[point] >= kept((one) => one < last) && found[point] <= kept((one) => one <= last), `${point}`);
    }
    assert.ok(!grid.closest(0.5, 0.5, 399).includes(10));
  }
});

test("of a sample that is drawn, and of very many pictures, trust is not claimed for all", () => {
  const sample = ofAxes({ all: 9, rows: [0, 2, 4, 6] });
  sample.placeBy({ x: "component:1", y: "component:2" });
  assert.equal(sample.share("kept", 0), null);
  assert.deepEqual(sample.shown().kept, [null]);
  assert.match(sample.say(), /how many true neighbors are near is not known for a sample/);
  assert.deepEqual(pointsWhere("`neighbors kept` is null", fieldsOf(sample), 4), [0, 1, 2, 3]);
});

test("scales have round numbers, and dates of the calendar", () => {
  const words = (...given) => ticksOf(...given).map((one) => one.words);
  assert.deepEqual(words(0, 1, 5, false), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
  assert.deepEqual(words(-0.31, 0.29, 3, false), ["−0.2", "0.0", "0.2"]);
  assert.deepEqual(words(98, 2104, 4, false), ["500", "1,000", "1,500", "2,000"]);
  assert.deepEqual(words(0, 3e6, 3, false), ["0", "1M", "2M", "3M"]);
  assert.deepEqual(words(5, 5, 3, false), []);
  assert.deepEqual(words(Date.UTC(2021, 1, 3), Date.UTC(2024, 5, 1), 4, true), ["2022", "2023", "2024"]);
  assert.deepEqual(words(Date.UTC(2021, 1, 3), Date.UTC(2021, 5, 20), 5, true), ["2021-03", "2021-04", "2021-05", "2021-06"]);
  assert.deepEqual(words(Date.UTC(2021, 1, 3), Date.UTC(2021, 1, 3, 3), 4, true), ["02-03", "02-03 01:00", "02-03 02:00", "02-03 03:00"]);
  for (const [low, high] of [[1e-9, 3e-9], [-1e300, 1e300], [1e15, 1e15 + 4]]) assert.ok(ticksOf(low, high, 4, false).length <= 12);
});

// ------------------------------------------------------------------------------------------ queries in SQL

const program = readFileSync(new URL("../sqlite/sqlite3.wasm", folder)), { cases } = JSON.parse(readFileSync(new URL("sql.json", import.meta.url), "utf8"));
const eight = await Sqlite.open(program, { count: 8, row: (point) => point, id: (point) => `row ${point}` }, sharedFields());

for (const { sql, columns, cells, rows = null, error } of cases) {
  test(`the query ${JSON.stringify(sql)}`, () => {
    if (!error) return assert.deepEqual(eight.ask(sql), { columns, cells, rows, count: cells.length });
    assert.throws(() => eight.ask(sql), (caught) => assert.equal(caught.message, error) === undefined);
  });
}

test("a query without end is stopped, and the next one is answered", () => {
  const now = performance.now;
  let seconds = 0; // each look at the clock is a second later
  performance.now = () => 1000 * (seconds += 1);
  try {
    assert.throws(() => eight.ask("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"), /stopped after 10 seconds/);
  } finally { performance.now = now; }
  assert.deepEqual(eight.ask("SELECT count(*) FROM pictures").cells, [[8]]);
  assert.throws(() => eight.ask("SELECT a.row FROM pictures a, pictures b, pictures c, pictures d, pictures e, pictures f, pictures g"), /more than 1,000,000 rows/);
  assert.throws(() => eight.ask("x".repeat(10_001)), /it may have 10,000/);
});

test("rows of a sample are named as in Python, and names stay apart", async () => {
  const data = new Data(model()), names = ["Kind", "kind", "ROW", 'a"b', "", "kind (2)"];
  data.spec = { ...data.spec, rows: [10, 20, 30, 40], all: 50 };
  data.pointOf = new Map([[10, 0], [20, 1], [30, 2], [40, 3]]);
  const some = await Sqlite.open(program, data);
  assert.deepEqual(some.ask("SELECT id FROM pictures WHERE kind = 'dog' ORDER BY id DESC").rows, [40, 20]);
  assert.deepEqual(some.ask("SELECT max(row) AS row, round(avg(`neighbors kept`)) AS kept FROM pictures"), { columns: ["row", "kept"], cells: [[40, 50]], count: 1, rows: [40] });
  assert.deepEqual(sqlNames(names), ["Kind", "kind (2)", "ROW (2)", 'a"b', "unnamed", "kind (2) (2)"]);
});

// ------------------------------------------------------------------------------------------ lines of equal density

test("lines of equal density are closed and enclose the shares that they are said to", () => {
  const noise = numbers(16_000, 5), bell = (n, middle) => middle + 0.05 * Math.sqrt(-2 * Math.log(noise[2 * n] + 1e-9)) * Math.cos(2 * Math.PI * noise[2 * n + 1]);
  const places = Float32Array.from({ length: 8000 }, (_, n) => bell(n, n % 2 ? 0.5 : n % 4 ? 0.3 : 0.7)), codes = range(4000).map((n) => n % 2);
  const window = { left: 0, bottom: 0, side: 1 }, [all] = contours(window, places, null, () => false), groups = contours(window, places, codes, () => false);
  assert.deepEqual(groups.map(({ code, count }) => [code, count]), [[0, 2000], [1, 2000]]);
  assert.ok(Math.abs(groups[0].peak[0] - 0.7) < 0.04 && Math.abs(groups[1].peak[0] - 0.3) < 0.04 && Math.abs(groups[1].peak[1] - 0.5) < 0.04);
  assert.equal(all.lines.length, 4);
  const key = (x, y) => `${x.toFixed(4)} ${y.toFixed(4)}`;
  for (const { lines } of [all, ...groups]) for (const line of lines) {
    const ends = new Map();
    for (let n = 0; n < line.length; n += 2) ends.set(key(line[n], line[n + 1]), (ends.get(key(line[n], line[n + 1])) || 0) + 1);
    assert.ok([...ends.values()].every((times) => times % 2 === 0));
  }
  const inside = (line, x, y) => { // a ray to the right crosses the line an odd number of times
    let odd = false;
    for (let n = 0; n < line.length; n += 4) if (line[n + 1] > y !== line[n + 3] > y && x < ((line[n + 2] - line[n]) * (y - line[n + 1])) / (line[n + 3] - line[n + 1]) + line[n]) odd = !odd;
    return odd;
  };
  for (const [line, share] of [[groups[1].lines[0], 0.9], [groups[1].lines[1], 0.5]]) {
    const enclosed = range(4000).filter((n) => codes[n] === 1 && inside(line, places[2 * n], places[2 * n + 1])).length / 2000;
    assert.ok(Math.abs(enclosed - share) < 0.08, `${enclosed} of ${share}`);
  }
  assert.deepEqual(contours(window, places, codes, (point) => codes[point] === 0).map(({ code }) => code), [1]);
  assert.deepEqual(contours(window, places.subarray(0, 8), codes, () => false), []); // too few
});

test("a saddle joins what its middle joins", () => {
  const pieces = (corners) => [...isoline(Float32Array.from(corners), 2, 1)].length / 4;
  assert.deepEqual([[0, 0, 0, 0], [2, 0, 0, 0], [2, 2, 0, 0], [2, 0, 0, 2]].map(pieces), [0, 1, 1, 2]);
  // The corners above are the lower left and the upper right one: joined, a piece lies above and one below the line between them.
  const sides = (corners) => { const line = isoline(Float32Array.from(corners), 2, 1); return [0, 4].map((n) => Math.sign(line[n] + line[n + 2] - line[n + 1] - line[n + 3])).sort(); };
  assert.deepEqual(sides([4, 0, 0, 4]), [-1, 1]);
  assert.deepEqual(sides([1.5, 0, 0, 1.5]).map(Math.abs), [0, 0]);
});

test("the window of the lines stays until the zoom has doubled or the view has moved to its rim", () => {
  const camera = new Camera(), inside = (window) => {
    const [left, top] = camera.place([0, 0]), [right, bottom] = camera.place([camera.width, camera.height]);
    return window.left <= left && window.bottom <= bottom && window.left + window.side >= right && window.bottom + window.side >= top;
  };
  Object.assign(camera, { width: 900, height: 500, zoom: 4, x: 0.5, y: 0.5 });
  const before = windowOf(camera).key, keys = new Set();
  for (const [x, y, zoom] of [[0.505, 0.5, 4], [0.5, 0.5, 7.9], [0.5, 0.505, 5]]) { Object.assign(camera, { x, y, zoom }); keys.add(windowOf(camera).key); }
  assert.deepEqual([...keys], [before]);
  for (const [x, y, zoom] of [[0.9, 0.1, 4], [0.5, 0.5, 8], [0.31, 0.77, 1.3]]) { Object.assign(camera, { x, y, zoom }); assert.notEqual(windowOf(camera).key, before); assert.ok(inside(windowOf(camera))); }
});

// Three groups of rows that lie apart, in turn.
function threeGroups(count, width) {
  const noise = numbers(count * width, 5);
  return { count, width, values: noise.map((value, n) => value + (Math.floor(n / width) % 3 === n % width ? 4 : 0)) };
}

function finished(work, steps = []) {
  let step = work.next();
  for (; !step.done; step = work.next()) steps.push(step.value);
  return step.value;
}

test("neighbors in the page are the nearest of all, equal rows among them", () => {
  const rows = threeGroups(60, 4), { values, count, width } = rows;
  values.copyWithin(0, width, 2 * width); // the first two are equal
  const { indices, distances } = finished(nearestOf(rows, 5)), far = (a, b) => range(width).reduce((sum, n) => sum + (values[a * width + n] - values[b * width + n]) ** 2, 0) / 2;
  for (let row = 0; row < count; row++) {
    const wanted = range(count).filter((other) => other !== row).map((other) => far(row, other)).sort((a, b) => a - b).slice(0, 5);
    range(5).forEach((n) => assert.ok(Math.abs(distances[5 * row + n] - wanted[n]) < 1e-5 && Math.abs(far(row, indices[5 * row + n]) - wanted[n]) < 1e-5));
  }
  assert.equal(indices[0], 1);
});

test("the start of a layout are the directions of largest variance", () => {
  const [wide, high] = [numbers(80, 3), numbers(80, 4)], values = Float32Array.from({ length: 240 }, (_, n) => [2, 9 * high[Math.floor(n / 3)], 30 * wide[Math.floor(n / 3)]][n % 3]);
  const places = widestOf({ values, count: 80, width: 3 }), spread = (axis) => Math.max(...range(80).map((n) => places[2 * n + axis])) - Math.min(...range(80).map((n) => places[2 * n + axis]));
  assert.ok(Math.abs(spread(0) - 30 * (Math.max(...wide) - Math.min(...wide))) < 1 && Math.abs(spread(1) - 9 * (Math.max(...high) - Math.min(...high))) < 1);
  assert.ok(widestOf({ values: new Float32Array(12).fill(1), count: 4, width: 3 }).every((value) => value === 0));
});

test("a layout keeps groups together, is the same for a seed, and comes in many short steps", () => {
  const rows = threeGroups(60, 4), near = finished(nearestOf(rows, 9)), how = { curve: [1.577, 0.895], seed: 3 }, steps = [], places = finished(laidOut(rows, near, how), steps);
  assert.deepEqual(finished(laidOut(rows, near, how)), places);
  assert.notDeepEqual(finished(laidOut(rows, near, { ...how, seed: 4 })), places);
  assert.ok(steps.length > 100 && steps.every((step, n) => step >= (steps[n - 1] || 0)) && steps.at(-1) === 1);
  const grid = new PointGrid(places.map((value) => value / 40 + 0.2));
  for (let row = 0; row < 60; row++) assert.ok(grid.neighbors(row, 9).every((other) => other % 3 === row % 3));
  assert.ok(finished(trustIn(rows, grid, 9)) > 0.9);
  assert.ok(finished(trustIn(rows, new PointGrid(numbers(120, 8)), 9)) < 0.65);
});

test("numbers by chance are even, and differ with the seed", () => {
  const random = chance(0), other = chance(4294967295), drawn = range(4000).map(random);
  assert.ok(drawn.every((value) => value >= 0 && value < 1));
  for (const part of [0.1, 0.5, 0.9]) assert.ok(Math.abs(drawn.filter((value) => value < part).length / 4000 - part) < 0.04);
  assert.notEqual(other(), drawn[0]);
});

// A page of 60 pictures, of which it knows the vectors; `rows`: where a sample of all is drawn.
function pageOfSixty(changes = {}) {
  const { values, width } = threeGroups(60, 4), near = finished(nearestOf({ values, count: 60, width }, 5)), [low, high] = [range(4).map(() => 0), range(4).map(() => 5)];
  const spec = { ...model().get("spec"), count: 60, all: 60, ids: range(60).map(String), codes: range(60).map(() => 0), k: 5, columns: [], layouts: { most: 50, curves: [[0.1, 1.577, 0.895]], vectors: [{ low, high, kept: 0.934 }] }, ...changes };
  const given = { spec, places: new Uint8Array(240), near: new Uint8Array(Uint16Array.from(near.indices).buffer), shares: new Uint8Array(60), vectors: Uint8Array.from(values, (value) => 51 * value) };
  return { data: new Data(model(given)), given };
}

test("a page lays out some pictures by their own neighbors, and says what it keeps and leaves out", () => {
  const { data, given } = pageOfSixty(), rows = range(30).map((n) => 59 - n), made = finished(layOut(data, rows, { method: "UMAP", n_neighbors: 15, min_dist: 0.1, seed: 0 }));
  assert.deepEqual(made.rows, range(30).map((n) => n + 30));
  const shown = new Data(model({ ...given, selection_map: made, shown: { anew: true } }));
  assert.deepEqual([...shown.placed], range(60).map((n) => Number(n >= 30)));
  assert.match(shown.say(), /^UMAP of 30 pictures alone, n_neighbors 15, min_dist 0\.1, seed 0: trustworthiness 0\.\d\d, \d+% of their 5 true neighbors near\. The other 30 pictures are not on this map\.$/);
  assert.match(shown.sample().at(-1), /knows each vector by 4 principal components in 256 steps: they keep 93% of the 5 true neighbors among all pictures/);
  for (const point of [30, 44, 59]) {
    const near = shown.neighbors(0, point);
    assert.ok(near.length === 5 && near.every((other) => other >= 30 && other !== point && other % 3 === point % 3));
    assert.match(shown.lines(point).at(-1), /keeps \d+% of its 5 true neighbors among these pictures$/);
  }
  assert.deepEqual([shown.neighbors(0, 3), shown.lines(3)], [[], ["3", "cat"]]);
  const kept = shown.share("kept", 0);
  assert.equal(pointsWhere("`neighbors kept` is null", fieldsOf(shown), 60).length, 30);
  assert.ok(kept.slice(30).reduce((sum, one) => sum + one, 0) / 30 > 50 && shown.share("wobble", 0) === null);
  shown.placeBy(null);
  assert.ok(shown.placed === null && shown.neighbors(0, 30).length === 5 && shown.say() === "PCA: trustworthiness 0.90.");
});

test("four pictures have a new map, and of a sample that is drawn only what is drawn is laid out", () => {
  const rows = range(60).map((n) => 2 * n), { data } = pageOfSixty({ all: 120, rows }), settings = { method: "UMAP", n_neighbors: 15, min_dist: 0.1, seed: 0 };
  const few = finished(layOut(data, [8, 2, 4, 6], settings)), some = finished(layOut(data, [1, 2, 3, 4, 5, 6, 8], settings));
  assert.deepEqual([few.rows, few.k, few.settings.n_neighbors, few.near.length], [[2, 4, 6, 8], 2, 4, 8]);
  assert.deepEqual(some.rows, [2, 4, 6, 8]);
  const wide = newMapOf(data, { ...few, rows: [1, 2, 4, 6] }); // Python lays out those that are not drawn, too
  assert.deepEqual([wide.points, wide.views[0].missing], [[1, 2, 3], 57]);
  assert.ok([1, 2, 3].every((point) => wide.near(0, point).every((other) => wide.points.includes(other))));
  assert.equal(wide.kept, null);
});

test("what Python says a new map keeps is what the page shows, of a sample that is drawn, too", () => {
  const { data, given } = pageOfSixty({ all: 120, rows: range(60).map((n) => 2 * n), columns: [{ name: "size", type: "number", values: range(60) }] }), made = finished(layOut(data, [2, 4, 6, 8], { method: "UMAP", n_neighbors: 15, min_dist: 0.1, seed: 0 }));
  const told = { ...made, rows: [1, 2, 4, 6], kept: Uint8Array.from([100, 50, 0, 50]), kept_means: [50] }, values = { selection_map: told, shown: {} }, shown = new Data({ get: (name) => (name in values ? values : given)[name] || model().get(name) });
  assert.deepEqual([shown.part, shown.takeShown()], [null, false]);
  values.shown = { anew: true };
  assert.deepEqual([shown.takeShown(), shown.takeShown()], [true, false]);
  assert.deepEqual(pointsWhere("`neighbors kept` = 50", fieldsOf(shown), 60), [1, 3]);
  assert.deepEqual([shown.percent("kept", 0, 2), shown.percent("kept", 0, 4), shown.shown()], [0, null, { anew: true }]);
  assert.match(shown.worth(0), /50% of their 2 true neighbors near$/); // the mean of all four
  values.shown = { axes: { x: "column:size", y: "column:size" } };
  values.selection_map = { ...told, rows: [1, 2, 3, 4] };
  const key = shown.shownKey();
  assert.deepEqual([shown.takeShown(), shown.axes, shown.part, shown.newMap.points], [true, values.shown.axes, null, [1, 2]]);
  assert.notEqual(shown.shownKey(), key);
});

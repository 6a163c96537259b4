// @ts-check
// Answers the temperature board in the place of Python: cosines of chosen captions become probabilities.
import { fixed, picture, shape, shortened, words } from "./svg.js";

const LONGEST = 32;

/** @param {number[]} cosines @param {number} scale @returns {number[]} the softmax of the scaled cosines */
export function probabilities(cosines, scale) {
  const logits = cosines.map((cosine) => scale * cosine), most = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - most)), total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** @param {number[]} shares @returns {number} bits */
export function entropy(shares) {
  return -shares.reduce((sum, p) => sum + p * Math.log2(Math.max(p, 1e-300)), 0) + 0;
}

/**
 * @param {string[]} captions
 * @param {number[]} cosines
 * @param {number} scale
 * @param {number} chosen
 * @returns {string} the state in one sentence
 */
export function temperatureSentence(captions, cosines, scale, chosen) {
  const p = probabilities(cosines, scale), best = p.indexOf(Math.max(...p));
  return (
    `Picture ${chosen}, scale ${fixed(scale, 1)}: “${captions[best]}” with p = ${fixed(p[best], 2)}; ` +
    `entropy ${fixed(entropy(p), 2)} of at most ${fixed(Math.log2(p.length), 2)} bits.`
  );
}

/**
 * @param {string[]} captions
 * @param {number[]} cosines
 * @param {number} scale
 * @param {string} image a data URI
 * @param {boolean} narrow
 */
export function temperaturePicture(captions, cosines, scale, image, narrow) {
  const p = probabilities(cosines, scale), low = Math.min(0, ...cosines), high = Math.max(0.01, ...cosines);
  const width = narrow ? 336 : 800, side = narrow ? 110 : 150, left = narrow ? 0 : side + 20, top = narrow ? side + 18 : 0;
  const reach = (width - left - 60) / 2, right = left + reach + 40, zero = (-low / (high - low)) * (reach - 50);
  const line = narrow ? 54 : 40;
  const rows = captions.map((caption, n) => {
    const y = top + 34 + n * line, long = (Math.abs(cosines[n]) / (high - low)) * (reach - 50);
    const start = left + 5 + (cosines[n] < 0 ? zero - long : zero), share = p[n] * (reach - 40);
    return (
      words(left + 5, y - 3, shortened(caption, LONGEST)) +
      shape("rect", { x: start, y: y + 2, width: Math.max(long, 1), height: 14, fill: PALETTE.secondBar }) +
      words(left + 11 + Math.max(zero, zero + (cosines[n] < 0 ? 0 : long)), y + 14, fixed(cosines[n], 2)) +
      shape("rect", { x: right, y: y + 2, width: Math.max(share, 1), height: 14, fill: PALETTE.bar }) +
      words(right + share + 6, y + 14, fixed(p[n], 2))
    );
  });
  const heads = words(left + 5, top + 14, "cosine", { "font-weight": 600 }) +
    words(right, top + 14, narrow ? "probability" : `probability at scale ${fixed(scale, 1)}`, { "font-weight": 600 });
  const seen = shape("image", { href: image, x: 0, y: 6, width: side, height: side });
  return picture(width, Math.max(top + 44 + captions.length * line, side + 12), seen + heads + rows.join(""));
}

/**
 * @param {import("./stand_in.js").StandIn} model
 * @param {{ offered: Record<string, any[]>, captions: string[], cosines: number[][], pictures: string[] }} data
 */
export function answerTemperature(model, { offered, captions, cosines, pictures }) {
  /** @type {string[]} */
  let written = [];
  function show() {
    const chosen = Object.entries(model.get("values")).map(([name, place]) => [name, offered[name][place]]);
    const values = Object.fromEntries(chosen);
    const kept = chosen.filter(([name, text]) => name.startsWith("caption") && text).map(([, text]) => text);
    if (kept.length) written = [...new Set(kept)]; // without any, the captions stay
    const own = written.map((caption) => cosines[values.picture][captions.indexOf(caption)]);
    model.set("picture", temperaturePicture(written, own, values.scale, pictures[values.picture], model.narrow()));
    model.set("sentence", temperatureSentence(written, own, values.scale, values.picture));
  }
  model.on("change:values change:narrow", show);
  show();
}

// @ts-check
// Answers a panel in the place of Python: every state was made in advance, and is looked up.
import { drawn } from "./drawing.js";

/**
 * A panel's picture; "lines": it follows a dark theme. Or what drawing.js draws. Neither: the state is refused.
 * @typedef {{ sentence: string, picture?: string, lines?: boolean, drawing?: import("./drawing.js").Row[] }} Panel
 * @typedef {{ frames: number[], panels: Panel[] } & Partial<import("./drawing.js").Shared>} Frames
 */

/**
 * The panel of a state. The last control changes fastest, as in Python's itertools.product.
 * @param {Frames} data
 * @param {{ kind: string, name: string, texts: string[] }[]} controls
 * @param {Record<string, number | boolean>} values a place among the texts for each control
 */
export function panelOf(data, controls, values) {
  const place = controls.reduce((sum, { name, texts }) => sum * texts.length + Number(values[name]), 0);
  return data.panels[data.frames[place]];
}

/** @param {import("./stand_in.js").StandIn} model @param {Frames} data */
export function answerFrames(model, data) {
  function show() {
    const panel = panelOf(data, model.get("controls"), model.get("values"));
    if (panel.drawing) {
      const shared = /** @type {import("./drawing.js").Shared} */ (data);
      model.set("picture", drawn(panel.drawing, shared, model.narrow()));
    } else if (panel.picture) {
      model.set("drawing", panel.lines ?? false);
      model.set("picture", panel.picture);
    }
    model.set("sentence", panel.sentence);
  }
  model.on("change:values change:narrow", show);
  show();
}

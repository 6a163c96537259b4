// @ts-check
// Answers the token microscope in the place of Python: one token, and the ways to another one.
import { SIDE, countTokens, hdGrid, paddedBox, pixelsOf, tokenAt, tokensAt } from "./hd_grid.js";

/** @typedef {import("./hd_grid.js").Grid} Grid */

export class TokenState {
  /** @param {Grid} grid @param {string} order @param {number} index */
  constructor(grid, order, index) {
    this.grid = grid;
    this.order = order;
    this.index = 0;
    this.goTo(index);
  }

  /** @param {number} index */
  goTo(index) {
    this.index = Math.min(Math.max(index, 0), countTokens(this.grid) - 1);
  }

  /** @param {number} step rows of tokens, down or (negative) up */
  moveRow(step) {
    const across = tokenAt(this.grid, this.index, this.order).view === "crop" ? this.grid.cols : 1;
    this.goTo(this.index + step * (across * SIDE + 1));
  }

  /** @param {number} x @param {number} y a pixel of the picture; again the same one: its next token */
  lookAt(x, y) {
    const tokens = tokensAt(this.grid, x, y, this.order);
    this.index = tokens[(tokens.indexOf(this.index) + 1) % tokens.length];
  }

  /** @returns {string} */
  sentence() {
    const { grid, index, order } = this, token = tokenAt(grid, index, order);
    const where = `Token ${index} of 0 to ${countTokens(grid) - 1}: `;
    if (token.kind === "view separator") return `${where}the view separator. It represents no pixels.`;
    if (token.kind === "row separator") {
      const view = token.view === "crop" ? "the crops" : "the global view";
      return `${where}a row separator, after row ${token.row} of ${view}. It represents no pixels.`;
    }
    const crop = token.crop ?? 0, row = Math.floor(crop / grid.cols), col = crop % grid.cols;
    const view = token.kind === "crop" ? `crop ${crop} (row ${row}, column ${col})` : "global view";
    const extent = token.kind === "crop" ? `the ${grid.rows * SIDE} × ${grid.cols * SIDE} of all crops` : `${SIDE} × ${SIDE}`;
    const place = `${where}${view}, token row ${token.row}, column ${token.col} of ${extent}. `;
    const seen = pixelsOf(grid, index, order);
    if (!seen) return `${place}It represents padding only.`;
    return `${place}It represents pixels x ${seen[0]} to ${seen[2] - 1}, y ${seen[1]} to ${seen[3] - 1}.`;
  }

  scene() {
    const { grid, index, order } = this;
    const { kind } = tokenAt(grid, index, order);
    return { index, kind, box: paddedBox(grid, index, order), sentence: this.sentence() };
  }

  /** @param {{ do?: unknown, value?: any }} message that the page sends; one that makes no sense changes nothing */
  answer({ do: what, value }) {
    if (what === "go") this.goTo(value);
    else if (what === "move") this.goTo(this.index + value);
    else if (what === "row") this.moveRow(value);
    else if (what === "look" && value[0] < this.grid.width && value[1] < this.grid.height) this.lookAt(value[0], value[1]);
  }
}

/**
 * @param {import("./stand_in.js").StandIn} model
 * @param {{ width: number, height: number, num_crops: number, order: string }} data
 */
export function answerTokens(model, data) {
  const state = new TokenState(hdGrid(data.width, data.height, data.num_crops), data.order, model.get("scene").index);
  model.onMessage((message) => {
    state.answer(message);
    model.set("scene", state.scene());
  });
}

// @ts-check
// The button for a new map of the selected pictures alone, and the way back. In a notebook Python computes the map, an
// exported page does so itself, in short turns between which it stays usable.

const TURN = 12; // milliseconds

class LayOut {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.starts = 0; // a work that is not the last one that was started ends
    this.busy = false;
    // The second click of a double click is not meant for what the button has become: "Stop".
    this.button = button("Map these anew", (event) => { if (event.detail < 2) this.press(); }, { title: "Lay out the selected pictures alone, by their own nearest neighbors" });
    this.progress = make("progress", { max: 1, "aria-label": "New map computed", style: { display: "none" } });
    this.back = button("Back to all", () => { app.placeBy(null); this.button.focus(); }, { title: "Show the map of all pictures again" });
    this.controls = [this.button, this.progress, this.back];
    this.sync();
  }

  // Whether a map is being computed that can be stopped, by this page or by Python.
  get working() { return this.app.model.alone ? this.busy : this.app.model.get("stoppable"); }

  sync() {
    this.button.textContent = this.working ? "Stop" : "Map these anew";
    this.button.disabled = !this.working && !this.app.model.get("selected").length;
    this.back.style.display = this.app.data.part ? "" : "none";
  }

  showProgress(share) {
    this.progress.style.display = share < 1 ? "" : "none";
    this.progress.value = share;
  }

  press() {
    const { app } = this;
    if (!this.working) { this.make(app.model.get("selected")); return; }
    if (!app.model.alone) { app.model.send({ do: "stop" }); return; }
    this.end();
    app.say("Stopped: there is no new map");
  }

  // The parameters of the map that is shown, or umap-learn's.
  usual() {
    const shown = this.app.data.settings();
    return shown.method === "UMAP" ? shown : { method: "UMAP", n_neighbors: 15, min_dist: 0.1, seed: 0 };
  }

  /** @param {number[]} rows @param {MapSettings} [settings] @returns {Promise<boolean>} whether this page has made one */
  async make(rows, settings = this.usual()) {
    const { model, data } = this.app, { layouts } = data.spec, drawn = data.points(rows).length;
    if (rows.length < LEAST_LAID_OUT) { this.app.say(`A map needs ${LEAST_LAID_OUT} pictures at least; ${rows.length} are selected`); return false; }
    if (model.alone && drawn > layouts.most) { this.app.say(`A page lays out ${grouped(layouts.most)} pictures at most; ${grouped(drawn)} are selected. A notebook can lay out more`); return false; }
    this.app.say(`Computing a new map of ${grouped(model.alone ? drawn : rows.length)} pictures …`);
    if (model.alone) return this.work(layOut(data, rows, settings));
    model.send({ do: "map of", rows });
    return false;
  }

  /** @param {Generator<number, LaidOutRows>} steps */
  async work(steps) {
    const mine = (this.starts += 1);
    this.busy = true;
    this.sync();
    this.showProgress(0);
    for (let step = steps.next(), rest = 0; ; step = steps.next()) {
      if (step.done) { this.take(step.value); return true; }
      if (performance.now() < rest) continue;
      this.showProgress(step.value);
      await new Promise((done) => setTimeout(done));
      if (mine !== this.starts) return false;
      rest = performance.now() + TURN;
    }
  }

  /** A new map was made: show it. @param {LaidOutRows} made */
  take(made) {
    const { app } = this;
    this.end();
    app.model.set("selection_map", made); // which `data` takes up
    app.placeBy(null, app.data.newMap);
  }

  end() {
    this.starts += 1;
    this.busy = false;
    this.showProgress(1);
    this.sync();
  }
}

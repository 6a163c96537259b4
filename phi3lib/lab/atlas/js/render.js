// @ts-check
// What a page or a notebook calls: the view on an element, and its end.

/** @param {View<AtlasTraits>} view */
function render({ model, el }) {
  const app = new App(model, el), followers = followersOf(app);
  for (const [name, follower] of Object.entries(followers)) model.on(name, follower);
  const repaint = () => { if (app.dark() !== app.theme) app.repaint(); }, resized = () => app.resized();
  const moved = () => app.address.follow();
  const themes = new MutationObserver(repaint), scheme = window.matchMedia("(prefers-color-scheme: dark)"), sizes = new ResizeObserver(resized);
  const unwatch = watchWheel(app);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  scheme.addEventListener("change", repaint);
  window.addEventListener("resize", resized);
  window.addEventListener("hashchange", moved);
  app.maps.forEach((one) => sizes.observe(one.frame));
  app.address.follow();
  return () => {
    app.leave();
    app.pictures.forget();
    unwatch();
    themes.disconnect();
    sizes.disconnect();
    scheme.removeEventListener("change", repaint);
    window.removeEventListener("resize", resized);
    window.removeEventListener("hashchange", moved);
    for (const [name, follower] of Object.entries(followers)) model.off(name, follower);
  };
}

// What follows the model: its values as they change, and what it sends.
/** @param {App} app @returns {Record<string, (message?: any, buffers?: any) => void>} */
function followersOf(app) {
  return {
    "change:selected": () => app.followSelection(),
    "change:selections": () => { app.named.fill(); app.address.note(); },
    "change:found": () => { app.paint(); app.lists.fillStrip(); },
    "change:status": () => { if (app.model.get("status")) app.say(app.model.get("status")); },
    "change:progress": () => app.controls.showProgress(app.model.get("progress")),
    "change:selection_map": () => app.followShown(),
    "change:shown": () => app.followShown(),
    "change:stoppable": () => app.controls.showStop(),
    "change:spec": () => { app.data.read(); app.follow(); },
    "change:chosen": () => { app.data.choose(); app.placeBy(null); },
    "msg:custom": (message, buffers) => { if (message.where) app.conditions.receive(message); else if (message.sql) app.query.receive(message.sql); else app.pictures.receive(message, buffers || []); },
  };
}

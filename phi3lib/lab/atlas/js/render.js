// @ts-check
// What a page or a notebook calls: the view on an element, and its end.

/** @param {View<AtlasTraits>} view */
function render({ model, el }) {
  const app = new App(model, el), followers = app.followers();
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

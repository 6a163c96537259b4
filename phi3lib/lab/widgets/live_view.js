// @ts-check
// What every instrument's page does about its kernel: while it is connected, the still picture behind it is
// hidden; when it is not, it says so and takes no more input.
const NOT_CONNECTED = "Not connected: the kernel has ended or was restarted. Run this cell again to use the controls.";
const INPUT = ["keydown", "pointerdown", "pointermove", "click", "input", "change"];

/**
 * What is known of the connection: the widget manager's model, and its channel to the kernel.
 * @typedef {{ comm_live: boolean, comm?: { jsServicesComm?: { isDisposed: boolean } } }} RawModel
 */

/**
 * Put an instrument's root on its page. The returned function ends the attention.
 * @param {View<LiveTraits>} view @param {HTMLElement} root
 */
function attend({ model, el }, root) {
  if (model.alone) {
    el.append(root);
    return () => {};
  }
  const frame = document.createElement("fieldset"), hiding = document.createElement("style");
  frame.className = "phi3lib-frame";
  frame.setAttribute("role", "none");
  frame.append(root);
  el.append(hiding, frame);
  const hide = () => {
    hiding.textContent = (model.get("twins") || [])
      .map((key) => `.${key}, .jp-OutputArea-child:has(.${key}) { display: none; }`).join("\n");
  };
  const notice = document.createElement("p");
  notice.className = "phi3lib-notice";
  notice.textContent = NOT_CONNECTED;
  notice.setAttribute("role", "alert");
  const raw = rawModel(model);
  function check() {
    // Without an event where a kernel is shut down: its channel is closed, which only a look at it shows.
    const gone = !raw.comm_live || Boolean(raw.comm?.jsServicesComm?.isDisposed);
    if (gone === frame.disabled) return;
    frame.disabled = gone;
    frame.classList.toggle("phi3lib-gone", gone);
    root.setAttribute("aria-disabled", String(gone));
    if (gone) frame.before(notice);
    else notice.remove();
  }
  for (const name of INPUT) {
    frame.addEventListener(name, (event) => {
      const leaves = event instanceof KeyboardEvent && event.key === "Tab";
      if (frame.disabled && !leaves) event.stopPropagation();
    }, true);
  }
  const watch = setInterval(check, 1000);
  model.on("comm_live_update", check);
  model.on("change:twins", hide);
  hide();
  check();
  return () => {
    clearInterval(watch);
    model.off("comm_live_update", check);
    model.off("change:twins", hide);
  };
}

// The widget manager's own model behind anywidget's: it alone knows about the connection. Events carry it.
/** @param {Model<LiveTraits>} model @returns {RawModel} */
function rawModel(model) {
  /** @type {RawModel} */
  let found = { comm_live: true };
  const take = (/** @type {RawModel | undefined} */ raw) => { found = raw || found; };
  model.on("change:page_", take);
  model.set("page_", Math.random()); // no trait of this name: Python ignores it
  model.off("change:page_", take);
  return found;
}

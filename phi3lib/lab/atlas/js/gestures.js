// @ts-check
// Pointer, fingers, wheel and keys on a map.
//
// A mouse drags what the chosen tool does; the right or middle button, or the space bar, moves the map. One
// finger scrolls the page and taps; two move and zoom the map. The wheel zooms, unless a page that is being
// scrolled has just brought the map under the pointer, or the whole map is in view and the wheel zooms out.

const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
const STEP = 80, SLACK = 4, SLACK_OF_FINGERS = 10, PAUSE = 350;

/** @param {App} app @param {MapView} one */
function listen(app, one) {
  const { canvas } = one, on = (name, listener, options) => canvas.addEventListener(name, listener, options);
  on("pointermove", (event) => pointed(app, one, event));
  on("pointerleave", () => { if (!app.view.drag && !canvas.matches(":focus-visible")) app.look(one, -1); });
  on("pointerdown", (event) => pressed(app, one, event));
  on("pointerup", (event) => { if (app.view.drag) dropped(app, one, one.place(event), event); });
  on("pointercancel", () => { app.view.drag = null; one.drawOver(); });
  on("contextmenu", (event) => { if (app.view.moved) event.preventDefault(); });
  on("dblclick", (event) => { app.restore(); one.camera.zoomBy(event.shiftKey ? 0.5 : 2, one.place(event)); one.moved(); });
  on("wheel", (event) => turned(app, one, event), { passive: false });
  on("focus", () => { if (canvas.matches(":focus-visible")) app.look(one, app.view.focus >= 0 ? app.view.focus : app.central(one)); });
  on("blur", () => { one.hideTip(); app.view.space = false; });
  on("keydown", (event) => key(app, one, event));
  on("keyup", (event) => { if (event.key === " ") app.view.space = false; });
  listenToFingers(app, one);
}

// ------------------------------------------------------------------------------------------ the pointer

/** @param {App} app @param {MapView} one @param {PointerEvent} event */
function pointed(app, one, event) {
  const { view } = app, { drag } = view, at = one.place(event);
  app.wheeled = 0;
  if (drag && drag.one === one) {
    if (drag.tool === "move") {
      one.camera.pan(at[0] - drag.last[0], at[1] - drag.last[1]);
      one.moved();
    } else if (drag.path) {
      drag.path.push(at);
      one.drawOver();
    }
    drag.last = at;
    drag.far = Math.max(drag.far, Math.hypot(at[0] - drag.from[0], at[1] - drag.from[1]));
    return;
  }
  if (event.pointerType === "touch") return;
  const named = one.nameAt(at) >= 0, point = named ? -1 : one.nearest(at);
  one.canvas.style.cursor = named ? "pointer" : "";
  if (point !== view.focus && (point >= 0 || !one.canvas.matches(":focus-visible"))) app.look(one, point, { aloud: false });
}

/** @param {App} app @param {MapView} one @param {PointerEvent} event */
function pressed(app, one, event) {
  const { view } = app, at = one.place(event), touch = event.pointerType === "touch";
  if (event.button > 2 || view.drag || view.pinch) return;
  view.moved = false;
  const tool = event.button || view.space ? "move" : touch && !view.drawing ? "tap" : view.tool;
  if (tool !== "tap") one.canvas.setPointerCapture(event.pointerId);
  if (event.button === 1) event.preventDefault();
  one.hideTip();
  view.drag = { one, tool, from: at, last: at, far: 0, touch, path: tool === "lasso" || tool === "rectangle" ? [at] : null };
}

/** @param {App} app @param {MapView} one @param {number[]} end @param {PointerEvent} event */
function dropped(app, one, end, event) {
  const { drag } = app.view, slack = drag.touch ? SLACK_OF_FINGERS : SLACK;
  app.view.drag = null;
  app.view.moved = drag.tool === "move" && drag.far >= slack;
  if (drag.far < slack && !event.button) clicked(app, one, end, event, drag.touch);
  else if (drag.path) app.select(one.within(insideOf(drag, end)), { how: app.how(event) });
  one.drawOver(); // nothing may have changed but the lasso itself
}

/** @param {Drag} drag @param {number[]} end */
function insideOf({ tool, from, path }, end) {
  const between = (value, a, b) => (value - a) * (value - b) <= 0;
  if (tool === "rectangle") return (across, down) => between(across, from[0], end[0]) && between(down, from[1], end[1]);
  return (across, down) => inPolygon(path, across, down);
}

// A click selects and opens; again on the same place, the next of those that stand there. On a name: its kind.
/** @param {App} app @param {MapView} one @param {number[]} at @param {MouseEvent} event @param {boolean} touch */
function clicked(app, one, at, event, touch) {
  const nearest = one.nearest(at, touch ? 2 * REACH : REACH), kind = one.nameAt(at);
  app.remember();
  if (kind >= 0) {
    app.select(one.ofName(kind), { how: app.how(event) });
    return;
  }
  if (nearest < 0) {
    app.open(-1);
    if (app.how(event) === "new") app.select([]);
    return;
  }
  const crowd = one.together(nearest), before = crowd.indexOf(app.view.opened);
  const point = before >= 0 && crowd.length > 1 ? crowd[(before + 1) % crowd.length] : nearest;
  app.look(one, point, { aloud: false });
  if (event.shiftKey) app.toggle(point);
  else app.select([point], { how: app.how(event) });
  app.open(point);
}

// ------------------------------------------------------------------------------------------ wheel and fingers

/** @param {App} app @param {MapView} one @param {WheelEvent} event */
function turned(app, one, event) {
  const { camera } = one, pixels = event.deltaY * (event.deltaMode === 1 ? 20 : event.deltaMode === 2 ? 400 : 1);
  const scrolling = performance.now() - (app.wheeled || -PAUSE) < PAUSE && app.wheeledElsewhere;
  if (!event.ctrlKey && (scrolling || (camera.zoom === 1 && pixels > 0))) return;
  event.preventDefault();
  const factor = Math.exp(-Math.max(Math.min(pixels, 200), -200) * (event.ctrlKey ? 0.01 : 0.0022));
  camera.zoomBy(factor, one.place(event));
  one.moved();
}

// Remember where the wheel turns: on a map, or on the page that scrolls below it.
/** @param {App} app */
function watchWheel(app) {
  const note = (event) => {
    const here = app.maps.some((one) => one.canvas === event.target);
    const now = performance.now(), going = now - (app.wheeled || -PAUSE) < PAUSE;
    app.wheeledElsewhere = going ? app.wheeledElsewhere : !here;
    app.wheeled = now;
  };
  window.addEventListener("wheel", note, { capture: true, passive: true });
  return () => window.removeEventListener("wheel", note, { capture: true });
}

/** @param {App} app @param {MapView} one */
function listenToFingers(app, one) {
  const { canvas } = one, options = { passive: false };
  const two = (/** @type {TouchEvent} */ { touches }) => {
    const [a, b] = [touches[0], touches[1]].map((touch) => one.place(touch));
    return { at: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], apart: Math.max(Math.hypot(a[0] - b[0], a[1] - b[1]), 1) };
  };
  canvas.addEventListener("touchstart", (event) => {
    if (event.touches.length !== 2) return;
    event.preventDefault();
    app.view.drag = null;
    app.view.pinch = two(event);
  }, options);
  canvas.addEventListener("touchmove", (event) => {
    const before = app.view.pinch;
    if (!before || event.touches.length !== 2) return;
    event.preventDefault();
    const now = two(event);
    one.camera.pan(now.at[0] - before.at[0], now.at[1] - before.at[1]);
    one.camera.zoomBy(now.apart / before.apart, now.at);
    app.view.pinch = now;
    one.moved();
  }, options);
  const lifted = (/** @type {TouchEvent} */ event) => { if (event.touches.length < 2) app.view.pinch = null; };
  canvas.addEventListener("touchend", lifted);
  canvas.addEventListener("touchcancel", lifted);
}

// ------------------------------------------------------------------------------------------ keys

/** @param {App} app @param {MapView} one @param {KeyboardEvent} event */
function key(app, one, event) {
  const act = keyAct(app, one, event);
  if (!act) return;
  event.preventDefault();
  act();
}

/** @param {App} app @param {MapView} one @param {KeyboardEvent} event */
function keyAct(app, one, event) {
  const { focus } = app.view, arrow = ARROWS[event.key], control = event.ctrlKey || event.metaKey, letter = event.key.toLowerCase();
  const go = (point) => () => app.look(one, point), zoom = (factor) => () => { one.camera.zoomBy(factor, focus >= 0 && one.inView(focus) ? [one.x(focus), one.y(focus)] : undefined); one.moved(); };
  if (control) return { z: () => (event.shiftKey ? app.redo() : app.undo()), y: () => app.redo() }[letter];
  if (arrow && event.shiftKey) return () => { one.camera.pan(-STEP * arrow[0], STEP * arrow[1]); one.moved(); };
  if (event.key === "Escape") return () => { app.look(one, -1); app.open(-1); app.select([]); };
  if (event.key === "0") return () => { one.camera.home(); one.moved(); };
  if (event.key === "+" || event.key === "=") return zoom(1.6);
  if (event.key === "-" || event.key === "_") return zoom(1 / 1.6);
  if (event.key === " ") return () => { app.view.space = true; };
  if (!arrow && event.key !== "Enter" && letter !== "n" && letter !== "p") return null;
  if (focus < 0) return go(app.central(one));
  if (arrow) return go(towards(one.now, focus, arrow, (point) => app.hidden(point)));
  if (event.key !== "Enter") return go(one.beside(focus, letter === "n" ? 1 : -1));
  return () => {
    if (event.shiftKey) app.toggle(focus);
    else app.select([focus], { how: app.how(event) });
    app.open(focus);
  };
}

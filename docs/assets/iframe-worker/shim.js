// The search of a page from a disk, where browsers refuse workers: the worker's script runs in a hidden frame.
// After iframe-worker by Martin Donath (see LICENSE). That writes a script into the frame, which the
// site's content policy forbids; here the frame loads inside.js.
"use strict";
(() => {
  const INSIDE = new URL("inside.js", document.currentScript.src).href;
  const quoted = (address) => address.replace(/[&"<>]/g, (mark) => `&#${mark.charCodeAt(0)};`);

  class FrameWorker extends EventTarget {
    constructor(address) {
      super();
      this.address = String(address);
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.appendChild(this.frame);
      this.inside.document.open();
      this.inside.document.write(
        `<!doctype html><body><script src="${quoted(INSIDE)}" data-worker="${quoted(this.address)}"></script>` +
          `<script src="${quoted(this.address)}"></script></body>`,
      );
      this.inside.document.close();
      this.ready = new Promise((resolve, reject) => Object.assign(this.inside, { onload: resolve, onerror: reject }));
      this.hear = (event) => {
        if (event.source !== this.inside) return;
        this.dispatchEvent(new MessageEvent("message", { data: event.data }));
        this.onmessage?.(event);
      };
      this.fail = (event) => {
        if (event.filename !== this.address) return;
        this.dispatchEvent(new ErrorEvent("error", event));
        this.onerror?.(event);
      };
      addEventListener("message", this.hear);
      addEventListener("error", this.fail);
    }

    get inside() {
      return this.frame.contentWindow;
    }

    postMessage(message) {
      this.ready.catch(() => {}).then(() => {
        this.inside.dispatchEvent(new MessageEvent("message", { data: structuredClone(message) }));
      });
    }

    terminate() {
      this.frame.remove();
      removeEventListener("message", this.hear);
      removeEventListener("error", this.fail);
    }
  }

  window.IFrameWorker = FrameWorker;
  if (location.protocol === "file:") window.Worker = FrameWorker;
})();

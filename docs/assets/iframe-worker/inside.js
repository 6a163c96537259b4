// What a worker's script expects around it, in the frame that shim.js makes.
"use strict";
(() => {
  const worker = document.currentScript.dataset.worker;
  window.postMessage = (message, target = "*") => parent.postMessage(message, target);
  window.importScripts = (...addresses) =>
    addresses.reduce((before, address) => before.then(() => new Promise((resolve) => {
      document.body.appendChild(Object.assign(document.createElement("script"), { src: address, onload: resolve }));
    })), Promise.resolve());
  addEventListener("error", ({ error }) => parent.dispatchEvent(new ErrorEvent("error", { filename: worker, error })));
})();

// @ts-check
// Puts instruments on a page that has no kernel: each gets a stand-in for the notebook's model.
import { answerFrames } from "./frames.js";
import { answerGrid } from "./grid_explorer.js";
import { answerTemperature } from "./temperature.js";
import { answerTokens } from "./tokens.js";

/**
 * @typedef {{ view: string, answers: keyof typeof ANSWERS, values: Record<string, any>, data: any, limits: string }} Form
 * @typedef {{ render: (page: { model: StandIn, el: HTMLElement }) => void }} View
 */

const ANSWERS = { frames: answerFrames, grid: answerGrid, temperature: answerTemperature, tokens: answerTokens };

/** Holds an instrument's values, as the notebook's model does; messages go to a function of the page. */
export class StandIn {
  /** @param {Record<string, any>} values @param {{ matches: boolean } | null} phone */
  constructor(values, phone) {
    this.alone = true; // the view then speaks of no kernel
    this.values = { ...values };
    this.phone = phone;
    /** @type {Map<string, Set<() => void>>} */
    this.listeners = new Map();
    /** @type {(message: any) => void} */
    this.take = () => {};
  }

  /** @param {string} name @returns {any} */
  get(name) {
    return this.values[name];
  }

  /** @param {string} name @param {any} value */
  set(name, value) {
    this.values[name] = value;
    this.tell(`change:${name}`);
  }

  /** @param {string} event */
  tell(event) {
    for (const listener of this.listeners.get(event) ?? []) listener();
  }

  save_changes() {}

  /** @param {any} message */
  send(message) {
    this.take(message);
  }

  /** @param {(message: any) => void} take what the view sends */
  onMessage(take) {
    this.take = take;
  }

  /** @param {string} events names with spaces between them @param {() => void} listener */
  on(events, listener) {
    for (const event of events.split(" ")) {
      this.listeners.set(event, (this.listeners.get(event) ?? new Set()).add(listener));
    }
  }

  /** @param {string} events @param {() => void} listener */
  off(events, listener) {
    for (const event of events.split(" ")) this.listeners.get(event)?.delete(listener);
  }

  /** @returns {boolean} whether the page is as narrow as a phone */
  narrow() {
    return this.phone?.matches ?? false;
  }
}

/**
 * Put an instrument into an element.
 * @param {Form} form
 * @param {HTMLElement} el
 * @param {Record<string, View>} views
 */
export function mount(form, el, views) {
  const phone = el.ownerDocument.defaultView?.matchMedia("(max-width: 600px)") ?? null;
  const model = new StandIn(form.values, phone);
  phone?.addEventListener("change", () => model.tell("change:narrow"));
  ANSWERS[form.answers](model, form.data);
  views[form.view].render({ model, el });
  const picture = el.querySelector("img");
  if (picture) scrolled(picture, model);
}

/**
 * Let a picture that was drawn for a wide page scroll on a phone, where its letters would be too small.
 * @param {HTMLElement} picture
 * @param {StandIn} model
 */
function scrolled(picture, model) {
  const region = picture.ownerDocument.createElement("div");
  region.className = "phi3lib-scrolled";
  region.setAttribute("role", "region");
  region.setAttribute("aria-label", `${model.get("title")}: picture`);
  const reach = () => (region.tabIndex = model.narrow() ? 0 : -1); // by the keyboard where it can scroll
  picture.before(region);
  region.append(picture);
  model.on("change:narrow", reach);
  reach();
}

/**
 * Put the instruments of a page in the places of their still pictures.
 * @param {Record<string, Form>} forms by the key of the still picture
 * @param {Record<string, View>} views
 * @param {Document} page
 */
export function mountAll(forms, views, page) {
  for (const [key, form] of Object.entries(forms)) {
    for (const still of page.querySelectorAll(`.phi3lib-twin.${key}`)) {
      const place = page.createElement("div");
      place.className = "phi3lib-without-kernel";
      still.before(place);
      mount(form, place, views);
      still.remove(); // its picture would be read out a second time
    }
  }
}

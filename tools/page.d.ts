// Types that the scripts of the lab's pages share. PALETTE comes from build/palette.js, which
// `make check-scripts` writes.

/** The model of a widget, anywidget's in a notebook and a stand-in on a page without a kernel. */
interface Model<Traits> {
  /** true on a page without a kernel */
  alone?: boolean;
  get<Name extends keyof Traits>(name: Name): Traits[Name];
  set<Name extends keyof Traits>(name: Name, value: Traits[Name]): void;
  save_changes(): void;
  send(message: object): void;
  on(event: string, listener: (...args: never[]) => void): void;
  off(event: string, listener: (...args: never[]) => void): void;
}

/** What a script's `render` is given. */
interface View<Traits> {
  model: Model<Traits>;
  el: HTMLElement;
}

/** Of every widget: the keys of its still pictures; `page_` is no trait, see live_view.js. */
interface LiveTraits {
  twins: string[];
  page_: number;
}

type Tags = HTMLElementTagNameMap;

/** What `make` gives an element: properties (numbers become texts), attributes, listeners. */
type Parts<Tag extends keyof Tags> = {
  [Name in keyof Omit<Tags[Tag], "style">]?: Tags[Tag][Name] extends string ? string | number : Tags[Tag][Name];
} & { [name: `aria-${string}` | `data-${string}`]: string } & {
  role?: string;
  on?: { [Event in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Event]) => void };
  style?: Partial<CSSStyleDeclaration>;
};

/** left, top, width, height */
type Rectangle = [number, number, number, number];

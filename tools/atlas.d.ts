// What the explorer's page gets from `page_data` in phi3lib/lab/atlas/page.py and from live.py.

interface MapSettings {
  method: string;
  n_neighbors: number;
  min_dist: number;
  seed: number;
}

interface AtlasSpec {
  names: string[];
  named: boolean;
  count: number;
  all: number;
  rows: number[] | null;
  ids: string[];
  keys: string[] | null;
  square: number;
  large: boolean;
  columns: Column[];
  label: string | null;
  kinds: string[];
  codes: number[];
  k: number;
  recall: string[];
  settings: MapSettings[];
  trust_words: string[][];
  /** by measure, map and settings: a line of the shares; null where there is none */
  lines: Record<string, (number | null)[][]>;
  thumb: number;
  sheet: number;
  shapes: number[];
  finds: boolean;
  /** what each text of an exported page finds, and the column with the cosines of all */
  queries?: (FoundPictures & { column: string })[];
  /** of each table: shares of the variance, and the values that the bytes 0 and 4,095 stand for */
  components?: { shares: number[]; low: number[]; high: number[] }[];
  /** what a page lays out a selection by: of each table what the bytes 0 and 255 of its vectors stand for */
  layouts?: { most: number; curves: number[][]; vectors: { low: number[]; high: number[]; kept: number }[] } | null;
  card: object;
}

interface FoundPictures {
  text?: string;
  rows?: number[];
  cosines?: number[];
  standing?: number;
  through?: string;
  ids?: string[];
}

/** A new map of some pictures alone, from Python or the page. */
interface LaidOutRows {
  rows: number[];
  settings: MapSettings;
  k: number;
  trust_words: string[];
  notes: string[];
  /** of each map: x and y of each row on a square of 65,535 */
  places: ArrayBufferView;
  /** of each map: the k nearest of each row, by their number among the rows */
  near: ArrayBufferView;
  /** of each map: the share of true neighbors that each row keeps, in percent, and the mean of these; from Python alone */
  kept?: ArrayBufferView;
  kept_means?: number[];
}

/** What is shown in place of a map of all pictures: a new map of some, or places on two axes and what these keep in percent. */
interface ShownPlaces {
  anew?: boolean;
  axes?: Axes;
  kept?: ((number | null)[] | null)[];
}

interface AtlasTraits extends LiveTraits {
  spec: AtlasSpec;
  places: DataView;
  near: DataView;
  /** of each point with its true neighbors, in hundredths */
  cosines: DataView;
  shares: DataView;
  shade: DataView;
  /** principal components of each table: one after the other, a number for each point */
  components: DataView;
  /** what an exported page knows of the vectors, if it lays out selections: principal components in steps of a byte */
  vectors: DataView;
  /** without rows: none was made */
  selection_map?: Partial<LaidOutRows>;
  shown?: ShownPlaces;
  /** sheets of thumbnails as data URIs; an exported page has their number, and they lie in elements of their own */
  sheets: string[] | number;
  /** the place of each point's thumbnail on the sheets */
  slots: DataView;
  /** addresses of the pictures' files, on an exported page */
  files: (string | null)[] | null;
  chosen: MapSettings;
  selected: number[];
  selections: [string, number[]][];
  found: FoundPictures;
  status: string;
  progress: number;
  /** whether Python computes a new map that can be stopped */
  stoppable?: boolean;
}

/** The pointer's way over a map since it was pressed. */
interface Drag {
  one: MapView;
  tool: string;
  from: number[];
  last: number[];
  far: number;
  touch: boolean;
  path: number[][] | null;
}

"""The 26 faults of the cookbook page, as data: the notebook's table and the tests are made from it."""

from dataclasses import dataclass

CRASH, SILENT, WASTE = "crash", "silent", "waste"


@dataclass(frozen=True)
class Fault:
    """One fault of the page.

    kind: "crash" (it stops with an error), "silent" (a wrong result or statement, without an error) or
    "waste" (work for nothing). happens, ours: one sentence each, what the page's class or text does and
    what this project does instead. inherited: the fault came with the model code that the page copied.
    """

    number: int
    title: str
    kind: str
    happens: str
    ours: str
    inherited: bool

    def __str__(self) -> str:
        return f"fault {self.number} ({self.title})"


# (number, title, kind, what happens, what ours does). 1 to 7 are the page's own.
_ROWS = [
    (
        1,
        "`bs` is never assigned",
        CRASH,
        "Every HD picture ends in `NameError`.",
        "The number of pictures is read from `pixel_values`.",
    ),
    (
        2,
        "`start_time` is not assigned for HD pictures",
        CRASH,
        "The log line after the projector raises `UnboundLocalError`.",
        "Nothing is timed inside the class.",
    ),
    (
        3,
        "functions that do not exist",
        CRASH,
        "The third sample calls `load_phi3_model`, `process_for_phi3_model` and a method; none is defined.",
        "All three exist, and the sample runs on them as it is written.",
    ),
    (
        4,
        "a code block that never closes",
        CRASH,
        "Two backticks instead of three end the last block, so the text after it becomes code.",
        "A test reads the code fences of every text here.",
    ),
    (
        5,
        "an output object is used as a tensor",
        CRASH,
        "In transformers 5, `get_image_features` of CLIP returns an object, and arithmetic on it fails.",
        "`load_clip().image_features` returns the vectors.",
    ),
    (
        6,
        "vectors and sequences are compared",
        SILENT,
        "Vectors of 512 numbers are compared with tokens of 3072: no pooling, no norm, no common space.",
        "One vector a picture from each model, and comparisons by neighbors inside each space.",
    ),
    (
        7,
        "weights are never loaded",
        SILENT,
        "Tower and projector are random, the separators zero: every vector is noise.",
        "The published weights load by name, and the loader refuses a checkpoint where one is missing.",
    ),
    (
        8,
        "`hd_transform` is unset without HD",
        CRASH,
        "4-D and 3-D inputs end in `UnboundLocalError`.",
        "Plain pictures and ready features are each handled on their own.",
    ),
    (
        9,
        "144 placeholders for 576 features",
        CRASH,
        "Without HD the asserts can never hold with the published configuration.",
        "The features are counted, and the placeholders must be as many.",
    ),
    (
        10,
        "an error without words",
        CRASH,
        "HD pictures without `image_sizes` raise an empty `NotImplementedError`.",
        "The message says that `image_sizes` is missing, and what it holds.",
    ),
    (
        11,
        "the caller's `input_ids` are changed",
        SILENT,
        "The placeholders become 0; a second call sees no picture.",
        "`input_ids` stay as they were.",
    ),
    (
        12,
        "bad ids are clamped, one too high",
        SILENT,
        "Ids above the vocabulary become `vocab_size`. That is the row after the last word: in a table with "
        "spare rows a row that is no word, without an error; in any other an `IndexError`.",
        "An id above the vocabulary is refused with its number.",
    ),
    (
        13,
        "stored sizes stay in force",
        SILENT,
        "`set_img_sizes` overrides the argument of every later call, and pictures lose tokens.",
        "Stored inputs serve one call, and the call's own arguments override them.",
    ),
    (
        14,
        "`set_img_features` takes pictures",
        CRASH,
        "The name and the text say features, but they go through the tower again; features raise an error.",
        "Both work: pictures go through the tower, ready features do not.",
    ),
    (
        15,
        "too many placeholders are accepted",
        SILENT,
        "Placeholders without a token keep the vector of word 0; so does a tag that is written twice.",
        "Wrong counts are refused with both numbers.",
    ),
    (
        16,
        "the tag's number is ignored",
        SILENT,
        "`<|image_2|>` before `<|image_1|>` swaps the two pictures.",
        "The number picks the picture, wherever it stands.",
    ),
    (
        17,
        "every negative id is a picture",
        SILENT,
        "One -100, the usual mark for ignored labels, moves all visual tokens.",
        "A count that does not fit is refused, and the message names -100.",
    ),
    (
        18,
        "it writes into the words' own tensor",
        CRASH,
        "To train only what stands before the words, their vectors get gradients and the words are frozen "
        "(`enable_input_require_grads`); autograd then refuses to write into these vectors.",
        "The tokens are written into a copy, and gradients reach both.",
    ),
    (
        19,
        "`wte=None` is the default",
        CRASH,
        "The default fails at the first call: `'NoneType' object is not callable`.",
        "Without words it still turns pictures into tokens, and text gets a clear error.",
    ),
    (
        20,
        "HD with a linear projector",
        CRASH,
        "Accepted at first, it fails at the first picture: tokens of 4C numbers meet a layer for C numbers.",
        "Refused when the class is made; options that are left out come from the configuration.",
    ),
    (
        21,
        "`cls_patch` with HD",
        CRASH,
        "The check takes the root of 577 for 24, and a reshape fails two lines later.",
        "Refused when the class is made, with the reason.",
    ),
    (
        22,
        "the default order is not the published one",
        SILENT,
        "Left out, the order is `glb_sub`; the published models are trained with `sub_glb`.",
        "The default is `sub_glb`.",
    ),
    (
        23,
        "sizes are not checked",
        CRASH,
        "A flat `[height, width]` cannot be unpacked, and sizes too large for the crops fail in a reshape.",
        "One flat pair means one picture, and sizes that do not fit are refused with the numbers.",
    ),
    (
        24,
        "`assert` instead of errors",
        CRASH,
        "`python -O` drops the checks, a missing `img_processor` is an `AttributeError`, `math` is unused.",
        "`ValueError` with one sentence, whatever the options of Python.",
    ),
    (
        25,
        "sizes written as numbers",
        CRASH,
        "336, 144, 24 and 12 hold for one tower, and the projector must have a bias.",
        "Every size follows from the tower's configuration.",
    ),
    (
        26,
        "work for nothing",
        WASTE,
        "All layers run and are kept, padding tiles go through the tower, each picture is projected alone.",
        "The tower stops at the layer that is used, padding stays outside, one projection serves all.",
    ),
]
# Pieces of the lines that show a fault; 3 to 6 are on the page outside the class.
LINES: dict[int, tuple[str, ...]] = {
    1: ("features.view(bs,", "for number in range(bs)"),
    2: ("hd_transform = True",),
    7: ("CLIPVisionModel(TOWER)", "nn.Parameter(torch.zeros("),
    8: ("if hd_transform:",),
    9: ("len(chosen_tags) * length == len(tokens)",),
    10: ("sizes is not None and len(sizes)",),
    11: ("input_ids.clamp_min_(0)",),
    12: ("input_ids.clamp_max_(self.vocab_size)",),
    13: ("if self.img_sizes is not None", "sizes = self.img_sizes"),
    14: ("pictures = self.img_features.clone()",),
    15: ("col : col + length] = tokens[number]",),
    16: ("for number, length in enumerate(lengths)",),
    17: ("positions = torch.nonzero(",),
    18: ("hidden_states[row, col : col + length] =",),
    19: ("wte=None", "self.wte(input_ids)"),
    20: ("self.img_projection = nn.Linear(",),
    21: ("side = int(", "features.view(bs,"),
    22: ('"glb_sub")',),
    23: ("h, w = sizes[number]", "parts = parts.reshape(h * w"),
    24: ("assert ",),
    25: ("// 336", "side == 24", "* 144 + 1", "bias.device"),
    26: ("output_hidden_states=True", "pictures.flatten(0, 1)", "self.img_projection(s.to("),
}
FAULTS = tuple(Fault(*row, inherited=row[0] > 7) for row in _ROWS)


def fault(number: int) -> Fault:
    """Return the fault with this number; raises ValueError where there is none."""
    if not 1 <= number <= len(FAULTS):
        raise ValueError(f"there is no fault {number}; they are numbered 1 to {len(FAULTS)}")
    return FAULTS[number - 1]

"""The options of a call of `Phi3VProcessor`: which there are, and which go to the text or to the images."""

from collections.abc import Mapping
from typing import Any

from transformers.processing_utils import AudioKwargs, ImagesKwargs, ProcessingKwargs, VideosKwargs

from phi3lib.vision.image_processing import CALL_OPTIONS, Phi3VImageProcessorKwargs
from phi3lib.vision.options import require_known

# Options of a call that concern the text.
TEXT_OPTIONS = (
    "add_special_tokens", "max_length", "pad_to_multiple_of", "padding", "padding_side",
    "return_attention_mask", "return_mm_token_type_ids", "return_tensors", "truncation",
)  # fmt: skip
# Options of loading a file; others are the image processor's or the tokenizer's.
FILE_OPTIONS = (
    "cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token",
)  # fmt: skip
PUBLISHED_ORDER = ("padding", "truncation", "max_length", "return_tensors")  # may be given by position


class Phi3VProcessorKwargs(ProcessingKwargs, total=False):  # type: ignore[call-arg]  # a TypedDict, unread
    """Options of a call: flat, or in `text_kwargs` and `images_kwargs`, as in transformers' processors."""

    images_kwargs: Phi3VImageProcessorKwargs

    # Not as common_kwargs, which transformers 5.17 would overwrite with those of a call, for all later calls.
    _defaults = {
        "text_kwargs": {"padding": False, "return_tensors": "pt"},
        "images_kwargs": {"return_tensors": "pt"},
    }


# Options of videos and audio have no effect: generic callers pass the same ones to all models.
OF_OTHERS = (
    VideosKwargs.__annotations__.keys() | AudioKwargs.__annotations__
) - ImagesKwargs.__annotations__.keys()
KNOWN_OPTIONS = (
    *TEXT_OPTIONS, *CALL_OPTIONS, *Phi3VProcessorKwargs.__annotations__, "common_kwargs", "negative_ids",
)  # fmt: skip


def require_options(options: Mapping[str, Any]) -> None:
    """Raise UnknownOptionError for names that a call of the processor does not know."""
    ours = [name for name in options if name not in OF_OTHERS]
    require_known(ours, KNOWN_OPTIONS, "a call of Phi3VProcessor")
    for group, names in (("text_kwargs", TEXT_OPTIONS), ("images_kwargs", CALL_OPTIONS)):
        require_known(options.get(group) or {}, names, f"{group} of Phi3VProcessor")


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options for transformers to merge; None means "not given", except in return_tensors."""
    return {
        name: value
        for name, value in options.items()
        if name in KNOWN_OPTIONS
        and name != "negative_ids"
        and (value is not None or name == "return_tensors")
    }


def split_options(
    merged: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the merged options for the text and for the images; `options` are those of the call."""
    text_options, image_options = merged["text_kwargs"], merged["images_kwargs"]
    # A tokenizer's own side is for its training: an answer follows its prompt.
    sides = [where.get("padding_side") for where in (options, options.get("text_kwargs") or {})]
    text_options["padding_side"] = next((side for side in sides if side), "left")
    types = "return_mm_token_type_ids"  # transformers 5.17 has it with the text
    text_options[types] = merged.get(types, text_options.get(types))
    return text_options, {name: value for name, value in image_options.items() if name in CALL_OPTIONS}

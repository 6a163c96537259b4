"""The options of a call of `Phi3VProcessor`: which there are, and which go to the text or to the images."""

from transformers.processing_utils import AudioKwargs, ImagesKwargs, ProcessingKwargs, VideosKwargs

from phi3lib.vision.image_processing import CALL_OPTIONS, Phi3VImageProcessorKwargs

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

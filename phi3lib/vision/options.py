"""Options that are given by name: an unknown one is an error that names the nearest."""

import difflib
from collections.abc import Iterable, Sequence

# What transformers' loaders hand on with the options of a class, and take no notice of themselves. Pipelines
# give their processors the model's options as well.
LOADER_OPTIONS = (
    *("trust_remote_code", "code_revision", "use_fast", "backend", "config"),
    *("dtype", "torch_dtype", "attn_implementation", "device_map", "max_memory", "low_cpu_mem_usage"),
    *("offload_folder", "quantization_config", "use_safetensors"),
)


class UnknownOptionError(TypeError, ValueError):
    """Raised for an option that does not exist.

    TypeError as for Python's own keywords, ValueError as for all other mistakes in arguments.
    """


def nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that `name` is likely meant to be, or None.

    >>> nearest("num_crop", ["num_crops", "image_mean"])
    'num_crops'
    """
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return found[0] if found else None


def require_known(given: Iterable[str], known: Sequence[str], owner: str) -> None:
    """Raise UnknownOptionError for the first of the names `given` that is not among the `known` ones.

    >>> require_known(["num_crop"], ["num_crops", "image_mean"], "this class")
    Traceback (most recent call last):
    ...
    phi3lib.vision.options.UnknownOptionError: 'num_crop' is not an option of this class; did you mean \
'num_crops'? Its options: image_mean, num_crops
    """
    for name in given:
        if name not in known:
            meant = nearest(name, known)
            hint = f"; did you mean {meant!r}?" if meant else "."
            raise UnknownOptionError(
                f"{name!r} is not an option of {owner}{hint} Its options: {', '.join(sorted(known))}"
            )

"""The page's class, retold, and ours beside it: small, and with the same random weights."""

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

from phi3lib.lab.lessons.a1.original_class import build_original


def small_config(**img_processor: Any) -> SimpleNamespace:
    """Return a configuration small enough to run in a second: a tower of 3 layers, 64 wide, real tile sizes.

    It serves the retold class (with `tower=` its `img_processor["vision_config"]`) and ours. Further
    options replace those of `img_processor`.
    """
    tower = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "image_size": 336,
        "patch_size": 14,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "projection_dim": 32,
    }
    options = {
        "name": "clip_vision_model",
        "model_name": "openai/clip-vit-large-patch14-336",
        "image_dim_out": 64,
        "num_img_tokens": 144,
        "vision_config": tower,
    }
    return SimpleNamespace(
        hidden_size=96, vocab_size=512, embd_pdrop=0.0, img_processor={**options, **img_processor}
    )


HD_OPTIONS: dict[str, Any] = {
    "use_hd_transform": True,
    "with_learnable_separator": True,
    "hd_transform_order": "sub_glb",
    "projection_cls": "mlp",
}


def small_pair(
    repaired: Iterable[int] = (1, 2), *, seed: int = 0, changes: Sequence[tuple[str, str]] = ()
) -> tuple[Any, Any]:
    """Return (the rewritten class with these repairs, our class): small, with the same random weights.

    The separators are random, too. changes: further (old, new) pieces of the rewritten class's text.
    """
    import torch
    from torch import nn

    from phi3lib.vision.image_embedding import Phi3ImageEmbedding

    config = small_config()
    generator = torch.Generator().manual_seed(seed)
    ours = Phi3ImageEmbedding(config, nn.Embedding(config.vocab_size, config.hidden_size), **HD_OPTIONS)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.normal_(std=0.1, generator=generator)
    tower = config.img_processor["vision_config"]
    wte = nn.Embedding(config.vocab_size, config.hidden_size)
    original = build_original(repaired, tower=tower, changes=changes)(config, wte, **HD_OPTIONS)
    copy_weights(ours, original)
    return original.eval(), ours.eval()


def copy_weights(source: Any, target: Any) -> None:
    """Copy all weights between ours and the retold class.

    Ours calls the tower's weights `img_processor.vision_model.…`, as the published files do. The page uses
    transformers' CLIPVisionModel as it is, and transformers 5.20 and later leave `vision_model.` out.
    """
    names = target.state_dict().keys()
    state = {}
    for name, value in source.state_dict().items():
        short = name.replace("img_processor.vision_model.", "img_processor.")
        long = short.replace("img_processor.", "img_processor.vision_model.")
        state[next((n for n in (name, short, long) if n in names), name)] = value
    target.load_state_dict(state)

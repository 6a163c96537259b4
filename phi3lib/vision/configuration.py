"""`Phi3VConfig`: the published configuration files of Phi-3-vision, read as they are."""

import math
from typing import Any, ClassVar

from transformers import CLIPVisionConfig, Phi3Config

from phi3lib.vision.tower_families import vision_config_of


class Phi3VConfig(Phi3Config):
    """Configuration of Phi-3-vision: that of Phi-3, and two dicts for the pictures.

    embd_layer: options of `Phi3ImageEmbedding`; without it the model has no picture side.
    img_processor: the vision tower (see `Phi3ImageEmbedding`).
    image_token_id: the id of `<|image|>`, which stands for one token of an image; None: only negative ids do.

    The config.json files of Phi-3-vision-128k-instruct and Phi-3.5-vision-instruct are read unchanged.
    """

    model_type = "phi3_v"
    # The key of `attn_implementation={"vision_config": ...}`.
    sub_configs: ClassVar[dict[str, Any]] = {"vision_config": CLIPVisionConfig}
    # No remote code; TRL reads this of every class that transformers does not export.
    auto_map: ClassVar[dict[str, str]] = {}

    embd_layer: dict | str | None = None
    img_processor: dict | None = None
    image_token_id: int | None = 32044
    # Inherited; said again for the type checker, which does not read transformers.
    eos_token_id: int | list[int] | None = 32000
    pad_token_id: int | None = 32000
    rope_parameters: dict | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        # The published files ask for FlashAttention 2, which most machines lack, and name remote code that
        # nothing here needs. The caller's `attn_implementation=` is another key and still counts.
        kwargs.pop("_attn_implementation", None)
        kwargs.pop("auto_map", None)
        # Follow from the other fields here, and cannot be set.
        kwargs.pop("vision_config", None)
        kwargs.pop("layer_types", None)
        super().__post_init__(**kwargs)
        # The class defaults belong to the published vocabulary; a smaller one has no such tokens.
        if isinstance(self.eos_token_id, int) and self.eos_token_id >= self.vocab_size:
            self.eos_token_id = None
        if self.pad_token_id is not None and self.pad_token_id >= self.vocab_size:
            self.pad_token_id = None
        if self.image_token_id is not None and self.image_token_id >= self.vocab_size:
            self.image_token_id = None

    @property
    def vision_config(self) -> Any:
        """Return the configuration of the vision tower, from `img_processor`; None without a picture side.

        A CLIPVisionConfig in the published models.

        It is always the same object, because it holds the tower's `attn_implementation`. It is not saved.
        """
        if not isinstance(self.embd_layer, dict) or not isinstance(self.img_processor, dict):
            return None
        if "_vision_config" not in self.__dict__:
            self.__dict__["_vision_config"] = vision_config_of(self.img_processor)
        return self.__dict__["_vision_config"]

    @property
    def layer_types(self) -> list[str]:
        """Return "full_attention" for each layer, so that no cache drops keys: see `causal_mask`."""
        return ["full_attention"] * self.num_hidden_layers

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are saved; as published, `img_processor` describes the tower."""
        fields = super().to_dict()
        fields.pop("_vision_config", None)
        return fields

    def convert_rope_params_to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """Bring the published `rope_scaling` into the form that transformers 5 reads."""
        published = kwargs.pop("rope_scaling", None) or self.rope_parameters
        if published:
            self.rope_parameters = self._as_longrope(dict(published))
        kwargs = super().convert_rope_params_to_dict(**kwargs)
        self._require_rope_factors(self.rope_parameters or {}, kwargs.get("head_dim"))
        return kwargs

    def _require_rope_factors(self, rope: dict[str, Any], head_dim: int | None) -> None:
        """Raise ValueError for other types, and unless each pair of a head's numbers has its factor."""
        if rope["rope_type"] not in ("default", "longrope"):
            raise ValueError(
                f"rope_scaling has type {rope['rope_type']!r}; it must be 'su', 'yarn' or 'longrope'"
            )
        head_dim = head_dim or self.hidden_size // self.num_attention_heads
        pairs = int(head_dim * rope.get("partial_rotary_factor", 1.0)) // 2
        for name in ("short_factor", "long_factor") if rope["rope_type"] == "longrope" else ():
            factors = rope.get(name)
            count = len(factors) if isinstance(factors, list | tuple) else "no list of"
            if count != pairs:
                raise ValueError(f"rope_scaling has {count} numbers in {name}; it must have {pairs}")

    def _as_longrope(self, rope: dict[str, Any]) -> dict[str, Any]:
        rope_type = rope.pop("type", None) or rope.get("rope_type")
        if rope_type not in ("su", "yarn", "longrope"):
            return {**rope, "rope_type": rope_type or "default"}
        # transformers looks for this number inside the dict; the published files have it outside.
        rope["original_max_position_embeddings"] = self.original_max_position_embeddings
        scale = self.max_position_embeddings / self.original_max_position_embeddings
        rope["factor"] = scale
        if rope_type == "yarn":
            # transformers takes Phi-3's "yarn" for "longrope", whose attention factor is another one.
            rope["attention_factor"] = 1.0 if scale <= 1 else 0.1 * math.log(scale) + 1.0
        return {**rope, "rope_type": "longrope"}

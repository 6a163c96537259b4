"""Phi-3-vision as a native transformers model: configuration, model, language-model head, Auto classes.

The language model is transformers' own Phi-3, layer for layer; this module adds the picture side
(`Phi3ImageEmbedding`), reads the published configuration files as they are, and keeps the places where
the published code and transformers' Phi-3 differ. Parameter names are the published ones.
"""

import math
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForMultimodalLM,
    AutoProcessor,
    DynamicCache,
    Phi3Config,
    Phi3ForCausalLM,
    Phi3Model,
)
from transformers import initialization as init
from transformers.cache_utils import Cache
from transformers.masking_utils import create_causal_mask

# transformers 5.17 exports a stand-in for this class that asks for torchvision; the class itself does not.
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from phi3lib.vision.generation import Phi3VGeneration
from phi3lib.vision.image_embedding import ImageSizes, Phi3ImageEmbedding, Phi3ImageFeatures
from phi3lib.vision.placeholders import labels_without_placeholders


class Phi3VConfig(Phi3Config):
    """Configuration of Phi-3-vision: that of Phi-3, and two dicts for the pictures.

    embd_layer: options of `Phi3ImageEmbedding`; without it the model has no picture side.
    img_processor: the vision tower (see `Phi3ImageEmbedding`).

    The config.json files of Phi-3-vision-128k-instruct and Phi-3.5-vision-instruct are read unchanged.
    """

    model_type = "phi3_v"

    embd_layer: dict | str | None = None
    img_processor: dict | None = None
    # Inherited; said again for the type checker, which does not read transformers.
    eos_token_id: int | list[int] | None = 32000
    pad_token_id: int | None = 32000
    rope_parameters: dict | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        # The published files ask for FlashAttention 2, which most machines lack, and name remote code that
        # nothing here needs. The caller's `attn_implementation=` is another key and still counts.
        kwargs.pop("_attn_implementation", None)
        kwargs.pop("auto_map", None)
        super().__post_init__(**kwargs)
        # The class defaults belong to the published vocabulary; a smaller one has no such tokens.
        if isinstance(self.eos_token_id, int) and self.eos_token_id >= self.vocab_size:
            self.eos_token_id = None
        if self.pad_token_id is not None and self.pad_token_id >= self.vocab_size:
            self.pad_token_id = None

    def convert_rope_params_to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """Bring the published `rope_scaling` into the form that transformers 5 reads."""
        published = kwargs.pop("rope_scaling", None) or self.rope_parameters
        if published:
            self.rope_parameters = self._as_longrope(dict(published))
        return super().convert_rope_params_to_dict(**kwargs)

    def _as_longrope(self, rope: dict[str, Any]) -> dict[str, Any]:
        kind = rope.pop("type", None) or rope.get("rope_type")
        if kind not in ("su", "yarn", "longrope"):
            return {**rope, "rope_type": kind or "default"}
        # transformers looks for this number inside the dict; the published files have it outside.
        rope["original_max_position_embeddings"] = self.original_max_position_embeddings
        scale = self.max_position_embeddings / self.original_max_position_embeddings
        rope["factor"] = scale
        if kind == "yarn":
            # transformers takes Phi-3's "yarn" for "longrope", whose attention factor is another one.
            rope["attention_factor"] = 1.0 if scale <= 1 else 0.1 * math.log(scale) + 1.0
        return {**rope, "rope_type": "longrope"}


class Phi3VModel(Phi3Model):
    """Phi-3's layers behind an embedding that takes pictures. Returns hidden states, as `Phi3Model` does."""

    config_class = Phi3VConfig
    _no_split_modules = ["Phi3DecoderLayer", "Phi3ImageEmbedding"]
    # The word embedding has two names. Published files store it once; fine-tuned ones may store both.
    _tied_weights_keys = {"vision_embed_tokens.wte.weight": "embed_tokens.weight"}

    def __init__(self, config: Phi3VConfig):
        super().__init__(config)
        if isinstance(config.embd_layer, dict):
            self.vision_embed_tokens = Phi3ImageEmbedding(config, wte=self.embed_tokens, **config.embd_layer)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, Phi3ImageEmbedding) and module.with_learnable_separator:
            init.zeros_(module.glb_GN)
            init.zeros_(module.sub_GN)

    def get_expanded_tied_weights_keys(self, all_submodels: bool = False) -> dict[str, str]:
        """The names that share a tensor. The base class would say so only with `tie_word_embeddings`."""
        return dict(self._tied_weights_keys) if hasattr(self, "vision_embed_tokens") else {}

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the word embedding under both of its names (as `resize_token_embeddings` does)."""
        self.embed_tokens = value
        if hasattr(self, "vision_embed_tokens"):
            self.vision_embed_tokens.wte = value

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        # `model.to(torch.bfloat16)` would round the RoPE frequencies to three digits, and a position of
        # some thousands would then be off by whole turns. They only follow to another device.
        exact = dict(self.rotary_emb.named_buffers())
        super()._apply(fn, recurse)
        for name, rounded in self.rotary_emb.named_buffers():
            setattr(self.rotary_emb, name, exact[name].to(rounded.device))
        return self

    def embed(
        self,
        input_ids: torch.Tensor,
        pixel_values: torch.Tensor | None = None,
        image_sizes: ImageSizes | None = None,
    ) -> torch.Tensor:
        """Words and pictures as one sequence of vectors: (batch, length, hidden_size)."""
        if not hasattr(self, "vision_embed_tokens"):
            if pixel_values is not None:
                raise ValueError("this configuration has no embd_layer, so the model takes no pictures")
            return self.embed_tokens(input_ids)
        # Not the `wte` of the vision part: adapters and hooks replace the module that transformers names.
        words = self.get_input_embeddings()
        return self.vision_embed_tokens(input_ids, pixel_values, image_sizes, wte=words)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        *,
        pixel_values: torch.Tensor | None = None,
        image_sizes: ImageSizes | None = None,
        inputs_embeds: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """As `Phi3Model.forward`; pictures enter through `pixel_values` and `image_sizes`.

        Raises ValueError where ids, pictures and sizes do not fit together.
        """
        if input_ids is not None and inputs_embeds is None:
            inputs_embeds = self.embed(input_ids, pixel_values, image_sizes)
        elif input_ids is not None or inputs_embeds is None:
            raise ValueError("give exactly one of input_ids and inputs_embeds")
        elif pixel_values is not None:
            raise ValueError(
                "pixel_values came with inputs_embeds, which have no placeholders for them; pass input_ids, "
                "or inputs_embeds from `embed(input_ids, pixel_values, image_sizes)` alone"
            )
        if use_cache is None:
            use_cache = self.config.use_cache and not self.training
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache()  # not sized by the config: see _window_mask
        attention_mask = self._window_mask(inputs_embeds, attention_mask, past_key_values)
        return super().forward(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            use_cache=use_cache,
            **kwargs,
        )

    def _window_mask(
        self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor | None, cache: Cache | None
    ) -> torch.Tensor | None:
        """The attention mask where the sliding window bites, else the mask that was given.

        The published model lets a token see itself and `sliding_window` earlier ones; transformers' Phi-3
        counts the token itself in. The cache must keep that one more key, hence one that drops nothing.
        """
        window = self.config.sliding_window
        cached = cache.get_seq_length() if cache is not None else 0
        if window is None or cached + inputs_embeds.shape[1] <= window:
            return attention_mask

        def within_window(batch: Any, head: Any, query: Any, key: Any) -> Any:
            return query - key <= window

        return create_causal_mask(
            config=self.config,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            past_key_values=cache,
            and_mask_function=within_window,
        )


class Phi3VForCausalLM(Phi3VGeneration, Phi3ForCausalLM):
    """Phi-3-vision with its language-model head: answers about pictures, and vectors of them."""

    config_class = Phi3VConfig
    _no_split_modules = Phi3VModel._no_split_modules

    def __init__(self, config: Phi3VConfig):
        # Not Phi3ForCausalLM's own __init__: it would build a model without pictures first.
        super(Phi3ForCausalLM, self).__init__(config)
        self.model = Phi3VModel(config)
        self.vocab_size = config.vocab_size
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_image_features(
        self, pixel_values: Any, image_sizes: ImageSizes | None = None
    ) -> Phi3ImageFeatures:
        """Visual tokens and one vector a picture (see `Phi3ImageEmbedding.get_image_features`)."""
        return self.model.vision_embed_tokens.get_image_features(pixel_values, image_sizes)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        image_sizes: ImageSizes | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Any,
    ) -> Any:
        """Logits (batch, length, vocab_size), and the loss where `labels` are given.

        The arguments, their order and their meaning are those of the published model; pictures as in
        `Phi3ImageEmbedding.forward`. `labels` are shifted inside; -100 marks places without loss, and so do
        placeholders, so that a copy of `input_ids` can serve as labels. Raises ValueError where such a copy
        comes with `num_items_in_batch`, as the Trainer counts it: placeholders are in that count.
        """
        if labels is not None:
            labels = labels_without_placeholders(labels, counted=kwargs.get("num_items_in_batch") is not None)
        return super().forward(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            pixel_values=pixel_values,
            image_sizes=image_sizes,
            labels=labels,
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
            **kwargs,
        )


def register_auto_classes() -> None:
    """Make transformers' Auto classes know Phi-3-vision; every loader of this package calls it.

    Afterwards AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForImageTextToText,
    AutoModelForMultimodalLM, AutoImageProcessor and AutoProcessor load the published checkpoints and our own
    without remote code. Calling it again changes nothing.
    """
    # Here, because a model needs no processors, and loading one should not wait for them.
    from phi3lib.vision.image_processing import Phi3VImageProcessor
    from phi3lib.vision.text_processing import Phi3VProcessor

    AutoConfig.register(Phi3VConfig.model_type, Phi3VConfig, exist_ok=True)
    AutoModel.register(Phi3VConfig, Phi3VModel, exist_ok=True)
    for auto_class in (AutoModelForCausalLM, AutoModelForImageTextToText, AutoModelForMultimodalLM):
        auto_class.register(Phi3VConfig, Phi3VForCausalLM, exist_ok=True)
    AutoImageProcessor.register(
        Phi3VConfig, image_processor_classes={"pil": Phi3VImageProcessor}, exist_ok=True
    )
    AutoProcessor.register(Phi3VConfig, Phi3VProcessor, exist_ok=True)

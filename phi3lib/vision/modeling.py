"""Phi-3-vision as a native transformers model: model, language-model head, Auto classes.

The language model is transformers' own Phi-3, layer for layer; this module adds the picture side
(`Phi3ImageEmbedding`) and keeps the places where the published code and transformers' Phi-3 differ.
Parameter names are the published ones.
"""

import re
import warnings
from collections.abc import Iterator
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
    Phi3ForCausalLM,
    Phi3Model,
)
from transformers import initialization as init
from transformers.cache_utils import Cache

# transformers 5.17 exports a dummy for this class that requires torchvision; the class itself does not.
from transformers.models.auto.image_processing_auto import AutoImageProcessor
from transformers.utils.generic import can_return_tuple

from phi3lib.vision.configuration import Phi3VConfig
from phi3lib.vision.embedding_checks import ImageSizes
from phi3lib.vision.generation import Phi3VGeneration, causal_mask
from phi3lib.vision.image_embedding import Phi3ImageEmbedding, Phi3ImageFeatures
from phi3lib.vision.placeholders import (
    counted_without_placeholders,
    labels_without_placeholders,
    may_read,
)

# The published class registers the word embedding in its vision part too, and some files hold both names.
_SECOND_NAME = "vision_embed_tokens.wte."


def _read_second_name(_: nn.Module, state_dict: dict[str, Any], prefix: str, *__: Any) -> None:
    """Give the word embedding its first name; PyTorch passes a copy of the dict that is loaded."""
    for name in [name for name in state_dict if name.startswith(prefix + _SECOND_NAME)]:
        state_dict.setdefault(name.replace(_SECOND_NAME, "embed_tokens."), state_dict.pop(name))


class _WholeName(str):
    """A module's name that ends with whole names only: "vision_embed_tokens" not with "embed_tokens".

    peft looks for `modules_to_save` by `str.endswith`, and would wrap and train the whole vision part with
    the words. The published parameters need the name as it is.
    """

    __slots__ = ()

    def endswith(self, suffix: str | tuple[str, ...], *bounds: Any) -> bool:
        """Return whether `suffix` is the whole name, or what follows one of its dots."""
        if bounds:
            return super().endswith(suffix, *bounds)
        suffixes = (suffix,) if isinstance(suffix, str) else suffix
        return f".{self}".endswith(tuple(f".{names.removeprefix('.')}" for names in suffixes))


class _PublishedFiles:
    """Read the names that published and fine-tuned files use."""

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """Load as in transformers; the word embedding may have its second name, in the vision part."""
        kwargs["key_mapping"] = {
            re.escape(_SECOND_NAME): "embed_tokens.",
            **(kwargs.get("key_mapping") or {}),
        }
        loaded = super().from_pretrained(*args, **kwargs)  # type: ignore[misc]
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        # transformers would save the words under the second name, whichever the file had.
        model._weight_conversions = [
            conversion
            for conversion in model._weight_conversions or []
            if re.escape(_SECOND_NAME) not in conversion.source_patterns
        ] or None
        return loaded


class Phi3VModel(_PublishedFiles, Phi3Model):
    """Phi-3's layers after an embedding that takes pictures. Returns hidden states, as `Phi3Model` does."""

    config_class = Phi3VConfig
    _no_split_modules = ["Phi3DecoderLayer", "Phi3ImageEmbedding"]

    def __init__(self, config: Phi3VConfig):
        super().__init__(config)
        if isinstance(config.embd_layer, dict):
            self.vision_embed_tokens = Phi3ImageEmbedding(config, **config.embd_layer)
            self._show_words()
        self.register_load_state_dict_pre_hook(_read_second_name)
        self.post_init()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        # Code that replaces the words (`resize_token_embeddings`, peft) replaces them in the vision part too.
        if name == "embed_tokens" and hasattr(self, "vision_embed_tokens"):
            self._show_words()

    def _show_words(self) -> None:
        # Readable as in the published class, but not registered there: a module with two names would be
        # trained, wrapped or moved under one of them only.
        self.vision_embed_tokens.__dict__["wte"] = self.embed_tokens

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, Phi3ImageEmbedding) and module.with_learnable_separator:
            init.zeros_(module.glb_GN)
            init.zeros_(module.sub_GN)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        # `model.to(torch.bfloat16)` would round the RoPE frequencies to three digits, and a position of
        # some thousands would then be wrong by more than a full rotation. They only follow to another device.
        exact = dict(self.rotary_emb.named_buffers(remove_duplicate=False))  # two may be one tensor
        if any(buffer.is_meta for buffer in exact.values()):  # `to_empty`: there are no values to keep
            exact = dict(type(self.rotary_emb)(self.config).named_buffers(remove_duplicate=False))
        super()._apply(fn, recurse)
        for name, rounded in self.rotary_emb.named_buffers():
            setattr(self.rotary_emb, name, exact[name].to(rounded.device))
        return self

    def named_modules(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Module]]:
        """Yield names and modules; peft's `modules_to_save=["embed_tokens"]` matches the words alone."""
        for name, module in super().named_modules(*args, **kwargs):
            yield (_WholeName(name) if name.endswith("vision_embed_tokens") else name), module

    # ------------------------------------------------------------------------ the parts, by their usual names

    @property
    def vision_tower(self) -> nn.Module:
        """Return the vision tower, `vision_embed_tokens.img_processor`."""
        return self.vision_embed_tokens.img_processor

    @property
    def multi_modal_projector(self) -> nn.Module:
        """Return the projector, `vision_embed_tokens.img_projection`."""
        return self.vision_embed_tokens.img_projection

    @property
    def language_model(self) -> nn.Module:
        """Return this model: the layers of Phi-3 are its own."""
        return self

    @can_return_tuple
    def get_image_features(
        self,
        pixel_values: Any,
        image_sizes: ImageSizes | None = None,
        *,
        num_img_tokens: Any = None,
    ) -> Phi3ImageFeatures:
        """Return visual tokens and one vector per picture (see `Phi3ImageEmbedding.get_image_features`).

        The output of the image processor may be given as it is, with or without `**`; `num_img_tokens` is
        part of it, and counted here again. Raises ValueError without a picture side.
        """
        # Called, because accelerate's hooks bring offloaded weights only for calls.
        return self._vision_part()(None, pixel_values, image_sizes)

    def _vision_part(self) -> Phi3ImageEmbedding:
        if not hasattr(self, "vision_embed_tokens"):
            raise ValueError("this configuration has no embd_layer, so the model takes no pictures")
        return self.vision_embed_tokens

    def embed(
        self,
        input_ids: torch.Tensor,
        pixel_values: torch.Tensor | None = None,
        image_sizes: ImageSizes | None = None,
    ) -> torch.Tensor:
        """Words and pictures as one sequence of vectors: (batch, length, hidden_size)."""
        words = self.get_input_embeddings()  # adapters and hooks may have replaced it
        if pixel_values is None and not hasattr(self, "vision_embed_tokens"):
            return words(input_ids)
        # A method, because accelerate's hooks move every module that they find among the arguments.
        return self._vision_part()(input_ids, pixel_values, image_sizes, wte=words.__call__)

    def _warn_of_missing_pictures(self, input_ids: torch.Tensor, cache: Cache | None) -> None:
        """Warn of a prompt without its pictures; not while it generates with a cache."""
        if not may_read(input_ids) or (cache is not None and cache.get_seq_length() > 0):
            return
        image_token_id = self.config.image_token_id
        if image_token_id is not None and (number := int((input_ids == image_token_id).sum())):
            warnings.warn(
                f"input_ids hold {number} image tokens (id {image_token_id}), but no pictures were passed: "
                "the model sees none; pass pixel_values and image_sizes",
                stacklevel=3,
            )

    def _with_pictures(
        self, inputs_embeds: torch.Tensor, pixel_values: torch.Tensor, image_sizes: ImageSizes | None
    ) -> torch.Tensor:
        """`inputs_embeds` with pictures in place of the image token's vectors, as adapters leave them."""
        image_token_id = self.config.image_token_id
        if image_token_id is None:
            raise ValueError("without an image token in the configuration pixel_values need input_ids")
        device = inputs_embeds.device
        marked = self.get_input_embeddings()(torch.tensor(image_token_id, device=device))
        ids = torch.where((inputs_embeds == marked).all(-1), image_token_id, 0)  # (batch, length)
        return self._vision_part().write_pictures(inputs_embeds, ids, pixel_values, image_sizes)

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

        With inputs_embeds they go to the places that hold the vector of the image token.

        Pictures alone, as an image processor returns them, give the output of `get_image_features`.

        Raises ValueError where ids, pictures and sizes do not fit together.
        """
        if pixel_values is not None and input_ids is None and inputs_embeds is None:
            return self.get_image_features(pixel_values, image_sizes, return_dict=kwargs.get("return_dict"))
        if input_ids is not None and inputs_embeds is None:
            if pixel_values is None:
                self._warn_of_missing_pictures(input_ids, past_key_values)
            inputs_embeds = self.embed(input_ids, pixel_values, image_sizes)
        elif input_ids is not None or inputs_embeds is None:
            raise ValueError("give exactly one of input_ids and inputs_embeds")
        elif pixel_values is not None:
            inputs_embeds = self._with_pictures(inputs_embeds, pixel_values, image_sizes)
        if use_cache is None:
            use_cache = self.config.use_cache and not self.training
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        attention_mask = causal_mask(
            self.config, inputs_embeds, attention_mask, past_key_values, kwargs.get("position_ids")
        )
        return super().forward(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            use_cache=use_cache,
            **kwargs,
        )


class Phi3VForCausalLM(_PublishedFiles, Phi3VGeneration, Phi3ForCausalLM):
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

    @property
    def vision_tower(self) -> nn.Module:
        """Return the vision tower, `model.vision_embed_tokens.img_processor`."""
        return self.model.vision_tower

    @property
    def multi_modal_projector(self) -> nn.Module:
        """Return the projector, `model.vision_embed_tokens.img_projection`."""
        return self.model.multi_modal_projector

    @property
    def language_model(self) -> nn.Module:
        """Return the model without its head, `model`."""
        return self.model

    def get_image_features(self, *args: Any, **kwargs: Any) -> Phi3ImageFeatures:
        """Return visual tokens and one vector per picture (see `Phi3VModel.get_image_features`)."""
        return self.model.get_image_features(*args, **kwargs)

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
        placeholders, so that a copy of `input_ids` can serve as labels. In `num_items_in_batch`, which the
        Trainer counts before, they are then left out, too (see `counted_without_placeholders`).
        """
        if labels is not None:
            kept = labels_without_placeholders(labels, self.config.image_token_id)
            if kwargs.get("num_items_in_batch") is not None:
                counted = counted_without_placeholders(kwargs["num_items_in_batch"], labels, kept)
                kwargs["num_items_in_batch"] = counted
            labels = kept
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
    without remote code, and so do pipelines: `pipeline("image-text-to-text", model=folder)` answers, and
    `pipeline("image-feature-extraction", model=folder)` returns image features. Calling it again changes
    nothing.
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

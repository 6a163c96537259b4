"""`generate` with pictures: which of them a step needs, the RoPE switch, beams, and who may see which ids."""

from typing import Any

import torch
from transformers import DynamicCache, GenerationMixin, LogitsProcessorList, StoppingCriteriaList
from transformers.cache_utils import Cache

from phi3lib.vision.placeholders import NO_TOKEN, find_placeholders


class Phi3VGeneration(GenerationMixin):
    """What `Phi3VForCausalLM` tells transformers' `generate`."""

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.Tensor,
        past_key_values: Cache | None = None,
        pixel_values: torch.Tensor | None = None,
        image_sizes: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        next_sequence_length: int | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """What one step of `generate` gives to `forward`; called by transformers."""
        if past_key_values is not None and position_ids is not None:
            if self._rope_switches(past_key_values, position_ids):
                # Keys in the cache were turned by the short RoPE factors; the long ones need all anew.
                past_key_values, next_sequence_length = None, None
        cached = past_key_values.get_seq_length() if past_key_values is not None else 0
        if cached == 0 and past_key_values is not None:
            past_key_values = DynamicCache()  # one that drops nothing: see Phi3VModel._window_mask
        # Phi3ForCausalLM's own method is passed over: it counts padding as length at the RoPE switch.
        model_inputs = GenerationMixin.prepare_inputs_for_generation(
            self,
            input_ids,
            past_key_values=past_key_values,
            position_ids=position_ids,
            next_sequence_length=next_sequence_length,
            **kwargs,
        )
        if pixel_values is not None and model_inputs.get("input_ids") is not None:
            start = input_ids.shape[1] - model_inputs["input_ids"].shape[1]
            wanted = find_placeholders(input_ids).pictures_from(start)
            if wanted:
                model_inputs["pixel_values"] = pixel_values[wanted]
                model_inputs["image_sizes"] = None if image_sizes is None else image_sizes[wanted]
        return model_inputs

    def _rope_switches(self, cache: Cache, position_ids: torch.Tensor) -> bool:
        """Does this step pass the length at which the long RoPE factors begin, with a cache from before?

        The rotary embedding looks at the highest position, in which padding does not count. position_ids
        (batch, length) cover the whole sequence so far.
        """
        rope = self.config.rope_parameters
        cached = cache.get_seq_length()
        if rope["rope_type"] != "longrope" or cached == 0:
            return False
        limit = rope["original_max_position_embeddings"]
        before, now = position_ids[:, :cached].max() + 1, position_ids.max() + 1
        return bool(before <= limit < now)

    def _expand_inputs_for_generation(
        self,
        expand_size: int = 1,
        is_encoder_decoder: bool = False,
        input_ids: torch.Tensor | None = None,
        **model_kwargs: Any,
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Repeat rows for beams and several answers; a row's pictures stay together and in order."""
        pictures = {name: model_kwargs.pop(name, None) for name in ("pixel_values", "image_sizes")}
        order = []
        if pictures["pixel_values"] is not None:
            order = _repeat_by_row(input_ids, expand_size, len(pictures["pixel_values"]))
        input_ids, model_kwargs = super()._expand_inputs_for_generation(
            expand_size=expand_size,
            is_encoder_decoder=is_encoder_decoder,
            input_ids=input_ids,
            **model_kwargs,
        )
        for name, value in pictures.items():
            if value is not None:
                model_kwargs[name] = torch.as_tensor(value)[order]
        return input_ids, model_kwargs

    def _get_logits_processor(
        self, *args: Any, encoder_input_ids: torch.Tensor | None = None, **kwargs: Any
    ) -> LogitsProcessorList:
        if encoder_input_ids is not None:
            encoder_input_ids = encoder_input_ids.clamp(min=0)
        processors = super()._get_logits_processor(*args, encoder_input_ids=encoder_input_ids, **kwargs)
        return _LogitsProcessors(processors)

    def _get_stopping_criteria(self, *args: Any, **kwargs: Any) -> StoppingCriteriaList:
        return _StoppingCriteria(super()._get_stopping_criteria(*args, **kwargs))


# What `generate` calls with the ids so far uses them as indices, and fails on negative ones.


class _LogitsProcessors(LogitsProcessorList):
    """Show logits processors id 0 for placeholders: they index the vocabulary's scores."""

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        return super().__call__(input_ids.clamp(min=0), scores, **kwargs)


class _StoppingCriteria(StoppingCriteriaList):
    """Show stopping criteria an id without text for placeholders: no stop string may match a picture."""

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        return super().__call__(input_ids.masked_fill(input_ids < 0, NO_TOKEN), scores, **kwargs)


def _repeat_by_row(input_ids: torch.Tensor | None, times: int, number: int) -> list[int]:
    """Return the order of `number` pictures if every row of `input_ids` is repeated: 0 1 | 2 → 0 1 0 1 | 2 2.

    Raises ValueError if the rows have placeholders for more pictures or fewer.
    """
    if input_ids is None:
        raise ValueError("generate with pictures needs input_ids")
    placeholders = find_placeholders(input_ids)
    placeholders.require_pictures(number)
    by_row: list[list[int]] = [[] for _ in range(len(input_ids))]
    for picture, (row, _) in enumerate(placeholders.owners):
        by_row[row].append(picture)
    return [picture for row in by_row for _ in range(times) for picture in row]

"""`generate` with pictures: which of them a step needs, the RoPE switch, beams, and who may see which ids."""

from typing import Any

import torch
from transformers import (
    GenerationMixin,
    LogitsProcessorList,
    StoppingCriteriaList,
    SuppressTokensLogitsProcessor,
)
from transformers.cache_utils import Cache
from transformers.masking_utils import create_causal_mask

from phi3lib.vision.placeholders import NO_TOKEN, Placeholders, find_placeholders

_LONG_FACTORS = "phi3_long_factors"  # of a cache: whether its keys were turned by the long RoPE factors
_SWITCH_NEEDS_ALL = (
    "with these tokens the sequence passes original_max_position_embeddings, where the RoPE factors change "
    "and the cache must be computed anew; pass the ids of the whole conversation, not of its last turn "
    "alone, and no prefill_chunk_size"
)


def causal_mask(
    config: Any,
    inputs_embeds: torch.Tensor,
    attention_mask: torch.Tensor | None,
    past_key_values: Cache | None,
    position_ids: torch.Tensor | None = None,
    **_: Any,
) -> torch.Tensor | None:
    """Return the attention mask of a forward pass, within the sliding window if there is one.

    The published model lets a token see itself and `sliding_window` earlier ones; transformers' Phi-3 counts
    the token itself in. A cache must keep that one more key, hence `Phi3VConfig.layer_types`, with which no
    cache drops any.
    """
    window, length = config.sliding_window, inputs_embeds.shape[1]
    if past_key_values is not None:
        length = past_key_values.get_mask_sizes(length, 0)[0]  # of a cache of fixed length: all of it

    def within_window(batch: Any, head: Any, query: Any, key: Any) -> Any:
        return query - key <= window

    mask = create_causal_mask(
        config=config,
        inputs_embeds=inputs_embeds,
        attention_mask=attention_mask,
        past_key_values=past_key_values,
        position_ids=position_ids,
        and_mask_function=None if window is None or length <= window else within_window,
    )
    if isinstance(mask, torch.Tensor) and mask.dtype == torch.float64:
        # Eager attention takes its softmax in float32, where the least float64 is -inf, and a row of it NaN.
        mask = mask.clamp(min=torch.finfo(torch.float32).min)
    return mask


class Phi3VGeneration(GenerationMixin):
    """What transformers' `generate` needs to know of `Phi3VForCausalLM`."""

    # What `generate` calls for caches of fixed length; its own would ask for a mask a layer type.
    create_masks_for_generate = staticmethod(causal_mask)

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.Tensor,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        image_sizes: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        next_sequence_length: int | None = None,
        is_first_iteration: bool | None = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return the inputs of `forward` for one step of `generate`; called by transformers."""
        if past_key_values is not None and position_ids is not None:
            first = inputs_embeds if inputs_embeds is not None and is_first_iteration else input_ids
            new = first.shape[1] if next_sequence_length is None else next_sequence_length
            cached = _cached(past_key_values, position_ids, next_sequence_length)
            if self._rope_switches(past_key_values, position_ids, cached, new):
                # Keys in the cache were turned by the other RoPE factors: everything is recomputed.
                _empty(past_key_values)
                next_sequence_length = None
                if inputs_embeds is not None:
                    inputs_embeds = self._embeds_so_far(inputs_embeds, input_ids, cached + new)
                    is_first_iteration = True
                elif input_ids.shape[1] < cached + new:
                    raise ValueError(_SWITCH_NEEDS_ALL)
        # Phi3ForCausalLM's own method is passed over: it counts padding as length at the RoPE switch.
        model_inputs = GenerationMixin.prepare_inputs_for_generation(
            self,
            input_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            position_ids=position_ids,
            next_sequence_length=next_sequence_length,
            is_first_iteration=is_first_iteration,
            **kwargs,
        )
        if pixel_values is not None:
            pictures = (pixel_values, image_sizes)
            wanted = self._pictures_of_step(input_ids, model_inputs, pictures, is_first_iteration)
            if wanted:
                model_inputs["pixel_values"] = pixel_values[wanted]
                if image_sizes is not None:  # plain numbers, so that a graph can be made for them
                    model_inputs["image_sizes"] = torch.as_tensor(image_sizes)[wanted].tolist()
        return model_inputs

    def _pictures_of_step(
        self,
        input_ids: torch.Tensor,
        model_inputs: dict[str, Any],
        pictures: tuple[torch.Tensor, Any],
        is_first_iteration: bool | None,
    ) -> list[int]:
        """Numbers of the pictures with places among the ids that this step computes."""
        step = model_inputs.get("input_ids")
        if step is None:  # inputs_embeds, which hold the pictures' places in the first step alone
            return list(range(len(pictures[0]))) if is_first_iteration else []
        if step.shape[1] == 1 and not is_first_iteration:  # a generated token, and no question to the device
            return []
        return self._placeholders(input_ids, *pictures).pictures_from(input_ids.shape[1] - step.shape[1])

    def _placeholders(self, input_ids: torch.Tensor, pixel_values: Any, image_sizes: Any) -> Placeholders:
        """Return the positions of the visual tokens in a prompt."""
        embedding = self.model.vision_embed_tokens
        num_tokens = embedding.num_tokens(pixel_values, image_sizes)
        return find_placeholders(input_ids, num_tokens, embedding.image_token_id)

    def _rope_switches(self, cache: Cache, position_ids: torch.Tensor, cached: int, new: int) -> bool:
        """Return whether this step of `new` tokens needs other RoPE factors than the `cached` keys have.

        The long factors begin where the highest position passes a limit; padding does not count. They end
        where a cache is cut back to before it, as after rejected candidates. The cache records the factors.
        position_ids (batch, length) end with the positions of this step.
        """
        rope = self.config.rope_parameters
        if rope["rope_type"] != "longrope":
            return False
        limit = rope["original_max_position_embeddings"]
        beyond = cached + new > limit  # without asking the device
        is_long = beyond and bool(position_ids.max() >= limit)
        was_long = getattr(cache, _LONG_FACTORS, None)
        if was_long is None:
            was_long = beyond and bool(position_ids[:, -new].max() > limit)
        setattr(cache, _LONG_FACTORS, is_long)
        return cached > 0 and was_long != is_long

    def _embeds_so_far(self, prompt: torch.Tensor, input_ids: torch.Tensor, length: int) -> torch.Tensor:
        """Return vectors of the first `length` tokens: of the prompt, and of the ids generated after it."""
        generated = input_ids[:, input_ids.shape[1] - (length - prompt.shape[1]) :]
        return torch.cat([prompt, self.get_input_embeddings()(generated)], dim=1)

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
            if input_ids is None:
                raise ValueError("generate with pictures needs input_ids")
            rows = [row for row, _ in self._placeholders(input_ids, **pictures).owners]
            order = _repeat_by_row(rows, expand_size)
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

    def _get_candidate_generator(self, *args: Any, **kwargs: Any) -> Any:
        generator = super()._get_candidate_generator(*args, **kwargs)
        propose = generator.get_candidates

        def get_candidates(input_ids: torch.Tensor, *rest: Any, **options: Any) -> tuple[torch.Tensor, Any]:
            candidates, logits = propose(input_ids, *rest, **options)
            length = input_ids.shape[1]
            number = self._candidates_to_check(candidates, length)
            kept = logits[:, :number] if number and logits is not None else None
            return candidates[:, : length + number], kept

        generator.get_candidates = get_candidates
        return generator

    def _candidates_to_check(self, candidates: torch.Tensor, length: int) -> int:
        """Return how many of the ids after `length` one step may check.

        They end before a placeholder, which a look-up in the prompt finds, and where the RoPE factors change:
        all ids of a step are computed with the same ones.
        """
        number = int((candidates[0, length:] >= 0).long().cumprod(0).sum())
        rope = self.config.rope_parameters
        limit = rope["original_max_position_embeddings"] if rope["rope_type"] == "longrope" else 0
        return min(number, limit - length) if length <= limit else number

    def _get_logits_processor(
        self, *args: Any, encoder_input_ids: torch.Tensor | None = None, **kwargs: Any
    ) -> LogitsProcessorList:
        if encoder_input_ids is not None:
            encoder_input_ids = encoder_input_ids.clamp(min=0)
        processors = super()._get_logits_processor(*args, encoder_input_ids=encoder_input_ids, **kwargs)
        if (image_token_id := self.config.image_token_id) is not None:
            # It keeps a place for a picture that came with the prompt, so that no answer may hold it.
            # First, as top-k might leave this token alone.
            processors.insert(0, SuppressTokensLogitsProcessor([image_token_id], device=self.device))
        return _LogitsProcessors(processors)

    def _get_stopping_criteria(self, *args: Any, **kwargs: Any) -> StoppingCriteriaList:
        return _StoppingCriteria(super()._get_stopping_criteria(*args, **kwargs))


def _cached(cache: Cache, position_ids: torch.Tensor, new: int | None) -> int:
    """Return the number of cached keys; without asking the cache if `new` says how many are not in it."""
    return int(cache.get_seq_length()) if new is None else position_ids.shape[1] - new


def _empty(cache: Cache) -> None:
    """Empty the caller's cache, which stays the one that is filled."""
    cache.reset()
    if kept := int(cache.get_seq_length()):  # transformers 5.17 only zeroes caches that grow
        cache.crop(-kept)


# What `generate` calls with the ids so far uses them as indices, and fails on negative ones.


class _LogitsProcessors(LogitsProcessorList):
    """Show logits processors id 0 for placeholders: they index the vocabulary's scores."""

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        return super().__call__(input_ids.clamp(min=0), scores, **kwargs)


class _StoppingCriteria(StoppingCriteriaList):
    """Show stopping criteria an id without text for placeholders: no stop string may match a picture."""

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        return super().__call__(input_ids.masked_fill(input_ids < 0, NO_TOKEN), scores, **kwargs)


def _repeat_by_row(rows: list[int], times: int) -> list[int]:
    """Return the order of pictures in these rows if every row is repeated: 0 1 | 2 → 0 1 0 1 | 2 2."""
    by_row: dict[int, list[int]] = {}
    for picture, row in enumerate(rows):
        by_row.setdefault(row, []).append(picture)
    return [picture for row in sorted(by_row) for _ in range(times) for picture in by_row[row]]

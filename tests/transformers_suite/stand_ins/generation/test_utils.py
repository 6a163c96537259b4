"""Our tests of `generate`, on what transformers' own mixin of this name is about.

The source distribution of transformers holds no `tests/generation`. The class has the name that the mixin for
models looks for. It uses `self.model_tester` and `self.all_generative_model_classes`, as that mixin does.
"""

from typing import Any

import torch
from transformers import DynamicCache, GenerationConfig, StaticCache, set_seed
from transformers.testing_utils import torch_device

NEW = 4


class GenerationTesterMixin:
    """Greedy search with other inputs, caches and options gives the tokens of plain greedy search."""

    def _model_and_inputs(self, model_class: Any, **changes: Any) -> tuple[Any, dict[str, Any]]:
        config, inputs = self.model_tester.prepare_config_and_inputs_for_common()
        for name, value in changes.items():
            setattr(config, name, value)
        set_seed(0)
        model = model_class(config).to(torch_device).eval()
        # An end token would make answers of different lengths.
        model.generation_config.eos_token_id = None
        return model, inputs

    def _each(self, **changes: Any) -> Any:
        for model_class in self.all_generative_model_classes:
            yield self._model_and_inputs(model_class, **changes)

    def _greedy(self, model: Any, inputs: dict[str, Any], **options: Any) -> Any:
        return model.generate(
            **inputs, **{"max_new_tokens": NEW, "min_new_tokens": NEW, "do_sample": False, **options}
        )

    def _assert_same_answer(self, model: Any, inputs: dict[str, Any], found: torch.Tensor) -> None:
        length = inputs["input_ids"].shape[1]
        wanted = self._greedy(model, inputs)
        assert found[:, -NEW:].tolist() == wanted[:, length:].tolist()

    # -------------------------------------------------------------------------------------- strategies

    def test_generate_greedy(self) -> None:
        for model, inputs in self._each():
            found = self._greedy(model, inputs)
            assert torch.equal(found[:, :-NEW], inputs["input_ids"])
            ids = inputs["input_ids"]
            for _ in range(NEW):
                step = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
                logits = model(**step, use_cache=False).logits
                ids = torch.cat([ids, logits[:, -1:].argmax(-1)], dim=1)
            assert found.tolist() == ids.tolist()

    def test_generate_without_cache(self) -> None:
        for model, inputs in self._each():
            self._assert_same_answer(model, inputs, self._greedy(model, inputs, use_cache=False))

    def test_generate_sample(self) -> None:
        for model, inputs in self._each():
            set_seed(1)
            first = self._greedy(model, inputs, do_sample=True, num_return_sequences=2)
            set_seed(1)
            second = self._greedy(model, inputs, do_sample=True, num_return_sequences=2)
            assert len(first) == 2 * len(inputs["input_ids"])
            assert torch.equal(first, second)

    def test_generate_beam_search(self) -> None:
        for model, inputs in self._each():
            found = self._greedy(model, inputs, num_beams=2, num_return_sequences=2)
            assert len(found) == 2 * len(inputs["input_ids"])
            again = self._greedy(model, inputs, num_beams=2, num_return_sequences=2, use_cache=False)
            assert found.tolist() == again.tolist()

    def test_generate_beam_sample(self) -> None:
        for model, inputs in self._each():
            found = self._greedy(model, inputs, num_beams=2, do_sample=True)
            assert found.shape == (len(inputs["input_ids"]), inputs["input_ids"].shape[1] + NEW)

    def test_generate_prompt_lookup(self) -> None:
        for model, inputs in self._each():
            one = {name: value[:1] for name, value in inputs.items()}
            found = self._greedy(model, one, prompt_lookup_num_tokens=2)
            self._assert_same_answer(model, one, found)

    def test_generate_assisted(self) -> None:
        for model, inputs in self._each():
            one = {name: value[:1] for name, value in inputs.items()}
            found = self._greedy(model, one, assistant_model=model)
            self._assert_same_answer(model, one, found)

    # -------------------------------------------------------------------------------------- outputs

    def test_generate_dict_outputs(self) -> None:
        for model, inputs in self._each(_attn_implementation="eager"):
            out = self._greedy(
                model,
                inputs,
                return_dict_in_generate=True,
                output_scores=True,
                output_logits=True,
                output_attentions=True,
                output_hidden_states=True,
            )
            batch, length = inputs["input_ids"].shape
            assert out.sequences.shape == (batch, length + NEW)
            assert [len(out.scores), len(out.logits)] == [NEW, NEW]
            assert out.logits[0].shape == (batch, model.config.vocab_size)
            layers = model.config.num_hidden_layers
            assert [len(step) for step in out.attentions] == [layers] * NEW
            assert [len(step) for step in out.hidden_states] == [layers + 1] * NEW
            assert out.hidden_states[0][0].shape == (batch, length, model.config.hidden_size)
            assert out.hidden_states[1][0].shape == (batch, 1, model.config.hidden_size)
            assert out.past_key_values.get_seq_length() == length + NEW - 1

    def test_generate_beam_dict_outputs(self) -> None:
        for model, inputs in self._each():
            out = self._greedy(model, inputs, num_beams=2, return_dict_in_generate=True, output_scores=True)
            assert out.sequences_scores.shape == (len(inputs["input_ids"]),)

    def test_generate_logits_to_keep(self) -> None:
        for model, inputs in self._each():
            whole = model(**inputs).logits
            last = model(**inputs, logits_to_keep=1).logits
            torch.testing.assert_close(last, whole[:, -1:])

    # -------------------------------------------------------------------------------------- inputs

    def test_generate_from_inputs_embeds(self) -> None:
        """Embeddings of words alone give the answer that the words give."""
        for model, inputs in self._each():
            words = inputs["input_ids"][:, -5:]
            embeds = model.get_input_embeddings()(words)
            found = self._greedy(model, {"inputs_embeds": embeds, "attention_mask": torch.ones_like(words)})
            assert found.shape[1] == NEW
            self._assert_same_answer(model, {"input_ids": words}, found)
            both = self._greedy(model, {"input_ids": words, "inputs_embeds": embeds})
            self._assert_same_answer(model, {"input_ids": words}, both)

    def test_generate_from_inputs_embeds_beams(self) -> None:
        for model, inputs in self._each():
            words = inputs["input_ids"][:, -5:]
            embeds = model.get_input_embeddings()(words)
            found = self._greedy(model, {"inputs_embeds": embeds}, num_beams=2)
            wanted = self._greedy(model, {"input_ids": words}, num_beams=2)
            assert found.tolist() == wanted[:, -NEW:].tolist()

    def test_generate_without_inputs(self) -> None:
        for model, _ in self._each():
            model.generation_config.bos_token_id = 1
            assert model.generate(max_new_tokens=NEW, min_new_tokens=NEW).shape == (1, 1 + NEW)

    def test_generate_with_position_ids(self) -> None:
        for model, inputs in self._each():
            positions = torch.arange(inputs["input_ids"].shape[1])[None].expand_as(inputs["input_ids"])
            found = self._greedy(model, {**inputs, "position_ids": positions})
            self._assert_same_answer(model, inputs, found)

    def test_generate_left_padding(self) -> None:
        for model, inputs in self._each():
            ids, mask = inputs["input_ids"], inputs["attention_mask"]
            pad = torch.full((len(ids), 3), model.config.pad_token_id)
            padded = {
                **inputs,
                "input_ids": torch.cat([pad, ids], dim=1),
                "attention_mask": torch.cat([torch.zeros_like(pad), mask], dim=1),
            }
            positions = (padded["attention_mask"].cumsum(-1) - 1).clamp(min=0)
            torch.testing.assert_close(
                model(**padded, position_ids=positions).logits[:, -1],
                model(**inputs).logits[:, -1],
                rtol=1e-4,
                atol=1e-4,
            )
            self._assert_same_answer(model, inputs, self._greedy(model, padded))

    def test_generate_with_logits_processors(self) -> None:
        """Processors that look at the ids so far, images among them."""
        for model, inputs in self._each():
            found = self._greedy(
                model,
                inputs,
                repetition_penalty=1.3,
                no_repeat_ngram_size=2,
                encoder_repetition_penalty=1.1,
                bad_words_ids=[[5], [6, 7]],
            )
            assert found.shape[1] == inputs["input_ids"].shape[1] + NEW
            assert not (found[:, -NEW:] == 5).any()

    # -------------------------------------------------------------------------------------- caches

    def test_generate_keeps_the_callers_cache(self) -> None:
        for model, inputs in self._each():
            for cache in (DynamicCache(), DynamicCache(config=model.config)):
                found = self._greedy(model, inputs, past_key_values=cache)
                self._assert_same_answer(model, inputs, found)
                assert cache.get_seq_length() == found.shape[1] - 1

    def test_generate_with_static_cache(self) -> None:
        for model, inputs in self._each():
            out = self._greedy(
                model,
                inputs,
                cache_implementation="static",
                disable_compile=True,
                return_dict_in_generate=True,
            )
            assert isinstance(out.past_key_values, StaticCache)
            self._assert_same_answer(model, inputs, out.sequences)

    def test_generate_with_dynamic_cache(self) -> None:
        for model, inputs in self._each():
            found = self._greedy(model, inputs, cache_implementation="dynamic")
            self._assert_same_answer(model, inputs, found)

    def test_generate_continues_from_past_key_values(self) -> None:
        """Two calls, the second with the cache of the first, give what one call gives."""
        for model, inputs in self._each():
            first = self._greedy(
                model, inputs, max_new_tokens=2, min_new_tokens=2, return_dict_in_generate=True
            )
            ids = first.sequences
            rest = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
            found = self._greedy(
                model, rest, max_new_tokens=2, min_new_tokens=2, past_key_values=first.past_key_values
            )
            self._assert_same_answer(model, inputs, found)

    def test_past_key_values_format(self) -> None:
        for model, inputs in self._each():
            cache = model(**inputs, use_cache=True).past_key_values
            assert len(cache) == model.config.num_hidden_layers
            heads = model.config.num_key_value_heads
            width = model.config.hidden_size // model.config.num_attention_heads
            shape = (*inputs["input_ids"].shape[:1], heads, inputs["input_ids"].shape[1], width)
            assert all(layer.keys.shape == shape for layer in cache.layers)

    # -------------------------------------------------------------------------------------- compilation

    def test_forward_compiles_without_graph_break(self) -> None:
        """One step of `generate` with a static cache is one graph."""
        for model, inputs in self._each():
            cache = StaticCache(config=model.config, max_cache_len=inputs["input_ids"].shape[1] + NEW)
            torch.compiler.reset()
            compiled = torch.compile(model.forward, backend="eager", fullgraph=True)
            with torch.no_grad():
                model(**inputs, past_key_values=cache)
                step = {"input_ids": inputs["input_ids"][:, -1:], "past_key_values": cache}
                assert compiled(**step).logits.shape[1] == 1

    def test_generate_is_inherited(self) -> None:
        for model, _ in self._each():
            assert model.can_generate()
            assert isinstance(model.generation_config, GenerationConfig)

"""TRL's SFTTrainer on conversations with images, as its documentation describes it for vision models."""

import pytest
import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from phi3lib import Phi3VForCausalLM, load_phi3_model, register_auto_classes
from phi3lib.loading.defaults import default_models
from picturebook.pictures import draw_picture

STEPS = 12


class Losses(TrainerCallback):
    """Keep the loss of each step."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_log(self, args, state, control, logs=None, **kwargs) -> None:
        if "loss" in (logs or {}):
            self.values.append(logs["loss"])


def talks() -> Dataset:
    """Eight images with one question and an answer that the model does not give by itself."""
    drawn = [draw_picture(number, split="test") for number in range(8)]
    return Dataset.from_list(
        [
            {
                "images": [one.image],
                "messages": [
                    {"role": "user", "content": "what is this?"},
                    {"role": "assistant", "content": f"yes, {one.caption}"},
                ],
            }
            for one in drawn
        ]
    )


@pytest.mark.slow
def test_twelve_steps_lower_the_loss(tmp_path):
    model = load_phi3_model(language_model=True)
    before = model.model.vision_embed_tokens.img_projection[0].weight.detach().clone()
    losses = Losses()
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(tmp_path), max_steps=STEPS, per_device_train_batch_size=2, learning_rate=1e-3,
            logging_steps=1, report_to=[], use_cpu=True, bf16=False, max_length=None, save_strategy="no",
            gradient_checkpointing=False, seed=0, disable_tqdm=True,
        ),
        train_dataset=talks(),
        processing_class=model.processor,
        callbacks=[losses],
    )  # fmt: skip
    trainer.train()
    assert trainer.state.global_step == len(losses.values) == STEPS
    assert sum(losses.values[-5:]) < 0.75 * sum(losses.values[:5])
    assert all(torch.isfinite(torch.tensor(losses.values)))
    assert not torch.equal(before, model.model.vision_embed_tokens.img_projection[0].weight.to(before.device))


def test_a_folder_is_a_model_for_trl(tmp_path):
    register_auto_classes()
    trainer = SFTTrainer(
        model=default_models().phi3,
        args=SFTConfig(output_dir=str(tmp_path), max_length=None, report_to=[], use_cpu=True, bf16=False),
        train_dataset=talks().select(range(1)),
    )
    assert isinstance(trainer.model, Phi3VForCausalLM)
    trainer.model.config.save_pretrained(tmp_path)
    assert "auto_map" not in (tmp_path / "config.json").read_text()

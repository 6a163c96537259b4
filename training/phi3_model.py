"""The small Phi-3-vision, and what is added to it while it learns."""

from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from phi3lib import Phi3VConfig, Phi3VForCausalLM
from training.dense_labels import CELLS, NOTHING, NOWHERE, PLANES
from training.packing import PackedRows
from training.sketches import SketchHead

TILE, PATCH = 112, 14
NUM_CROPS = 4  # unless asked for more: small print needs nine
TOWER: dict[str, Any] = {
    "hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 6, "num_attention_heads": 3,
    "image_size": TILE, "patch_size": PATCH, "hidden_act": "gelu",
}  # fmt: skip


def make_phi3(
    tokenizer: PreTrainedTokenizerBase, *, tower_layers: int = TOWER["num_hidden_layers"]
) -> Phi3VForCausalLM:
    """The untrained model: the published architecture with tiles of 112 pixels, 256 wide, 4 layers."""
    config = Phi3VConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=4096,
        original_max_position_embeddings=4096,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=[tokenizer.convert_tokens_to_ids("<|end|>"), tokenizer.eos_token_id],
        pad_token_id=tokenizer.pad_token_id,
        embd_layer={
            "embedding_cls": "image",
            "hd_transform_order": "sub_glb",
            "projection_cls": "mlp",
            "use_hd_transform": True,
            "with_learnable_separator": True,
        },
        img_processor={
            "name": "clip_vision_model",
            "model_name": "clip-small",
            "image_dim_out": TOWER["hidden_size"],
            "num_img_tokens": (TILE // PATCH // 2) ** 2,
            "vision_config": TOWER | {"num_hidden_layers": tower_layers},
        },
        # The backward pass of PyTorch's fused attention is slow on CPUs; not saved with the weights.
        attn_implementation="eager",
    )
    return Phi3VForCausalLM(config)


def start_from_clip(model: Phi3VForCausalLM, weights: str) -> None:
    """Give the tower the weights of the small CLIP's tower, as the real one started from CLIP's."""
    prefix = "vision_model."
    tower = {name: tensor.float() for name, tensor in load_file(weights).items() if name.startswith(prefix)}
    model.model.vision_embed_tokens.img_processor.load_state_dict(tower)


def start_from_phi3(model: Phi3VForCausalLM, weights: str) -> None:
    """Give the model all weights of an earlier run. RuntimeError where they do not fit."""
    tensors = {name: tensor.float() for name, tensor in load_file(weights).items()}
    model.load_state_dict(tensors)


class DenseHeads(nn.Module):
    """Classifiers on every patch's feature; they are dropped after training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({name: nn.Linear(width, classes) for name, classes in PLANES.items()})

    def forward(self, features: Tensor, labels: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """features (tiles, patches², C), labels (tiles, patches²): the loss, and the shares that were right.

        Patches with nothing in them count a tenth; the shares are of the patches with something.
        """
        loss, shares = features.new_zeros((), dtype=torch.float32), {}
        for name, head in self.heads.items():
            wanted = labels[name].flatten()
            logits = head(features).flatten(0, 1).float()
            weight = torch.where(wanted == NOTHING, 0.1, 1.0)
            each = nn.functional.cross_entropy(logits, wanted, reduction="none")
            loss = loss + (each * weight).sum() / weight.sum()
            something = wanted != NOTHING
            if something.any():
                shares[name] = (logits.argmax(-1) == wanted)[something].float().mean()
        return loss, shares


PLACED_LAYER = 2  # of four: where a token stands is known behind it, so that the others can speak of it
LOOKING_HEAD = 0  # of the layer behind it: it is shown where to look


class PlaceHeads(nn.Module):
    """Classifiers on the language model's visual tokens: in which row and column of the picture is it?

    They are dropped after training. Without them the model finds a thing by its kind and colour but cannot
    say where it found it: a linear probe told the quarter of the picture for about half of the crops' tokens.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.row = nn.Linear(width, CELLS)
        self.column = nn.Linear(width, CELLS)

    def forward(self, hidden: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """hidden (N, tokens, width), places (tokens, 2): the loss, and the share that was right."""
        stands = places[:, 0] != NOWHERE
        hidden, places = hidden[:, stands].flatten(0, 1), places[stands].repeat(len(hidden), 1)
        logits = torch.stack([self.row(hidden), self.column(hidden)], -1).float()  # (N·tokens, CELLS, 2)
        right = (logits.argmax(1) == places).all(-1)
        return 2 * nn.functional.cross_entropy(logits, places), right.float().mean()


@dataclass
class Answered:
    """Losses and shares of right answers: of the answers' tokens, and of the visual tokens' places.

    look_loss, looks: whether the looking head sees what the questions are about, and its attention there,
    which is NaN where no question is about one thing.
    """

    loss: Tensor
    right: Tensor
    place_loss: Tensor
    place_right: Tensor
    look_loss: Tensor
    looks: Tensor


class Phi3Learner(nn.Module):
    """Phi-3-vision with the dense heads on its tower and the place heads in its language model.

    sketches: categories of drawings that a head on the tower tells apart; 0: there is no such head.
    """

    def __init__(self, phi3: Phi3VForCausalLM, sketches: int = 0) -> None:
        super().__init__()
        self.phi3 = phi3
        self.dense = DenseHeads(TOWER["hidden_size"])
        self.places = PlaceHeads(phi3.config.hidden_size)
        self.sketches = SketchHead(TOWER["hidden_size"], TILE // PATCH, sketches) if sketches else None
        self.new_heads = False  # True: the heads learn from the model, and the model not from the heads

    @property
    def embedding(self) -> Any:
        """The model's `Phi3ImageEmbedding`."""
        return self.phi3.model.vision_embed_tokens

    def features(self, tiles: Tensor) -> Tensor:
        """(tiles, 3, side, side) → (tiles, patches², C): what the projector will see."""
        return self.embedding.get_img_features(tiles)

    def answers(self, features: Tensor, image_sizes: Tensor, rows: PackedRows) -> Answered:
        """What the language model makes of pictures whose tiles' features are (N, 1 + crops, patches², C)."""
        embeds = self.embedding(rows.input_ids, features, image_sizes)  # (N, length, hidden)
        mask = rows.mask
        additive = torch.zeros(mask.shape, dtype=embeds.dtype, device=embeds.device)
        additive.masked_fill_(~mask, torch.finfo(embeds.dtype).min)
        output = self.phi3.model(
            inputs_embeds=embeds,
            attention_mask=additive,
            position_ids=rows.positions,
            use_cache=False,
            output_hidden_states=True,
            output_attentions=True,
        )
        before = rows.is_answer.roll(-1, dims=1)  # the place before a token foretells it
        logits = self.phi3.lm_head(output.last_hidden_state[before]).float()
        wanted = rows.input_ids[rows.is_answer]
        loss = nn.functional.cross_entropy(logits, wanted)
        right = (logits.argmax(-1) == wanted).float().mean()
        # The picture's tokens stand in the same places of all rows, without a gap: (N, tokens, hidden).
        start = int((rows.input_ids[0] < 0).nonzero()[0])
        visual = slice(start, start + len(rows.token_places))
        hidden = output.hidden_states[PLACED_LAYER][:, visual]
        seen = hidden.detach() if self.new_heads else hidden
        place_loss, place_right = self.places(seen, rows.token_places)
        attention = output.attentions[PLACED_LAYER][:, LOOKING_HEAD, :, visual]  # (N, length, tokens)
        look_loss, looks = look(attention, before, rows)
        return Answered(loss, right, place_loss, place_right, look_loss, looks)


def look(attention: Tensor, before: Tensor, rows: PackedRows) -> tuple[Tensor, Tensor]:
    """Whether one head looks at what is asked about, when a token of the answer is foretold.

    attention (N, length, tokens), before (N, length) bool: where tokens are foretold. (loss, mean attention).
    """
    asked = rows.question.clamp(min=0)[..., None].expand(-1, -1, rows.looks.shape[-1])
    wanted = rows.looks.gather(1, asked)  # (N, length, tokens)
    there = (attention.float() * wanted).sum(-1)[before & wanted.any(-1)]
    if not len(there):
        return attention.new_zeros(()), attention.new_tensor(torch.nan)
    return -(there + 1e-6).log().mean(), there.mean()

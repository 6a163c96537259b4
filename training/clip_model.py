"""The small CLIP, and what is added to it while it learns."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from picturebook.colors import COLORS
from picturebook.kinds import KINDS
from picturebook.pages.words import TRAINED_WORDS
from picturebook.pictures import SIDE

PATCH = 14
MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP's published preprocessing
STD = (0.26862954, 0.26130258, 0.27577711)
MOST = 6  # things in one picture


def make_clip(tokenizer: CLIPTokenizer, *, layers: int = 6, text_layers: int = 3) -> CLIPModel:
    """The untrained model: patch 14 at 112 pixels, a tower 192 wide and 6 deep, texts 128 and 3."""
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 128,
        "intermediate_size": 512,
        "num_hidden_layers": text_layers,
        "num_attention_heads": 2,
        "max_position_embeddings": 77,
        "hidden_act": "gelu",
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {
        "hidden_size": 192,
        "intermediate_size": 768,
        "num_hidden_layers": layers,
        "num_attention_heads": 3,
        "image_size": SIDE,
        "patch_size": PATCH,
        "hidden_act": "gelu",
    }
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=128)
    # The backward pass of PyTorch's fused attention is slow on CPUs.
    config._attn_implementation = "eager"
    return CLIPModel(config)


class Heads(nn.Module):
    """Classifiers on the picture's vector that help it to learn; they are dropped after training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kind = nn.Linear(width, len(KINDS))
        self.color = nn.Linear(width, len(COLORS))
        self.background = nn.Linear(width, len(COLORS))
        self.count = nn.Linear(width, MOST)
        self.word = nn.Linear(width, len(TRAINED_WORDS))


@dataclass
class Targets:
    """What the heads should say, each (N,) int64; -1 where there is nothing to say."""

    kind: Tensor
    color: Tensor
    background: Tensor
    count: Tensor
    word: Tensor


WEIGHTS = {"kind": 1.0, "color": 0.3, "background": 0.2, "count": 0.3, "word": 1.0}


class ClipLearner(nn.Module):
    """CLIP with its heads; `forward` gives the loss and what share of each task was right."""

    def __init__(self, clip: CLIPModel) -> None:
        super().__init__()
        self.clip = clip
        self.heads = Heads(clip.config.vision_config.hidden_size)

    def forward(
        self, pixels: Tensor, input_ids: Tensor, attention_mask: Tensor, targets: Targets, keep: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """pixels: (N, 3, side, side), normalised. keep: so many patches of each picture are seen."""
        pooled = self.pooled(pixels, keep)
        images = nn.functional.normalize(self.clip.visual_projection(pooled).float(), dim=-1)
        texts = self.clip.text_model(input_ids=input_ids, attention_mask=attention_mask).pooler_output
        texts = nn.functional.normalize(self.clip.text_projection(texts).float(), dim=-1)
        loss, right = contrastive(images, texts, self.clip.logit_scale.float(), input_ids)
        shares = {"pair": right}
        for name, weight in WEIGHTS.items():
            wanted = getattr(targets, name)
            known = wanted >= 0
            if known.any():
                logits = getattr(self.heads, name)(pooled)[known].float()
                loss = (
                    loss + weight * nn.functional.cross_entropy(logits, wanted[known]) * known.float().mean()
                )
                shares[name] = (logits.argmax(-1) == wanted[known]).float().mean()
        return loss, shares

    def pooled(self, pixels: Tensor, keep: int) -> Tensor:
        """(N, width): the class token behind the tower, which sees `keep` patches of each picture."""
        tower = self.clip.vision_model
        hidden = tower.embeddings(pixels)  # (N, 1 + patches, width)
        patches = hidden.shape[1] - 1
        if keep < patches:
            chosen = busiest_patches(pixels, keep)  # (N, keep)
            first = torch.zeros_like(chosen[:, :1])
            places = torch.cat([first, chosen + 1], dim=1)
            hidden = hidden.gather(1, places[..., None].expand(-1, -1, hidden.shape[-1]))
        hidden = tower.encoder(inputs_embeds=tower.pre_layrnorm(hidden)).last_hidden_state
        return tower.post_layernorm(hidden[:, 0])


def busiest_patches(pixels: Tensor, keep: int) -> Tensor:
    """(N, keep): the places of the patches with most contrast, and chance among the even ones."""
    batch, _, height, width = pixels.shape
    cells = pixels.float().unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH)  # (N, 3, rows, cols, 14, 14)
    contrast = (
        cells.reshape(batch, 3, (height // PATCH) * (width // PATCH), -1).var(-1).sum(1)
    )  # (N, patches)
    return (contrast + 0.02 * torch.rand_like(contrast)).topk(keep, dim=1).indices


def contrastive(images: Tensor, texts: Tensor, scale: Tensor, input_ids: Tensor) -> tuple[Tensor, Tensor]:
    """CLIP's symmetric loss and the share of right pairs; equal captions are no wrong answers."""
    logits = scale.clamp(max=4.6).exp() * images @ texts.T  # (N, N)
    count = len(logits)
    same = (input_ids[:, None] == input_ids[None]).all(-1) & ~torch.eye(
        count, dtype=torch.bool, device=logits.device
    )
    logits = logits.masked_fill(same, float("-inf"))
    wanted = torch.arange(count, device=logits.device)
    loss = nn.functional.cross_entropy(logits, wanted) + nn.functional.cross_entropy(logits.T, wanted)
    return loss / 2, (logits.argmax(-1) == wanted).float().mean()

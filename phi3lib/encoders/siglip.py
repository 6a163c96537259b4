"""SigLIP (Zhai et al. 2023) and SigLIP 2 (Tschannen et al. 2025), as encoders of images and texts.

Trained with a sigmoid for each pair of image and text: probabilities of classes are independent of each other
and need not sum to 1. SigLIP 2 of a fixed size has the network of SigLIP and another tokenizer; NaFlex
checkpoints (model_type "siglip2") keep the proportions of an image.
"""

import re
import string
import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from phi3lib.encoders.encoder import Encoder, Images, Recipes, TowerParts, recipe, recipes_of, tower_parts
from phi3lib.loading.claims import require_fitting_images, require_input_size, require_pixel_values
from phi3lib.loading.networks import checkpoint_errors, checkpoint_folder, load_network
from phi3lib.loading.safetensors_io import CheckpointError
from phi3lib.vision.float32 import fast_products
from phi3lib.vision.inputs import as_texts
from phi3lib.vision.pictures import read_upright

FAMILY, MODEL_TYPES = "siglip", ("siglip", "siglip2")
SIGLIP_RECIPES = recipes_of(FAMILY)
TEXTS_AT_ONCE = 64
_PUNCTUATION = str.maketrans("", "", string.punctuation)


class SiglipFeatures:
    """Features of a batch of n images by SigLIP; each is computed once, when a recipe needs it."""

    def __init__(self, encoder: "SiglipEncoder", images: Images) -> None:
        self._encoder, self._images = encoder, images

    @cached_property
    def _inputs(self) -> Any:
        return self._encoder.inputs(self._images)

    @cached_property
    def _tower(self) -> Any:
        network = self._encoder.network
        with fast_products(network.logit_scale, network.config.vision_config.hidden_size):
            return network.vision_model(**self._inputs)

    @property
    def pooled(self) -> torch.Tensor:
        """The vector of the attention pooling, in the space of texts: (n, d)."""
        return self._tower.pooler_output

    @property
    def patches(self) -> torch.Tensor:
        """The patches after the last layer and its norm: (n, patches, d); see `mask`."""
        return self._tower.last_hidden_state

    @property
    def mask(self) -> torch.Tensor:
        """1 for patches, 0 for padding, which NaFlex has: (n, patches)."""
        full = torch.ones(self.patches.shape[:2], dtype=torch.int64, device=self.patches.device)
        return self._inputs.get("pixel_attention_mask", full)


def _width(encoder: "SiglipEncoder") -> int:
    return encoder.network.config.vision_config.hidden_size


@recipe(
    "pooled",
    family=FAMILY,
    says="SigLIP's vector (attention pooling), in the space of texts",
    source="Zhai et al. 2023",
    size=_width,
)
def _pooled(features: SiglipFeatures) -> torch.Tensor:
    return features.pooled


@recipe("patches", family=FAMILY, says="mean of the tower's patches", source="common practice", size=_width)
def _patches(features: SiglipFeatures) -> torch.Tensor:
    weights = features.mask.to(features.patches.dtype)[..., None]
    return (features.patches * weights).sum(1) / weights.sum(1)


class SiglipEncoder(Encoder):
    """A SigLIP or SigLIP 2 of `load_encoder`.

    network: transformers' SiglipModel or Siglip2Model. processor: its Pillow image processor. tokenizer: that
    of the checkpoint.
    """

    family = FAMILY

    def __init__(self, name: str, *, network: Any, processor: Any, tokenizer: Any, revision: str | None):
        super().__init__(name, network=network, revision=revision)
        self.network: Any = network
        self.processor, self.tokenizer = processor, tokenizer

    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> "SiglipEncoder":
        """Load a checkpoint; see `load_encoder`."""
        from transformers import AutoConfig, Siglip2Model, SiglipModel
        from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
        from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

        folder, where, commit = checkpoint_folder(name, revision)
        with checkpoint_errors(where):
            flexible = AutoConfig.from_pretrained(folder, local_files_only=True).model_type == "siglip2"
            # The Pillow processors by their names: the general ones prefer torchvision, which is not used.
            processor_class = Siglip2ImageProcessorPil if flexible else SiglipImageProcessorPil
            processor = processor_class.from_pretrained(folder, local_files_only=True)
            tokenizer = _tokenizer(folder, where)
        network = load_network(
            Siglip2Model if flexible else SiglipModel, folder, where=where, device=device, dtype=dtype
        )
        tower = network.config.vision_config
        require_pixel_values(processor, where=where)
        if flexible:
            require_input_size(processor, tower.num_patches, where=where)
        else:
            with checkpoint_errors(where):
                require_fitting_images(processor, tower.image_size, where=where)
        return cls(where, network=network, processor=processor, tokenizer=tokenizer, revision=commit)

    @property
    def recipes(self) -> Recipes:
        """The recipes of SigLIP; "pooled" vectors are in the space of texts."""
        return Recipes(SIGLIP_RECIPES, default="pooled", shared_with_text="pooled")

    def features(self, images: Images) -> SiglipFeatures:
        """Return pooled vectors and patches of one batch."""
        return SiglipFeatures(self, images)

    def inputs(self, images: Images) -> Any:
        """Return the image processor's output on the network's device and in its dtype."""
        upright = [read_upright(image) for image in images]
        inputs = self.processor(images=upright, return_tensors="pt").to(self.network.device)
        inputs["pixel_values"] = inputs["pixel_values"].to(self.network.dtype)
        return inputs

    def tower(self) -> TowerParts:
        """Return the vision network; its pooling is not used. Raises ValueError for NaFlex."""
        if hasattr(self.processor, "max_num_patches"):
            raise ValueError(
                f"{self.name} is a NaFlex checkpoint: its network takes images of any proportions as rows of "
                f"patches, and Phi-3-vision cuts square tiles; use a SigLIP 2 of a fixed size, such as "
                f"google/siglip2-base-patch16-224"
            )
        network = self.network.vision_model
        return tower_parts(network, self.processor, size=network.config.image_size)

    def preprocessing(self) -> dict[str, Any]:
        """Return the size that images are resized to, or for NaFlex the number of patches."""
        if hasattr(self.processor, "max_num_patches"):
            return {name: getattr(self.processor, name) for name in ("max_num_patches", "patch_size")}
        return {"size": dict(self.processor.size)}

    # ------------------------------------------------------------------------ texts

    @torch.no_grad()
    def encode_texts(self, texts: str | Sequence[str]) -> torch.Tensor:
        """Return vectors (n, d) of texts, in the space of the "pooled" images; float32, on the CPU.

        Texts are brought to lower case, padded to the network's whole context (64 tokens) and not masked, as
        in training. Longer ones are cut; a warning counts them.
        """
        listed = as_texts(texts)
        self.warn_of_cut_texts(listed, stacklevel=3)
        parts = [
            self._encode_texts(listed[start : start + TEXTS_AT_ONCE])
            for start in range(0, len(listed), TEXTS_AT_ONCE)
        ]
        return torch.cat(parts)

    def _encode_texts(self, texts: list[str]) -> torch.Tensor:
        network = self.network
        with fast_products(network.logit_scale, network.config.text_config.hidden_size):
            output = network.text_model(**self.text_inputs(texts))
        return output.pooler_output.float().cpu()

    def text_inputs(self, texts: list[str]) -> dict[str, torch.Tensor]:
        """Return the token ids of texts, (n, context), on the network's device; without a mask."""
        plain = [self._as_trained(text) for text in texts]
        ids = self.tokenizer(
            plain, padding="max_length", truncation=True, max_length=self._context, return_tensors="pt"
        )["input_ids"]
        return {"input_ids": ids.to(self.network.device)}

    @property
    def _context(self) -> int:
        return self.network.config.text_config.max_position_embeddings

    def _as_trained(self, text: str) -> str:
        text = text.lower()
        if (
            self.tokenizer.eos_token == "</s>"
        ):  # SigLIP; SigLIP 2, with the tokenizer of Gemma, keeps the rest
            text = re.sub(r"\s+", " ", text.translate(_PUNCTUATION)).strip()
        return text

    def warn_of_cut_texts(self, texts: list[str], *, stacklevel: int = 2) -> None:
        """Warn, with their number, of texts that are longer than the network's context."""
        plain = [self._as_trained(text) for text in texts]
        lengths = [len(ids) for ids in self.tokenizer(plain, truncation=False, verbose=False)["input_ids"]]
        cut = [text for text, length in zip(plain, lengths, strict=True) if length > self._context]
        if cut:
            warnings.warn(
                f"{len(cut)} of {len(texts)} texts are longer than the model's {self._context} tokens and "
                f"were cut there; the first: {cut[0][:60]!r}…",
                stacklevel=stacklevel + 1,
            )

    def class_probabilities(self, similarities: torch.Tensor) -> torch.Tensor:
        """Return the sigmoid of scaled and shifted cosines (n, classes), each class on its own."""
        scale = float(self.network.logit_scale.detach().exp())
        return (scale * similarities.double() + float(self.network.logit_bias.detach())).sigmoid()

    def text_provenance(self) -> dict[str, Any]:
        """Return `provenance` for the vectors of texts."""
        return {**self.provenance(SIGLIP_RECIPES["pooled"]), "pooling": "text: last token, projected"}


def _tokenizer(folder: Path, where: str) -> Any:
    """Return the tokenizer of tokenizer.json, or of SigLIP's spiece.model if the folder has no other."""
    from transformers import PreTrainedTokenizerFast
    from transformers.utils import is_protobuf_available, is_sentencepiece_available

    if (folder / "tokenizer.json").is_file():
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    elif not (folder / "spiece.model").is_file():
        raise CheckpointError(f"{where} holds neither tokenizer.json nor spiece.model: fetch it again")
    elif not (is_sentencepiece_available() and is_protobuf_available()):
        raise CheckpointError(
            f"{where} holds a tokenizer for SentencePiece only (spiece.model): "
            f"pip install sentencepiece protobuf"
        )
    else:
        from transformers import SiglipTokenizer

        tokenizer = SiglipTokenizer.from_pretrained(folder, local_files_only=True)
    tokenizer.padding_side = "right"  # the last token is read, and was padding in training
    return tokenizer

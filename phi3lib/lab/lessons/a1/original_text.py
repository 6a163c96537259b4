"""The text of the page's class, retold in other words, its parts and the repairs of its faults.

`phi3lib.lab.lessons.a1.original_class` builds the class from it.
"""

SOURCE = """\
import logging
import math
from datetime import datetime

import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel

logger = logging.getLogger(__name__)

TOWER = CLIPVisionConfig(
    hidden_size=1024,
    intermediate_size=4096,
    num_hidden_layers=24,
    num_attention_heads=16,
    image_size=336,
    patch_size=14,
    hidden_act="quick_gelu",
    layer_norm_eps=1e-5,
    projection_dim=768,
)


class Phi3ImageEmbedding(nn.Module):
    def __init__(self, config, wte=None, **kwargs):
        super().__init__()
        hidden_size = config.n_embd if hasattr(config, "n_embd") else config.hidden_size
        self.drop = None
        if hasattr(config, "embd_pdrop") or hasattr(config, "embed_pdrop"):
            rate = config.embd_pdrop if hasattr(config, "embd_pdrop") else config.embed_pdrop
            self.drop = nn.Dropout(rate)
        self.wte = wte

        options = config.img_processor
        if isinstance(options, dict) and options.get("name") == "clip_vision_model":
            assert "model_name" in options, "model_name is missing"
            assert "image_dim_out" in options, "image_dim_out is missing"
            assert "num_img_tokens" in options, "num_img_tokens is missing"
            assert options["model_name"] == "openai/clip-vit-large-patch14-336"
            self.img_processor = CLIPVisionModel(TOWER)
            self.image_dim_out = options["image_dim_out"]
            self.num_img_tokens = options["num_img_tokens"]
        else:
            raise NotImplementedError(f"img_processor = {options}")
        self.img_sizes = None

        self.use_hd_transform = kwargs.get("use_hd_transform", False)
        self.with_learnable_separator = kwargs.get("with_learnable_separator", False)
        self.hd_transform_order = kwargs.get("hd_transform_order", "glb_sub")
        assert self.use_hd_transform == self.with_learnable_separator
        if self.with_learnable_separator:
            assert self.use_hd_transform
            self.glb_GN = nn.Parameter(torch.zeros(1, 1, self.image_dim_out * 4))
            self.sub_GN = nn.Parameter(torch.zeros(1, 1, 1, self.image_dim_out * 4))

        kind = kwargs.get("projection_cls", "linear")
        if kind == "linear":
            self.img_projection = nn.Linear(self.image_dim_out, hidden_size)
        elif kind == "mlp" and self.use_hd_transform:
            first = nn.Linear(self.image_dim_out * 4, hidden_size)
            self.img_projection = nn.Sequential(first, nn.GELU(), nn.Linear(hidden_size, hidden_size))
        elif kind == "mlp":
            first = nn.Linear(self.image_dim_out, hidden_size)
            self.img_projection = nn.Sequential(first, nn.GELU(), nn.Linear(hidden_size, hidden_size))
        else:
            raise NotImplementedError(f"projection_cls = {kind}")

        self.vocab_size = config.vocab_size
        self.img_features = None
        self.layer_idx = options.get("layer_idx", -2)
        self.type_feature = options.get("type_feature", "patch")

    def set_img_features(self, img_features):
        self.img_features = img_features

    def set_img_sizes(self, img_sizes):
        self.img_sizes = img_sizes

    def get_img_features(self, img_embeds):
        output = self.img_processor(img_embeds, output_hidden_states=True)
        chosen = output.hidden_states[self.layer_idx]
        if self.type_feature == "patch":
            return chosen[:, 1:]
        if self.type_feature == "cls_patch":
            return chosen
        raise NotImplementedError(self.type_feature)

    def forward(self, input_ids, pixel_values, image_sizes=None):
        pictures, sizes = pixel_values, image_sizes
        if self.img_features is not None:
            pictures = self.img_features.clone()
            self.img_features = None
        if self.img_sizes is not None:
            sizes = self.img_sizes

        input_ids = input_ids.view(-1, input_ids.shape[-1])
        positions = torch.nonzero((input_ids < 0) & (input_ids > -int(1e9)))
        select = False
        if isinstance(self.img_projection, nn.Sequential):
            device, dtype = self.img_projection[0].bias.device, self.img_projection[0].bias.dtype
        else:
            device, dtype = self.img_projection.bias.device, self.img_projection.bias.dtype

        if len(positions.tolist()) > 0:
            tags = abs(input_ids[positions[:, 0], positions[:, 1]])
            if self.use_hd_transform and sizes is not None and len(sizes):
                hd_transform = True
                assert pictures.ndim == 5, f"pictures of shape {pictures.shape}"
                features = self.get_img_features(pictures.flatten(0, 1))  # (n, 576, C)
                side = int(features.shape[1] ** 0.5)
                assert side == 24, f"{side}x{side} features, not 24x24"
                features = features.view(bs, -1, side * side, self.image_dim_out)
                C = self.image_dim_out
                sequences, lengths = [], []
                if isinstance(sizes, torch.Tensor):
                    sizes = sizes.view(-1, 2)
                for number in range(bs):
                    h, w = sizes[number]
                    h, w = int(h) // 336, int(w) // 336

                    whole = features[number, :1]
                    whole = whole.reshape(1, 12, 2, 12, 2, C).permute(0, 1, 3, 2, 4, 5)
                    whole = whole.reshape(1, 12, 12, 4 * C)  # 2x2 patches make one token
                    row_ends = self.sub_GN.repeat(1, 12, 1, 1)
                    whole = torch.cat([whole, row_ends], dim=2).reshape(1, -1, 4 * C)  # (1, 156, 4C)

                    parts = features[number, 1:][: h * w]
                    parts = parts.reshape(h * w, 12, 2, 12, 2, C).permute(0, 1, 3, 2, 4, 5)
                    parts = parts.reshape(1, h, w, 12, 12, 4 * C).permute(0, 1, 3, 2, 4, 5)
                    parts = parts.reshape(1, h * 12, w * 12, 4 * C)  # crops back in their places
                    row_ends = self.sub_GN.repeat(1, h * 12, 1, 1)
                    parts = torch.cat([parts, row_ends], dim=2).reshape(1, -1, 4 * C)

                    if self.hd_transform_order == "glb_sub":
                        sequences.append(torch.cat([whole, self.glb_GN, parts], dim=1))
                    elif self.hd_transform_order == "sub_glb":
                        sequences.append(torch.cat([parts, self.glb_GN, whole], dim=1))
                    else:
                        raise NotImplementedError(self.hd_transform_order)
                    length = (h * w + 1) * 144 + 1 + (h + 1) * 12
                    assert length == sequences[-1].shape[1]
                    lengths.append(length)
                tokens = [self.img_projection(s.to(device, dtype)) for s in sequences]
                logger.info(f"pictures {pictures.shape}, took {datetime.now() - start_time}")
            elif pictures.ndim == 4:
                chosen_tags = tags[:: self.num_img_tokens]
                assert len(pictures) == len(chosen_tags), f"{len(pictures)} pictures, {len(chosen_tags)} tags"
                start_time = datetime.now()
                features = self.get_img_features(pictures)
                features = features.to(device, dtype).reshape(-1, self.image_dim_out)
                logger.info(f"pictures {pictures.shape}, took {datetime.now() - start_time}")
                tokens = self.img_projection(features)
            elif pictures.ndim == 3:
                chosen_tags = tags[:: self.num_img_tokens]
                assert len(pictures) == len(chosen_tags), f"{len(pictures)} pictures, {len(chosen_tags)} tags"
                features = pictures.to(device, dtype).reshape(-1, self.image_dim_out)
                tokens = self.img_projection(features)
            else:
                raise NotImplementedError
            select = True

        input_ids.clamp_min_(0)
        input_ids.clamp_max_(self.vocab_size)
        hidden_states = self.wte(input_ids)

        if select:
            start = 0
            if hd_transform:
                for number, length in enumerate(lengths):
                    row, col = positions[start]
                    hidden_states[row, col : col + length] = tokens[number].to(hidden_states)
                    start += length
            else:
                length = self.num_img_tokens
                assert len(chosen_tags) * length == len(tokens), f"{len(tokens)} tokens"
                for number in range(len(chosen_tags)):
                    row, col = positions[start]
                    picture = tokens[number * length : (number + 1) * length]
                    hidden_states[row, col : col + length] = picture.to(hidden_states)
                    start += length

        if self.drop is not None:
            hidden_states = self.drop(hidden_states)
        return hidden_states
"""

# Where the parts begin, for `show_source`.
PARTS = {
    "constants": "import logging",
    "init": "class Phi3ImageEmbedding",
    "methods": "    def set_img_features",
    "forward": "    def forward",
    "pictures": "                hd_transform = True",
    "without HD": "            elif pictures.ndim == 4:",
    "words": "        input_ids.clamp_min_(0)",
}

# Each repair replaces lines that occur once in the source. Faults without an entry need another structure.
REPAIRS: dict[int, tuple[tuple[str, str], ...]] = {
    1: (
        (
            "                features = self.get_img_features(pictures.flatten(0, 1))  # (n, 576, C)\n",
            "                bs = pictures.shape[0]\n"
            "                features = self.get_img_features(pictures.flatten(0, 1))  # (n, 576, C)\n",
        ),
    ),
    2: (
        (
            "                hd_transform = True\n",
            "                hd_transform = True\n                start_time = datetime.now()\n",
        ),
    ),
    8: (("        select = False\n", "        select = False\n        hd_transform = False\n"),),
    10: (
        (
            "            else:\n                raise NotImplementedError\n",
            "            else:\n"
            '                raise ValueError(f"pictures of shape {pictures.shape} need image_sizes")\n',
        ),
    ),
    11: (("        input_ids.clamp_min_(0)\n", "        input_ids = input_ids.clamp(min=0)\n"),),
    12: (
        (
            "        input_ids.clamp_max_(self.vocab_size)\n",
            "        if int(input_ids.max()) >= self.vocab_size:\n"
            '            raise ValueError(f"an id is above {self.vocab_size - 1}")\n',
        ),
    ),
    13: (
        (
            "        if self.img_sizes is not None:\n            sizes = self.img_sizes\n",
            "        if sizes is None:\n            sizes = self.img_sizes\n        self.img_sizes = None\n",
        ),
    ),
    15: (
        (
            "                for number, length in enumerate(lengths):\n",
            "                if sum(lengths) != len(positions):\n"
            '                    raise ValueError(f"{sum(lengths)} tokens for {len(positions)} places")\n'
            "                for number, length in enumerate(lengths):\n",
        ),
    ),
    18: (
        (
            "        hidden_states = self.wte(input_ids)\n",
            "        hidden_states = self.wte(input_ids).clone()\n",
        ),
    ),
    22: (('("hd_transform_order", "glb_sub")', '("hd_transform_order", "sub_glb")'),),
    23: (
        (
            "                if isinstance(sizes, torch.Tensor):\n"
            "                    sizes = sizes.view(-1, 2)\n",
            "                sizes = torch.as_tensor(sizes).view(-1, 2)\n",
        ),
    ),
}

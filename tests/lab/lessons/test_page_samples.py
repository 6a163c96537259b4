"""The three code samples of the page that the course began with, and exactly what they need besides.

Sample 1 is the class, as this project retells it. Samples 2 and 3 are their statements in the page's order,
without comments. `ADDED` is all that is added to each: what the page itself leaves out.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from phi3lib.lab.lessons.a1.original_text import REPAIRS
from phi3lib.lab.lessons.a1.same_weights import small_pair
from phi3lib.vision.image_processing import Phi3VImageProcessor
from tests.golden_inputs import synth_picture
from tests.hub_stand_in import HubStandIn
from tests.real_layout import make_clip_checkpoint, make_phi3_checkpoint

CLIP = "openai/clip-vit-base-patch32"

SAMPLE_2 = f"""
from transformers import CLIPProcessor, CLIPModel
import torch

model = CLIPModel.from_pretrained("{CLIP}")
processor = CLIPProcessor.from_pretrained("{CLIP}")

inputs = processor(images=images, return_tensors="pt")

with torch.no_grad():
    embeddings = model.get_image_features(**inputs)
"""
SAMPLE_3 = f"""
from transformers import CLIPProcessor, CLIPModel
import torch

clip_model = CLIPModel.from_pretrained("{CLIP}")
clip_processor = CLIPProcessor.from_pretrained("{CLIP}")

phi3_model = load_phi3_model(fine_tuned=True)

inputs = clip_processor(images=images, return_tensors="pt")

with torch.no_grad():
    clip_embeddings = clip_model.get_image_features(**inputs)

phi3_inputs = process_for_phi3_model(images)
with torch.no_grad():
    phi3_embeddings = phi3_model.get_image_features(phi3_inputs)
"""
IMAGES = """
from PIL import Image

images = [Image.new("RGB", (64, 48), (200, 30, 40)), Image.new("RGB", (40, 90), (20, 30, 240))]
"""
IMPORT = "from phi3lib import load_phi3_model, process_for_phi3_model\n"
# Repairs 1 and 2 assign `bs` and `start_time`; `images` is `[...]` on the page.
ADDED = {1: (1, 2), 2: IMAGES, 3: IMAGES + IMPORT}


def test_sample_1_runs_with_the_two_names_that_no_line_assigns():
    assert set(ADDED[1]) <= set(REPAIRS)
    batch = Phi3VImageProcessor(num_crops=4)([synth_picture(64, 48)], return_tensors="pt")
    ids = torch.tensor([[1, *[-1] * int(batch["num_img_tokens"].sum()), 7]])
    inputs = batch["pixel_values"], batch["image_sizes"]
    with torch.inference_mode():
        as_printed, ours = small_pair(repaired=())
        with pytest.raises(NameError, match="'bs'"):
            as_printed(ids.clone(), *inputs)
        repaired, ours = small_pair(repaired=ADDED[1])
        assert torch.allclose(repaired(ids.clone(), *inputs), ours(ids, *inputs), atol=1e-4)


@pytest.mark.slow
def test_samples_2_and_3_run_as_printed(tmp_path: Path) -> None:
    make_clip_checkpoint(tmp_path / "clip")
    make_phi3_checkpoint(tmp_path / "phi3")
    make_phi3_checkpoint(tmp_path / "home" / "fine-tuned", seed=3)
    shown = textwrap.dedent("""
        print(tuple(clip_embeddings.pooler_output.shape), tuple(phi3_embeddings.pooler_output.shape))
        print(phi3_model.checkpoint.fine_tuned, *(len(tokens) for tokens in phi3_embeddings.tokens))
        print(bool((embeddings.pooler_output == clip_embeddings.pooler_output).all()))
    """)
    with HubStandIn() as stand_in:
        stand_in.add(CLIP, tmp_path / "clip")
        own = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        environment = {
            **own,
            "HF_ENDPOINT": stand_in.url,
            "HF_HOME": str(tmp_path / "hf"),
            "PHI3LIB_HOME": str(tmp_path / "home"),
            "PHI3LIB_MODELS": str(tmp_path / "phi3"),  # what was fine-tuned: its processor is the default one
        }
        code = ADDED[2] + SAMPLE_2 + ADDED[3] + SAMPLE_3 + shown
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "(2, 8) (2, 32)",
        f"{tmp_path / 'home' / 'fine-tuned'} 757 469",
        "True",
    ]

"""What do the published checkpoints cost on a GPU? True size, random weights: costs, never results.

    python benchmarks/real_checkpoints_gpu.py            print the tables, write README.md and the .json file
    python benchmarks/real_checkpoints_gpu.py --quick    tiny networks on the CPU, to try it

CLIP ViT-B/32 and ViT-L/14-336, the vision part of Phi-3.5-vision, the whole of it, and the stages of
notebook 10 that train a Phi-3.5-vision with the tower of another encoder. Weights are drawn on the GPU in the
published shapes; a cost does not depend on their values. Seconds are of a clock, each the least of several
runs that end with the GPU's work; memory is the peak of what torch had reserved for tensors, without the
context of the driver (about half a gigabyte). Images are prepared beforehand: reading and cutting them is the
work of the processor, which real_checkpoints.py measures. Notebooks A2 and 10 read real_checkpoints_gpu.json.
"""

import copy
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from real_checkpoints import CLIP, LARGE_CLIP, PHI3, clip_config
from report import parser_of, publish, table
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for the published settings in tests/

TABLE = Path(__file__).with_suffix(".json")
CROPS = (4, 16)  # the limits of both published models
SIDES = {4: (2, 2), 16: (4, 4)}  # grids of that many crops
QUESTION, ANSWER = 12, 8  # tokens
SCENES = 4  # of a step of training, as in notebook 10
LORA_RANK = 16


@dataclass(frozen=True)
class Machine:
    """Where the networks compute, and whether they are tiny."""

    device: torch.device
    tiny: bool

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def forget_peak(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def peak(self) -> int:
        """Bytes; 0 on a processor, where `--quick` only tries the program."""
        return torch.cuda.max_memory_allocated() if self.device.type == "cuda" else 0

    def seconds(self, action: Callable[[], object], times: int = 5) -> float:
        """The least of several runs, after one that is not counted."""
        taken = []
        for _ in range(1 + (1 if self.tiny else times)):
            self.wait()
            start = time.perf_counter()
            action()
            self.wait()
            taken.append(time.perf_counter() - start)
        return min(taken[1:])


# ------------------------------------------------------------------------------- models


def on(machine: Machine, dtype: torch.dtype, make: Callable[[], Any]) -> Any:
    """A network whose random weights are drawn where it computes."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with machine.device:
            return make().eval()
    finally:
        torch.set_default_dtype(usual)


def clip_model(machine: Machine, name: str, dtype: torch.dtype) -> Any:
    from transformers import CLIPConfig, CLIPModel

    config = clip_config(name)
    if machine.tiny:
        small = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2}
        config = CLIPConfig(text_config=small, vision_config={**small, "patch_size": 32})
    return on(machine, dtype, partial(CLIPModel, config))


def phi3_model(machine: Machine, tower: dict[str, Any] | None = None) -> Any:
    """Phi-3.5-vision in bfloat16; tower: another entry `img_processor` of its configuration."""
    from phi3lib.vision.configuration import Phi3VConfig
    from phi3lib.vision.modeling import Phi3VForCausalLM
    from tests.real_layout import PHI35_CONFIG, small_phi3_config

    settings = small_phi3_config() if machine.tiny else copy.deepcopy(PHI35_CONFIG)
    if tower is not None and not machine.tiny:
        settings["img_processor"] = tower
    config = Phi3VConfig.from_dict(settings)
    return on(machine, torch.bfloat16, partial(Phi3VForCausalLM, config))


def tiles(machine: Machine, embedding: Any, crops: int, count: int = 1) -> tuple[Tensor, Tensor]:
    """Pixels (count, 1 + crops, 3, side, side) and sizes (count, 2) of pictures of so many crops."""
    side = embedding.tile.tile_size
    pixels = torch.rand(count, 1 + crops, 3, side, side, device=machine.device, dtype=torch.bfloat16)
    rows, columns = SIDES[crops]
    return pixels, torch.tensor([[rows * side, columns * side]] * count, device=machine.device)


# ------------------------------------------------------------------------------- work


@torch.inference_mode()
def clip_rows(machine: Machine) -> list[dict[str, Any]]:
    """Images a second, in batches whose pixels are on the GPU."""
    found = []
    for name, batch in ((CLIP, 256), (LARGE_CLIP, 64)):
        for dtype, called in ((torch.float32, "fp32"), (torch.bfloat16, "bf16")):
            machine.forget_peak()
            model = clip_model(machine, name, dtype)
            side = model.config.vision_config.image_size
            count = 2 if machine.tiny else batch
            pixels = torch.rand(count, 3, side, side, device=machine.device, dtype=dtype)
            taken = machine.seconds(partial(model.get_image_features, pixel_values=pixels))
            what = {f"a picture, {batch} at a time": taken / count}
            found.append({"model": name, "precision": called, "seconds": what, "bytes": machine.peak()})
    return found


@torch.inference_mode()
def phi3_rows(machine: Machine) -> list[dict[str, Any]]:
    """The vision part alone, and prompts and answers of the whole."""
    model = phi3_model(machine)
    embedding = model.model.vision_embed_tokens
    found = []
    for crops in CROPS:
        pixels, sizes = tiles(machine, embedding, crops)
        machine.forget_peak()
        tokens = sum(len(one) for one in embedding.image_tokens(pixels, sizes))
        seconds = {f"the tokens of a picture of {crops} crops ({tokens})": machine.seconds(
            partial(embedding.image_tokens, pixels, sizes))}  # fmt: skip
        ids = torch.tensor([[1, *[-1] * tokens, *range(100, 100 + QUESTION)]], device=machine.device)
        ask = partial(
            model, input_ids=ids, pixel_values=pixels, image_sizes=sizes, use_cache=True, logits_to_keep=1
        )
        seconds[f"a prompt with it ({ids.shape[1]} tokens)"] = machine.seconds(ask)
        cache = ask().past_key_values
        token = torch.tensor([[7]], device=machine.device)
        seconds["each token of the answer"] = machine.seconds(
            partial(model, input_ids=token, past_key_values=cache, use_cache=True), 20
        )
        found.append({"model": PHI3, "precision": "bf16", "seconds": seconds, "bytes": machine.peak()})
    return found


# ------------------------------------------------------------------------------- another encoder inside Phi-3


def tower_rows(machine: Machine) -> list[dict[str, Any]]:
    """For each tower of notebook 10's table: features of a scene, and a step of each stage."""
    from phi3lib.lab.lessons import nb10_alignment
    from phi3lib.lab.lessons.nb10_results import PUBLISHED

    nb10_alignment.LORA_RANK = LORA_RANK  # of the table of what the stages train
    found = []
    for name, settings in PUBLISHED.items():
        for stage in nb10_alignment.STAGES:
            machine.forget_peak()
            model = phi3_model(machine, settings)
            model.processor = None  # `vision_part` asks for one; nothing here uses it
            found.append(
                {"tower": name, "stage": stage, "scenes": SCENES, **step_costs(machine, model, stage)}
            )
            del model
    return found


def step_costs(machine: Machine, model: Any, stage: str) -> dict[str, Any]:
    """Seconds of the features of a step's scenes and of the step itself, and the peak of its memory."""
    from phi3lib.lab.lessons.nb10_alignment import prepare

    embedding = model.model.vision_embed_tokens
    pixels, sizes = tiles(machine, embedding, CROPS[0], SCENES)
    with torch.inference_mode():
        features_seconds = machine.seconds(partial(features_of, embedding, pixels))
    features = features_of(embedding, pixels)
    with machine.device:
        trained = prepare(model, stage)
    for weight in trained.values():
        weight.data = weight.data.float()
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-4)
    machine.forget_peak()
    step = partial(one_step, model, features, sizes, optimizer)
    return {
        "features_seconds": features_seconds,
        "step_seconds": machine.seconds(step, 3),
        "trained": sum(weight.numel() for weight in trained.values()),
        "bytes": machine.peak(),
    }


@torch.no_grad()
def features_of(embedding: Any, pixels: Tensor) -> Tensor:
    """The tower's features (N, 1 + crops, patches², C), which stay the same while the rest learns."""
    features = embedding.get_img_features(pixels.flatten(0, 1))
    return features.view(*pixels.shape[:2], *features.shape[1:])


def one_step(model: Any, features: Tensor, sizes: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """One step on the answers' tokens: bfloat16 products, float32 for what is trained."""
    from phi3lib.vision.hd_transform import count_image_tokens

    count = len(features)
    embedding = model.model.vision_embed_tokens
    tokens = count_image_tokens(*SIDES[CROPS[0]], embedding.tile)
    text = torch.arange(100, 100 + QUESTION + ANSWER)
    ids = torch.cat([torch.full((tokens,), -1), text]).repeat(count, 1).to(features.device)
    with torch.autocast(features.device.type, torch.bfloat16):
        embeds = embedding(ids, features, sizes, wte=model.get_input_embeddings())
        states = model.model(inputs_embeds=embeds, use_cache=False).last_hidden_state
        logits = model.lm_head(states[:, -ANSWER - 1 : -1])
        loss = nn.functional.cross_entropy(logits.flatten(0, 1).float(), ids[:, -ANSWER:].flatten())
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


# ------------------------------------------------------------------------------- the tables


def tables(rows: list[dict[str, Any]], towers: list[dict[str, Any]]) -> str:
    work = [
        [r["model"], r["precision"], what, f"{1000 * seconds:.2f}", f"{r['bytes'] / 1e9:.2f}"]
        for r in rows
        for what, seconds in r["seconds"].items()
    ]
    steps = [
        [r["tower"], r["stage"], f"{r['trained'] / 1e6:.1f}", f"{1000 * r['features_seconds']:.1f}",
         f"{1000 * r['step_seconds']:.1f}", f"{r['bytes'] / 1e9:.2f}"]
        for r in towers
    ]  # fmt: skip
    first = table(["model", "precision", "what", "ms", "peak, GB"], work)
    names = ["tower", "stage", "trained, millions", "features, ms", "step, ms", "peak of a step, GB"]
    return f"{first}\n\n{table(names, steps)}"


def gpu_machine(machine: Machine) -> str:
    """The GPU and the versions, as a sentence."""
    import transformers

    named = torch.cuda.get_device_name() if machine.device.type == "cuda" else "processor"
    return f"{named}, torch {torch.__version__}, transformers {transformers.__version__}"


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument(
        "--published", type=Path, help="write README.md from this .json file of another machine"
    )
    options = parser.parse_args()
    if options.published:
        content = json.loads(options.published.read_text(encoding="utf-8"))
    else:
        machine = Machine(torch.device("cpu" if options.quick else "cuda"), options.quick)
        torch.manual_seed(0)
        content = {
            "program": "benchmarks/real_checkpoints_gpu.py",
            "weights": "random numbers in the published shapes: costs only, never results",
            "machine": gpu_machine(machine),
            "scenes": SCENES,
            "lora_rank": LORA_RANK,
            "rows": [*clip_rows(machine), *phi3_rows(machine)],
            "towers": tower_rows(machine),
        }
    text = (
        f"`python benchmarks/real_checkpoints_gpu.py` on {content['machine']}: every weight a random "
        "number in the published shapes: **costs, never results**. Pixels are on the GPU beforehand; the "
        "least of several runs; memory is the peak of tensors, weights included. The second table is one "
        f"step of notebook 10's stages on {content['scenes']} scenes of {CROPS[0]} crops with cached "
        "features of the tower, LoRA of rank "
        f"{content['lora_rank']}, products in bfloat16, trained numbers in float32 with AdamW, without "
        "checkpoints of activations. Notebooks A2 and 10 show these numbers."
    )
    publish(
        "real_checkpoints_gpu", "The published checkpoints on a GPU", text,
        tables(content["rows"], content["towers"]), quick=options.quick, on=content["machine"],
    )  # fmt: skip
    if not options.quick:
        TABLE.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

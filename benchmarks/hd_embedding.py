"""The HD embedding at its true size: the official way against ours, in three precisions.

    python benchmarks/hd_embedding.py            print the table and write it into README.md
    python benchmarks/hd_embedding.py --quick    three layers, once, to try it

A ViT-L/14-336 tower and a projector to 3,072 numbers with random weights, one picture of 640 × 480 pixels at
16 crops. The official way, as its modeling code does it: every picture padded to 17 tiles, all 24 layers with
all hidden states kept, attention in eager mode. Each way runs in a process of its own, and they take turns.
"""

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from report import fastest, forget_peak, in_own_process, memory_now, parser_of, peak_memory, publish, table
from torch.profiler import ProfilerActivity, profile

from phi3lib.vision.float32 import fast_products

WAYS = ("official", "fp32", "bf16", "int8")
SIZE, CROPS, HIDDEN = (640, 480), 16, 3072
LAYERS, QUICK_LAYERS, ROUNDS = 24, 3, 2
GOALS = {"fp32": 1.9, "bf16": 3.3, "int8": 3.7}
GEMM_GOAL, MEMORY_GOAL = 0.85, 1.0  # of the machine's rate; GB beside the weights
MOST_SHARES = 8
RATE_SECONDS = 1.0


def make_embedding(way: str, layers: int) -> Any:
    """Our class with random weights, the same on every call, in a precision or as the official code runs."""
    from phi3lib import Phi3ImageEmbedding
    from phi3lib.vision.precision import in_precision

    torch.manual_seed(0)
    tower = {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "image_size": 336}
    img_processor = {
        "name": "clip_vision_model",
        "image_dim_out": 1024,
        "num_img_tokens": 144,
        "vision_config": {**tower, "patch_size": 14, "num_hidden_layers": layers},
    }
    options: dict[str, Any] = {
        "use_hd_transform": True,
        "with_learnable_separator": True,
        "projection_cls": "mlp",
    }
    config = SimpleNamespace(hidden_size=HIDDEN, vocab_size=32_064, img_processor=img_processor)
    embedding: Any = Phi3ImageEmbedding(config, **options).eval()
    if way == "official":
        for layer in embedding.img_processor.vision_model.encoder.layers:
            layer.self_attn.config._attn_implementation = "eager"
    return in_precision(embedding, way) if way in ("bf16", "int8") else embedding


def inputs_of(way: str) -> tuple[torch.Tensor, torch.Tensor]:
    """What the processor makes of one picture; padded to 17 tiles where that is the official way."""
    from PIL import Image

    from phi3lib import Phi3VImageProcessor

    gradient = Image.radial_gradient("L").resize(SIZE)
    picture = Image.merge("RGB", (gradient, gradient.rotate(90), gradient.rotate(180)))
    batch = Phi3VImageProcessor(CROPS)([picture], return_tensors="pt")
    pixels, sizes = batch["pixel_values"], batch["image_sizes"]
    if way == "official":
        padding = pixels.new_zeros(1, 1 + CROPS - pixels.shape[1], *pixels.shape[2:])
        pixels = torch.cat([pixels, padding], 1)
    return pixels.to(torch.bfloat16) if way == "bf16" else pixels, sizes


def official(embedding: Any, pixels: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    """The published steps: all tiles, all layers, all hidden states; the same merge and projector."""
    tower = embedding.img_processor.vision_model
    states = tower(pixels.flatten(0, 1), output_hidden_states=True).hidden_states
    features = states[embedding.layer_idx][:, 1:]
    return embedding.image_tokens(features.unflatten(0, pixels.shape[:2]), sizes)[0]


def ours(embedding: Any, pixels: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    """What `Phi3ImageEmbedding` does."""
    return embedding.image_tokens(pixels, sizes)[0]


def run_way(way: str, layers: int, folder: Path) -> dict[str, Any]:
    """Measure one way in this process; its tokens go to a file for the comparison."""
    embedding, (pixels, sizes) = make_embedding(way, layers), inputs_of(way)
    run = official if way == "official" else ours
    with torch.inference_mode():
        embedding.get_img_features(pixels[0, :1])  # the first call plans
        gc.collect()
        before = memory_now()
        forget_peak()
        run(embedding, pixels, sizes)
        beside = peak_memory() - before
        rate_before = gemm_rate()
        start = time.perf_counter()
        tokens = run(embedding, pixels, sizes)  # as from the second picture of a folder on
        seconds = time.perf_counter() - start
        rate = (rate_before + gemm_rate()) / 2
        parts = shares(lambda: run(embedding, pixels, sizes)) if way == "fp32" else {}
    if tokens.requires_grad:
        raise SystemExit(f"{way}: a graph was built")
    np.save(folder / f"{way}.npy", tokens.float().numpy())
    work = pixels.shape[1] * flops_of_tile(layers - 1) + flops_of_projector(len(tokens))
    numbers = {"seconds": seconds, "beside": beside, "tiles": pixels.shape[1], "rate": rate, "work": work}
    return numbers | {"shares": parts}


def shares(run: Callable[[], object]) -> dict[str, float]:
    """Return the operations that take most of the time, with their shares, as torch's profiler sees them."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        run()
    times = {one.key: one.self_cpu_time_total for one in found.key_averages()}
    first = sorted(times, key=lambda name: -times[name])[:MOST_SHARES]
    return {name: times[name] / sum(times.values()) for name in first}


def gemm_rate() -> float:
    """Floating-point operations a second of a large float32 matrix product, by the way that ours takes.

    The median of all products within a second: a single one may be faster than a processor is for long.
    """
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    seconds: list[float] = []
    with fast_products(a, len(a)):
        while sum(seconds) < RATE_SECONDS:
            start = time.perf_counter()
            torch.nn.functional.linear(a, b)
            seconds.append(time.perf_counter() - start)
    return 2 * 2048**3 / float(np.median(seconds))


def flops_of_tile(layers: int) -> float:
    """Of one tile through so many layers: linear layers and attention, a multiply and an add each."""
    tokens, width, mlp = 577, 1024, 4096
    return layers * 2 * tokens * (4 * width**2 + 2 * width * mlp + 2 * tokens * width)


def flops_of_projector(tokens: int) -> float:
    """Of the projector for so many merged tokens."""
    return 2 * tokens * (4096 * HIDDEN + HIDDEN**2)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each way, of which the fastest counts")
    options = parser.parse_args()
    layers, rounds = (QUICK_LAYERS, 1) if options.quick else (LAYERS, options.rounds)
    if options.way:
        print(json.dumps(run_way(options.way, layers, options.folder)))
        return
    small = ["--quick"] if options.quick else []
    with tempfile.TemporaryDirectory() as folder:
        found = fastest(
            rounds, WAYS, lambda way: in_own_process(__file__, "--way", way, "--folder", folder, *small)
        )
        tokens = {way: torch.from_numpy(np.load(Path(folder) / f"{way}.npy")) for way in WAYS}
    report(found, tokens, layers, rounds, quick=options.quick)


def report(
    found: dict[str, dict], tokens: dict[str, torch.Tensor], layers: int, rounds: int, *, quick: bool
) -> None:
    """Print the table and write it."""
    exact, slow, fp32 = tokens["official"], found["official"]["seconds"], found["fp32"]
    rows = []
    for way, run in found.items():
        cosines = torch.cosine_similarity(exact, tokens[way])
        rows.append([
            "the official way, fp32" if way == "official" else f"ours, {way}",
            f"{run['tiles']}", f"{run['seconds']:.1f}", f"{slow / run['seconds']:.2f}",
            f"≥ {GOALS[way]}" if way in GOALS else "", f"{(tokens[way] - exact).abs().max():.1e}",
            f"{cosines.mean():.6f}", f"{cosines.min():.6f}", f"{run['beside'] / 1e9:.2f}",
        ])  # fmt: skip
    names = [
        "way", "tiles", "s", "times faster", "goal", "largest difference", "mean cosine", "least cosine",
        "memory beside the weights, GB",
    ]  # fmt: skip
    used = fp32["work"] / fp32["seconds"]
    figures = (
        f"{table(names, rows)}\n\nTimes are those of a second picture, whose memory the system has given to "
        f"the first; memory is that of the first. A float32 matrix product of 2,048 runs at "
        f"{fp32['rate'] / 1e9:.0f} GFLOP/s in the same process (the median within a second before and "
        f"another after); ours in fp32 at {used / 1e9:.0f}, {used / fp32['rate']:.0%} of that (goal: at "
        f"least {GEMM_GOAL:.0%}). Where its time goes, by torch's profiler: "
        f"{', '.join(f'{name} {share:.1%}' for name, share in fp32['shares'].items())}. The rate counts the "
        f"operations of products alone; copies, activations, norms and the exponentials of attention take "
        f"their time beside them."
    )
    text = (
        f"`python benchmarks/hd_embedding.py`: a tower of the size of ViT-L/14-336 ({layers} layers) and a "
        f"projector with random weights, one picture of {SIZE[0]} × {SIZE[1]} pixels at {CROPS} crops; the "
        f"fastest of {rounds} runs in turn, each in a process of its own. The official way pads to "
        f"{CROPS + 1} tiles, runs all layers, keeps all hidden states and computes attention in eager mode. "
        f"Differences are to it, cosines token by token: random weights say how numbers are rounded, not how "
        f"well a trained model bears it. Memory: the peak of the call less what the process held before "
        f"(goal for ours: at most {MEMORY_GOAL:.0f} GB). No way builds a graph."
    )
    publish("hd_embedding", "The HD embedding", text, figures, quick=quick)


if __name__ == "__main__":
    main()

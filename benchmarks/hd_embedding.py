"""The HD embedding at its true size: the official way against ours, in three precisions.

    python benchmarks/hd_embedding.py                      print the table and write it into README.md
    python benchmarks/hd_embedding.py --layers 3 --pairs 1 smaller, to try it

A ViT-L/14-336 tower and a projector to 3,072 numbers with random weights, one picture of 640 × 480 pixels at
16 crops. The official way, as its modeling code does it: every picture padded to 17 tiles, all 24 layers with
all hidden states kept, attention in eager mode. Each way runs in a process of its own.
"""

import argparse
import json
import subprocess
import sys
import time
from types import SimpleNamespace

import torch
from report import machine, peak_memory, table, write_section

WAYS = ("official", "fp32", "bf16", "int8")
SIZE, CROPS, HIDDEN = (640, 480), 16, 3072
GOALS = {"fp32": 1.9, "bf16": 3.3, "int8": 3.7}


def make_embedding(layers: int):
    """Our class with random weights, the same on every call."""
    from phi3lib import Phi3ImageEmbedding

    torch.manual_seed(0)
    tower = {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "image_size": 336}
    img_processor = {
        "name": "clip_vision_model",
        "image_dim_out": 1024,
        "num_img_tokens": 144,
        "vision_config": {**tower, "patch_size": 14, "num_hidden_layers": layers},
    }
    options = {"use_hd_transform": True, "with_learnable_separator": True, "projection_cls": "mlp"}
    config = SimpleNamespace(hidden_size=HIDDEN, vocab_size=32_064, img_processor=img_processor)
    return Phi3ImageEmbedding(config, **options).eval()


def inputs_of():
    """What the processor makes of one picture: padded to 17 tiles, as the official one pads it."""
    from PIL import Image

    from phi3lib import Phi3VImageProcessor

    picture = Image.effect_noise(SIZE, 60).convert("RGB")
    batch = Phi3VImageProcessor(CROPS)([picture], return_tensors="pt")
    pixels = batch["pixel_values"]
    padding = pixels.new_zeros(1, 1 + CROPS - pixels.shape[1], *pixels.shape[2:])
    return torch.cat([pixels, padding], 1), batch["image_sizes"]


def official(embedding, pixels, sizes):
    """The published steps: all tiles, all layers, all hidden states; the same merge and projector."""
    tower = embedding.img_processor.vision_model
    states = tower(pixels.flatten(0, 1), output_hidden_states=True).hidden_states
    features = states[embedding.layer_idx][:, 1:]
    return embedding.image_tokens(features.unflatten(0, pixels.shape[:2]), sizes)[0]


def ours(embedding, pixels, sizes):
    """What `Phi3ImageEmbedding` does."""
    return embedding.image_tokens(pixels, sizes)[0]


def run_way(way: str, layers: int) -> dict[str, float]:
    """Measure one way in this process; its tokens go to a file for the comparison."""
    from phi3lib.vision.precision import in_precision

    embedding = make_embedding(layers)
    if way == "official":
        embedding.img_processor.config._attn_implementation = "eager"
    elif way != "fp32":
        embedding = in_precision(embedding, way)
    pixels, sizes = inputs_of()
    pixels = pixels.to(torch.bfloat16) if way == "bf16" else pixels
    weights = sum(p.numel() * p.element_size() for p in embedding.parameters())
    before = peak_memory()
    with torch.inference_mode():
        small = pixels[:, :1]
        embedding.get_img_features(small[0])  # the first call makes room and plans
        start = time.perf_counter()
        run = official if way == "official" else ours
        tokens = run(embedding, pixels, sizes)
        seconds = time.perf_counter() - start
    assert tokens.grad_fn is None
    return {
        "seconds": seconds,
        "peak": peak_memory(),
        "before": before,
        "weights": weights,
        "tokens": tokens.float().flatten().tolist()[:: max(tokens.numel() // 20_000, 1)],
        "tiles": float(pixels.shape[1] if way == "official" else 1 + _crops(sizes)),
    }


def _crops(sizes) -> int:
    height, width = sizes[0].tolist()
    return (height // 336) * (width // 336)


def gemm_rate() -> float:
    """Floating-point operations a second of a large float32 matrix product on this machine."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    least = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        a @ b
        least = min(least, time.perf_counter() - start)
    return 2 * 2048**3 / least


def in_own_process(way: str, layers: int) -> dict:
    command = [sys.executable, __file__, "--way", way, "--layers", str(layers)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def flops_of_tile(layers: int) -> float:
    """Of one tile through so many layers: linear layers and attention, a multiply and an add each."""
    tokens, width, mlp = 577, 1024, 4096
    return layers * 2 * tokens * (4 * width**2 + 2 * width * mlp + 2 * tokens * width)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--pairs", type=int, default=2, help="how often each way is measured")
    options = parser.parse_args()
    if options.way:
        print(json.dumps(run_way(options.way, options.layers)))
        return
    runs = {way: [in_own_process(way, options.layers) for _ in range(options.pairs)] for way in WAYS}
    found = {way: best_of(of_way) for way, of_way in runs.items()}
    report(found, options.layers)


def best_of(runs: list[dict]) -> dict:
    return min(runs, key=lambda run: run["seconds"])


def report(found: dict[str, dict], layers: int) -> None:
    """Print the table and write it."""
    first = found["official"]
    rows = []
    for way, run in found.items():
        exact, mine = (torch.tensor(found[name]["tokens"]) for name in ("official", way))
        cosine = torch.nn.functional.cosine_similarity(exact, mine, dim=0)
        rows.append([
            "the official way, fp32" if way == "official" else f"ours, {way}",
            f"{run['tiles']:.0f}", f"{run['seconds']:.1f}", f"{first['seconds'] / run['seconds']:.2f}",
            f"{GOALS[way]}" if way in GOALS else "",
            f"{(mine - exact).abs().max():.1e}", f"{cosine:.5f}",
            f"{(run['peak'] - run['before']) / 1e9:.2f}",
        ])  # fmt: skip
    names = ["way", "tiles", "s", "times faster", "goal", "largest difference", "cosine", "memory added, GB"]
    rate = gemm_rate()
    used = found["fp32"]["tiles"] * flops_of_tile(layers - 1) / found["fp32"]["seconds"]
    text = (
        f"{table(names, rows)}\n\nA float32 matrix product of 2,048 runs at {rate / 1e9:.0f} GFLOP/s here; "
        f"ours in fp32 at {used / 1e9:.0f}, {used / rate:.0%} of that (goal: at least 85%). Weights: "
        f"{found['fp32']['weights'] / 1e9:.2f} GB in fp32."
    )
    print(text)
    write_section(
        "hd_embedding",
        f"## The HD embedding\n\n`python benchmarks/hd_embedding.py`: a tower of the size of ViT-L/14-336 "
        f"({layers} layers) and a projector with random weights, one picture of {SIZE[0]} × {SIZE[1]} "
        f"pixels at {CROPS} crops. Differences are to the official way, of single numbers and of all tokens "
        f"together.\n\n"
        f"{text}\n\n{machine()}",
    )


if __name__ == "__main__":
    main()

"""What do the published checkpoints cost on this machine? True size, random weights: costs, never results.

    python benchmarks/real_checkpoints.py            print the tables and write README.md and the .json file
    python benchmarks/real_checkpoints.py --quick    CLIP ViT-B/32 alone, to try it
    python benchmarks/real_checkpoints.py --only Phi-3    models with this in their names; other rows stay

CLIP ViT-B/32 and ViT-L/14-336, the vision part of Phi-3.5-vision, and the whole of it: shapes and layout as
published, every weight a random number. A cost does not depend on the values of the weights; a result does,
so no vector and no word of these models is kept. Each model runs in a process of its own, on one thread, and
what is measured is the processor time: about what a clock shows on one idle core, whatever else the machine
does meanwhile. Notebook A2 reads real_checkpoints.json.
"""

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from clip_folder import make_tokenizer_files
from load_vision_part import NAME as PHI3
from load_vision_part import TOTAL_BYTES, make_sparse_checkpoint
from report import forget_peak, in_own_process, machine, memory_now, parser_of, peak_memory, publish, table
from report import processor as processor_name

TABLE = Path(__file__).with_suffix(".json")
CLIP, LARGE_CLIP = "openai/clip-vit-base-patch32", "openai/clip-vit-large-patch14-336"
VISION_PART, WHOLE = "vision part", "whole model"
# Model, part, precisions.
WAYS = (
    (CLIP, WHOLE, ("fp32", "bf16", "int8")),
    (LARGE_CLIP, WHOLE, ("fp32", "bf16", "int8")),
    (PHI3, VISION_PART, ("fp32", "bf16", "int8")),
    (PHI3, WHOLE, ("bf16",)),
)
SIZE = (640, 480)
# Pictures and sentences at a time, and how often.
BATCHES = {CLIP: (8, 16, 5), LARGE_CLIP: (2, 4, 2)}
NEW_TOKENS, QUESTION_IDS = 8, 12
BLOCK = 1 << 22  # random numbers, repeated: drawing 4 billion would take longer than everything else


# ------------------------------------------------------------------------------- models


def clip_config(name: str) -> Any:
    """The configuration of a published CLIP, for transformers."""
    from transformers import CLIPConfig

    if name != LARGE_CLIP:
        return CLIPConfig()  # the default is ViT-B/32
    large = {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16}
    vision = {**large, "num_hidden_layers": 24, "image_size": 336, "patch_size": 14}
    text = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=768)


def make_clip(folder: Path, name: str) -> None:
    """A CLIP checkpoint of the published layout and size, its weights drawn by transformers."""
    from transformers import CLIPImageProcessorPil, CLIPModel

    from phi3lib.loading.progress import without_progress_bars

    config = clip_config(name)
    side = config.vision_config.image_size
    make_tokenizer_files(folder)
    with without_progress_bars():
        CLIPModel(config).save_pretrained(folder)
    processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    processor.save_pretrained(folder)


@torch.no_grad()
def fill_with_random_numbers(model: torch.nn.Module) -> None:
    """Give every weight a small random number, and every scale of a norm a number about 1."""
    generator = torch.Generator().manual_seed(0)
    block = 0.02 * torch.randn(BLOCK, generator=generator)
    for name, weight in model.named_parameters():
        flat = weight.view(-1)
        for start in range(0, flat.numel(), BLOCK):
            piece = flat[start : start + BLOCK]
            piece.copy_(block[: len(piece)])
        if "norm" in name and name.endswith("weight"):
            weight.add_(1)


def load(name: str, part: str, folder: Path) -> tuple[Any, dict[str, float]]:
    """A model, and what loading it took: seconds, and bytes of memory at the peak and afterwards."""
    from phi3lib.loading import phi3 as phi3_weights
    from phi3lib.loading.checkpoints import load_clip, load_phi3_model
    from phi3lib.vision.modeling import Phi3VForCausalLM  # noqa: F401  so that its import is not measured

    gc.collect()
    before, start = memory_now(), time.process_time()
    forget_peak()
    if name != PHI3:
        loaded: Any = load_clip(folder)
        network = loaded.model
    elif part == VISION_PART:
        loaded = network = load_phi3_model(folder)
    else:
        loaded = network = phi3_weights.whole_model(folder, device=None, dtype=None).eval()
    for weight in network.parameters():  # weights in a mapped file take memory when they are used
        weight.detach().flatten()[::1024].sum()
    seconds = time.process_time() - start
    costs = {"load_seconds": seconds, "peak_bytes": peak_memory() - before, "bytes": memory_now() - before}
    if name == PHI3:
        fill_with_random_numbers(network)
    return loaded, costs


# ------------------------------------------------------------------------------- work


def picture() -> Any:
    """One picture of the size of a small photograph."""
    from PIL import Image

    gradient = Image.radial_gradient("L").resize(SIZE)
    return Image.merge("RGB", (gradient, gradient.rotate(90), gradient.rotate(180)))


def seconds_of(action: Callable[[], object], times: int) -> float:
    """The least of several runs."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        action()
        taken.append(time.process_time() - start)
    return min(taken)


@torch.inference_mode()
def clip_work(clip: Any) -> dict[str, float]:
    """Seconds of a picture and of a sentence, each as part of a batch, preprocessing included."""
    large = clip.model.config.vision_config.image_size > 224
    many, sentences, times = BATCHES[LARGE_CLIP if large else CLIP]
    clip.image_features([picture()])  # the first call makes room and plans
    pictures, texts = [picture()] * many, ["a photograph of a red apple on a table"] * sentences
    return {
        "a picture": seconds_of(lambda: clip.image_features(pictures), times) / many,
        "a sentence": seconds_of(lambda: clip.text_features(texts), times) / sentences,
    }


def phi3_inputs(crops: int) -> Any:
    """What the processor makes of one picture at this many crops."""
    from phi3lib import Phi3VImageProcessor

    return Phi3VImageProcessor(crops)([picture()], return_tensors="pt")


@torch.inference_mode()
def vision_work(embedding: Any) -> dict[str, float]:
    """Seconds of a picture to its visual tokens, at the crops of both published models."""
    dtype = next(embedding.parameters()).dtype
    found = {}
    embedding.get_img_features(phi3_inputs(1)["pixel_values"][0, :1].to(dtype))  # makes room and plans
    for crops, times in ((4, 2), (16, 1)):
        batch = phi3_inputs(crops)
        pixels, sizes = batch["pixel_values"].to(dtype), batch["image_sizes"]
        tokens = int(batch["num_img_tokens"].sum())
        what = f"a picture at {crops} crops ({tokens} tokens)"
        found[what] = seconds_of(partial(embedding.image_tokens, pixels, sizes), times)
    return found


@torch.inference_mode()
def whole_work(model: Any) -> dict[str, float]:
    """Seconds of a prompt with one picture at 4 crops, and of each further token."""
    batch = phi3_inputs(4)
    count = int(batch["num_img_tokens"].sum())
    ids = torch.tensor([[1, *[-1] * count, *range(100, 100 + QUESTION_IDS)]])
    pictures = {
        "pixel_values": batch["pixel_values"].to(model.dtype),
        "image_sizes": batch["image_sizes"],
    }
    start = time.process_time()
    output = model(input_ids=ids, **pictures, use_cache=True, logits_to_keep=1)
    prompt = time.process_time() - start
    taken = []
    for _ in range(NEW_TOKENS):
        token = output.logits[:, -1:].argmax(-1)
        start = time.process_time()
        output = model(input_ids=token, past_key_values=output.past_key_values, use_cache=True)
        taken.append(time.process_time() - start)
    return {
        f"a prompt with a picture at 4 crops ({ids.shape[1]} tokens)": prompt,
        "each token of the answer": min(taken),
    }


def run_way(name: str, part: str, folder: Path, precisions: list[str]) -> list[dict[str, Any]]:
    """Load a model once in this process and measure its work in each precision; one row each."""
    torch.set_num_threads(1)
    from phi3lib.vision.precision import in_precision

    work = clip_work if name != PHI3 else vision_work if part == VISION_PART else whole_work
    model, loading = load(name, part, folder)
    network = getattr(model, "model", model) if name != PHI3 else model
    stored = {torch.float32: "fp32", torch.bfloat16: "bf16"}[next(network.parameters()).dtype]
    rows = []
    for precision in precisions:
        chosen = model if precision == stored else in_precision(model, precision)
        gc.collect()
        before = memory_now()
        forget_peak()
        seconds = work(chosen)
        row: dict[str, Any] = {"model": name, "part": part, "precision": precision, "seconds": seconds}
        if precision == stored:  # later ones reuse memory that the process has freed but not returned
            row |= loading | {"work_bytes": peak_memory() - before}
        rows.append(row)
        del chosen
    return rows


# ------------------------------------------------------------------------------- the tables


def measure(ways: tuple, scratch: Path, kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All rows, `kept` first; each model is made and measured in a process of its own."""
    rows = list(kept)
    for name, part, precisions in ways:
        folder = scratch / name.replace("/", "--")
        if not folder.exists():
            make_sparse_checkpoint(folder) if name == PHI3 else make_clip(folder, name)
        options = ["--model", name, "--part", part, "--folder", str(folder)]
        found = in_own_process(__file__, *options, "--precisions", *precisions)
        for row in found["rows"]:
            print(json.dumps(row), flush=True)
            rows.append(row)
    return rows


def tables(rows: list[dict[str, Any]]) -> str:
    """Loading and work, as two Markdown tables."""
    loading = [
        [r["model"], r["part"], r["precision"], f"{r['load_seconds']:.1f}", f"{r['bytes'] / 1e9:.2f}",
         f"{r['peak_bytes'] / 1e9:.2f}", f"{r['work_bytes'] / 1e9:.2f}"]
        for r in rows if "load_seconds" in r
    ]  # fmt: skip
    work = [
        [r["model"], r["part"], r["precision"], what, f"{seconds:.3f}"]
        for r in rows
        for what, seconds in r["seconds"].items()
    ]
    names = ["model", "part", "precision"]
    costs = ["load, s", "memory, GB", "peak while loading, GB", "more while working, GB"]
    return f"{table([*names, *costs], loading)}\n\n{table([*names, 'what', 's'], work)}"


def kept_rows(ways: tuple) -> list[dict[str, Any]]:
    """The rows of the last table that are not measured now."""
    now = {way[0] for way in ways}
    return [r for r in json.loads(TABLE.read_text(encoding="utf-8"))["rows"] if r["model"] not in now]


def save(rows: list[dict[str, Any]]) -> None:
    """Write what notebook A2 reads."""
    content = {
        "program": "benchmarks/real_checkpoints.py",
        "weights": "random numbers in the published shapes: costs only, never results",
        "processor": processor_name(),
        "machine": machine(),
        "picture": list(SIZE),
        "whole_bytes": TOTAL_BYTES,
        "rows": rows,
    }
    TABLE.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="models with this in their names")
    parser.add_argument("--model", help=argparse.SUPPRESS)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--precisions", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.model:
        rows = run_way(options.model, options.part, options.folder, options.precisions)
        print(json.dumps({"rows": rows}))
        return
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        ways = WAYS[:1] if options.quick else tuple(way for way in WAYS if options.only in way[0])
        rows = measure(ways, Path(scratch), kept_rows(ways) if options.only else [])
    text = (
        "`python benchmarks/real_checkpoints.py`: checkpoints of the published layouts and sizes, every "
        "weight a random number: **costs, never results**. Each model in a process of its own, on one "
        "thread; seconds are processor time: about that of one idle core, and a little more where other "
        f"programs use the same caches, as they did here. The picture has {SIZE[0]} × {SIZE[1]} pixels; CLIP "
        "takes several at a time, with preprocessing; the least of several runs, except for 16 crops and the "
        "prompt, which run once. Files are in memory or have no content yet: seconds of loading leave out "
        "what a disk adds. Memory is that of the process, less what it held after all imports. Notebook A2 "
        "shows these numbers."
    )
    publish("real_checkpoints", "The published checkpoints", text, tables(rows), quick=options.quick)
    if not options.quick:
        save(rows)


if __name__ == "__main__":
    main()

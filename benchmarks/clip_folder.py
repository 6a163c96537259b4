"""A folder of JPEGs through CLIP ViT-B/32: `embed_images` against sentence-transformers and a plain loop.

    python benchmarks/clip_folder.py            print the table and write it into README.md
    python benchmarks/clip_folder.py --quick    a few pictures, once, to try it

True size, random weights. sentence-transformers is needed for this benchmark only: pip install -e ".[bench]".
Each way runs in a process of its own, computes the same vectors from the same files, and they take turns.
"""

import argparse
import contextlib
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from report import fastest, forget_peak, in_own_process, memory_now, parser_of, peak_memory, publish, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for the tokenizer in training/

WAYS = ("loop", "sentence-transformers", "ours, fp32", "ours, bf16")
SIZE = (640, 480)
PICTURES, QUICK_PICTURES, ROUNDS = 400, 40, 2
WARM_UP = 2  # pictures
GOAL, COSINE_GOAL = 2, 0.9999

Embed = Callable[[list[Path]], np.ndarray]


def make_folder(folder: Path, pictures: int) -> None:
    """JPEGs of photographs' size, and a checkpoint of the published layout and size with random weights."""
    from PIL import Image
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    from phi3lib.loading.progress import without_progress_bars

    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    for number in range(pictures):
        small = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        picture = Image.fromarray(small).resize(SIZE, Image.Resampling.BICUBIC)
        picture.save(folder / "pictures" / f"{number:05}.jpg", quality=90)
    torch.manual_seed(0)
    make_tokenizer_files(folder / "clip")
    with without_progress_bars():
        CLIPModel(CLIPConfig()).save_pretrained(folder / "clip")  # the default is ViT-B/32
    CLIPImageProcessorPil().save_pretrained(folder / "clip")


def make_tokenizer_files(folder: Path) -> None:
    """A small tokenizer of CLIP's kind, made without a download: ids cost the same whatever they are."""
    from training.tokenizer import make_tokenizer

    make_tokenizer(600).save_pretrained(folder)


def loop(checkpoint: Path) -> Embed:
    """One picture after the other, as the cookbook's page does it."""
    from PIL import Image
    from transformers import CLIPImageProcessorPil, CLIPModel

    model = CLIPModel.from_pretrained(checkpoint).eval()
    processor = CLIPImageProcessorPil.from_pretrained(checkpoint)

    def vector(path: Path) -> np.ndarray:
        pixels = processor(images=Image.open(path).convert("RGB"), return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            output = model.get_image_features(pixel_values=pixels)
        return getattr(output, "pooler_output", output)[0].numpy()

    return lambda files: np.stack([vector(path) for path in files])


def sentence_transformers(checkpoint: Path) -> Embed:
    """`encode` with its own defaults."""
    from PIL import Image
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(checkpoint), device="cpu")

    def embed(files: list[Path]) -> np.ndarray:
        pictures = [Image.open(path).convert("RGB") for path in files]
        return model.encode(pictures, show_progress_bar=False)

    return embed


def ours(checkpoint: Path, precision: str | None) -> Embed:
    """`embed_images`; with a precision its comparison with the model as it came is part of the work."""
    from phi3lib import embed_images, load_clip

    clip = load_clip(checkpoint)
    return lambda files: embed_images(files, model=clip, precision=precision, progress=False).vectors


def run_way(way: str, folder: Path) -> dict[str, float]:
    """Seconds from the files to the vectors, without loading the model; the vectors go to a file."""
    make = {
        "loop": loop,
        "sentence-transformers": sentence_transformers,
        "ours, fp32": lambda checkpoint: ours(checkpoint, None),
        "ours, bf16": lambda checkpoint: ours(checkpoint, "bf16"),
    }[way]
    files = sorted((folder / "pictures").iterdir())
    with contextlib.redirect_stdout(sys.stderr):
        embed = make(folder / "clip")
        embed(files[:WARM_UP])
        before = memory_now()
        forget_peak()
        start = time.perf_counter()
        vectors = embed(files)
        seconds = time.perf_counter() - start
    np.save(folder / f"{way}.npy", vectors)
    return {"seconds": seconds, "beside": peak_memory() - before}


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(run_way(options.way, options.folder)))
        return
    if importlib.util.find_spec("sentence_transformers") is None:
        raise SystemExit('sentence-transformers is missing: pip install -e ".[bench]"')
    pictures, rounds = (QUICK_PICTURES, 1) if options.quick else (PICTURES, ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        make_folder(Path(folder), pictures)
        found = fastest(rounds, WAYS, lambda way: in_own_process(__file__, "--way", way, "--folder", folder))
        vectors = {way: np.load(Path(folder) / f"{way}.npy") for way in WAYS}
    closest = {way: least_cosine(vectors["loop"], of_way) for way, of_way in vectors.items()}
    report(found, closest, pictures, quick=options.quick)


def least_cosine(exact: np.ndarray, mine: np.ndarray) -> float:
    """The least cosine of a picture's two vectors."""
    products = (exact * mine).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(mine, axis=1)
    return float(products.min())


def report(found: dict[str, dict], closest: dict[str, float], pictures: int, *, quick: bool) -> None:
    """Print the table and write it."""
    slow, other = found["loop"]["seconds"], found["sentence-transformers"]["seconds"]
    rows = [
        [
            way, f"{pictures / run['seconds']:.1f}", f"{slow / run['seconds']:.2f}",
            f"{other / run['seconds']:.2f}", f"{closest[way]:.6f}", f"{run['beside'] / 1e9:.2f}",
        ]
        for way, run in found.items()
    ]  # fmt: skip
    names = [
        "way", "pictures a second", "× the loop", "× sentence-transformers", "least cosine",
        "memory beside the model, GB",
    ]  # fmt: skip
    import sentence_transformers as theirs

    text = (
        f"`python benchmarks/clip_folder.py`: {pictures} JPEGs of {SIZE[0]} × {SIZE[1]} pixels through a "
        f"CLIP of the size of ViT-B/32 with random weights, from the files to the vectors, without loading "
        f"the model; the fastest of {ROUNDS} runs in turn. sentence-transformers {theirs.__version__} with "
        f"its own settings. Ours in bf16 includes converting the weights and the comparison that is shown. "
        f"Cosines are to the loop's vectors. Goal: in bf16 {GOAL} × sentence-transformers with a cosine of "
        f"{COSINE_GOAL} at least."
    )
    publish("clip_folder", "A folder through CLIP", text, table(names, rows), quick=quick)


if __name__ == "__main__":
    main()

"""A folder of JPEGs through CLIP ViT-B/32: `embed_images` against sentence-transformers and a plain loop.

    python benchmarks/clip_folder.py                 print the table and write it into README.md
    python benchmarks/clip_folder.py --pictures 20   fewer, to try it

True size, random weights. sentence-transformers is needed for this benchmark only: pip install -e ".[bench]".
Each way runs in a process of its own and computes the same vectors from the same files.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from report import machine, peak_memory, table, write_section

WAYS = ("loop", "sentence-transformers", "ours, fp32", "ours, bf16")
SIZE = (640, 480)


def make_folder(folder: Path, pictures: int) -> None:
    """JPEGs of photographs' size, and a checkpoint of the published layout and size with random weights."""
    from PIL import Image
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    for number in range(pictures):
        small = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        picture = Image.fromarray(small).resize(SIZE, Image.Resampling.BICUBIC)
        picture.save(folder / "pictures" / f"{number:05}.jpg", quality=90)
    torch.manual_seed(0)
    from training.tokenizer import make_tokenizer

    make_tokenizer(600).save_pretrained(folder / "clip")
    CLIPModel(CLIPConfig()).save_pretrained(folder / "clip")  # the default is ViT-B/32
    CLIPImageProcessorPil().save_pretrained(folder / "clip")


def loop(folder: Path) -> np.ndarray:
    """One picture after the other, as the cookbook's page does it."""
    from PIL import Image
    from transformers import CLIPImageProcessorPil, CLIPModel

    model = CLIPModel.from_pretrained(folder / "clip").eval()
    processor = CLIPImageProcessorPil.from_pretrained(folder / "clip")
    vectors = []
    for path in sorted((folder / "pictures").iterdir()):
        pixels = processor(images=Image.open(path).convert("RGB"), return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            output = model.get_image_features(pixel_values=pixels)
        vectors.append(getattr(output, "pooler_output", output)[0].numpy())
    return np.stack(vectors)


def sentence_transformers(folder: Path) -> np.ndarray:
    """`encode` with its own defaults."""
    from PIL import Image
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import CLIPModel

    model = SentenceTransformer(modules=[CLIPModel(str(folder / "clip"))], device="cpu")
    pictures = [Image.open(path).convert("RGB") for path in sorted((folder / "pictures").iterdir())]
    return model.encode(pictures, show_progress_bar=False)


def ours(folder: Path, precision: str | None) -> np.ndarray:
    """`embed_images` on the folder."""
    from phi3lib import embed_images, load_clip

    clip = load_clip(folder / "clip")
    return embed_images(folder / "pictures", model=clip, precision=precision, progress=False).vectors


def run_way(way: str, folder: Path) -> dict[str, float]:
    """Seconds from the start of loading to the last vector, without imports; the vectors go to a file."""
    import transformers  # noqa: F401

    actions = {
        "loop": lambda: loop(folder),
        "sentence-transformers": lambda: sentence_transformers(folder),
        "ours, fp32": lambda: ours(folder, None),
        "ours, bf16": lambda: ours(folder, "bf16"),
    }
    start = time.perf_counter()
    vectors = actions[way]()
    seconds = time.perf_counter() - start
    np.save(folder / f"{way}.npy", vectors)
    return {"seconds": seconds, "peak": peak_memory()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(run_way(options.way, options.folder)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_folder(folder, options.pictures)
        found = {way: in_own_process(way, folder) for way in WAYS}
        exact = np.load(folder / "loop.npy")
        closest = {way: least_cosine(exact, np.load(folder / f"{way}.npy")) for way in WAYS}
    report(found, closest, options.pictures)


def in_own_process(way: str, folder: Path) -> dict:
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def least_cosine(exact: np.ndarray, mine: np.ndarray) -> float:
    """The least cosine of a picture's two vectors."""
    products = (exact * mine).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(mine, axis=1)
    return float(products.min())


def report(found: dict[str, dict], closest: dict[str, float], pictures: int) -> None:
    """Print the table and write it."""
    slow, other = found["loop"]["seconds"], found["sentence-transformers"]["seconds"]
    rows = [
        [
            way, f"{pictures / run['seconds']:.1f}", f"{slow / run['seconds']:.2f}",
            f"{other / run['seconds']:.2f}", f"{closest[way]:.5f}", f"{run['peak'] / 1e9:.2f}",
        ]
        for way, run in found.items()
    ]  # fmt: skip
    names = ["way", "pictures a second", "× the loop", "× sentence-transformers", "least cosine", "peak, GB"]
    text = table(names, rows)
    print(text)
    write_section(
        "clip_folder",
        f"## A folder through CLIP\n\n`python benchmarks/clip_folder.py`: {pictures} JPEGs of {SIZE[0]} × "
        f"{SIZE[1]} pixels through a CLIP of the size of ViT-B/32 with random weights, loading included. "
        f"Cosines are to the loop's vectors; the goal is twice sentence-transformers' rate with 0.9999 in "
        f"bf16.\n\n{text}\n\n{machine()}",
    )


if __name__ == "__main__":
    main()

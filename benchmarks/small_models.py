"""Are the bundled models and the picture-book fast enough to be waited for? All on one core.

python benchmarks/small_models.py       print the table and write it into benchmarks/README.md
"""

from functools import partial

import torch
from report import machine, seconds, table, write_section

from phi3lib import load_clip, load_phi3_model
from phi3lib.vision.answers import answer
from picturebook.pictures import draw_picture
from picturebook.scenes import draw_scene

PICTURES = 200
LONG = 10  # words


def drawing_rate() -> float:
    """Small pictures of 96 pixels drawn in a second."""
    return PICTURES / seconds(lambda: [draw_picture(number, side=96) for number in range(PICTURES)])


def clip_rate() -> float:
    """Pictures a second through the small CLIP, preprocessing included."""
    clip = load_clip()
    images = [draw_picture(number, split="test").image for number in range(PICTURES)]
    return PICTURES / seconds(lambda: clip.image_features(images))


def embedding_seconds() -> float:
    """One picture of 2 × 2 crops to its visual tokens, preprocessing included."""
    phi3 = load_phi3_model()
    scene = draw_scene(0, split="test", style="things", tile=112)
    processor = phi3.processor
    return seconds(
        lambda: phi3.get_image_features(processor([scene.image], num_crops=4, return_tensors="pt")), times=10
    )


def answer_seconds() -> tuple[float, int]:
    """One picture to a caption of at least LONG words; the seconds for it, and its words."""
    phi3 = load_phi3_model(language_model=True)
    for number in range(100):
        scene = draw_scene(number, split="test", style="things", tile=112)
        words = len(answer(phi3, [scene.image])[0].split())
        if words >= LONG:
            return seconds(partial(answer, phi3, [scene.image])), words
    raise SystemExit(f"no caption of {LONG} words among 100")


def main() -> None:
    torch.set_num_threads(1)
    answered, words = answer_seconds()
    rows = [
        ["picture-book: pictures of 96 pixels drawn a second", f"{drawing_rate():.0f}", "≥ 400"],
        ["small CLIP: pictures a second", f"{clip_rate():.0f}", "≥ 150"],
        [
            "small Phi-3-vision: seconds to embed a picture of 2 × 2 crops",
            f"{embedding_seconds():.3f}",
            "≤ 0.4",
        ],
        [f"small Phi-3-vision: seconds to answer in {words} words", f"{answered:.2f}", "≤ 2"],
    ]
    text = table(["what", "measured", "goal"], rows)
    print(text)
    write_section(
        "small_models",
        "## The bundled models\n\n`python benchmarks/small_models.py`: on one core, from pictures in memory; "
        f"the least of several runs.\n\n{text}\n\n{machine()}",
    )


if __name__ == "__main__":
    main()

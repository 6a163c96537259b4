"""The training scrubber: its states, what it says, and what it refuses."""

import numpy as np
import pytest

from phi3lib.lab.widgets.scrubber import Scrubber, ScrubberState, plane_of

WORDS = ["chat", "arbre", "étoile", "clé"]
STEPS = (0, 10, 20)


def parts(noise=0.01):
    """Words that wander from the wrong image to their own."""
    rng = np.random.default_rng(0)
    images = np.linalg.qr(rng.normal(size=(8, 8)))[0][:4]
    wrong = np.roll(images, 1, axis=0)
    texts = [
        (1 - share) * wrong + share * images + noise * rng.normal(size=images.shape) for share in (0, 0.6, 1)
    ]
    return texts, images


def state(**changed):
    texts, images = parts()
    usual = {
        "positions": STEPS,
        "texts": texts,
        "images": images,
        "words": WORDS,
        "curves": {"loss": (3.0, 2.0, 1.0)},
    }
    return ScrubberState(**{**usual, **changed})


def test_words_find_their_images_step_by_step():
    one = state()
    found = []
    for step in STEPS:
        one.chosen = step
        assert one.cosines().shape == (4, 4)
        found.append(one.found())
    assert found == [0, 4, 4]
    assert one.sentence() == (
        "Step 20: 4 of 4 words have their own pictures as the most similar ones; loss 1.00."
    )


def test_the_plane_is_that_of_the_images_and_moves_only_what_moves():
    texts, images = parts()
    plane = plane_of(images, texts[-1])
    assert np.allclose(plane.images(images).mean(0), 0, atol=1e-7)
    assert np.allclose(plane.directions @ plane.directions.T, np.eye(2), atol=1e-7)
    spread = np.linalg.svd(images - images.mean(0), compute_uv=False)[:2]
    assert np.allclose(np.linalg.norm(plane.images(images), axis=0), spread)
    moved = texts[0].copy()
    moved[0] += 1
    assert np.allclose(plane.texts(moved)[1:], plane.texts(texts[0])[1:])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"positions": (0, 10)}, "2 states, but vectors and curves"),
        ({"curves": {"loss": (1.0,)}}, "3 states, but vectors and curves"),
        ({"words": WORDS[:3]}, "3 words need as many images"),
        ({"positions": (0, 20, 10)}, "rising order"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changed, said):
    with pytest.raises(ValueError, match=said):
        state(**changed)


def test_the_slider_moves_picture_and_sentence():
    texts, images = parts()
    scrubber = Scrubber(STEPS, texts, images, WORDS, {"loss": (3, 2, 1)}, chosen=0)
    first = scrubber.still()
    assert first.alt.startswith("Step 0: 0 of 4 words")
    scrubber.choose(state=20)
    assert scrubber.live().sentence.startswith("Step 20: 4 of 4 words")
    assert scrubber.still().data != first.data
    with pytest.raises(ValueError, match="offers 0, 10, 20"):
        scrubber.choose(state=15)
    with pytest.raises(ValueError, match="no share 0.5"):
        Scrubber((0, 1), texts[:2], images, WORDS, {}, what="share", chosen=0.5)

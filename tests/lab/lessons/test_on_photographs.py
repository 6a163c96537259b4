from types import SimpleNamespace

import pytest
import torch

from phi3lib.lab.lessons import on_photographs
from phi3lib.lab.photographs import photograph


class Clip:
    """Knows three words; a picture is as near to them as `cosines` says, and the scale is 10."""

    model = SimpleNamespace(logit_scale=torch.tensor(10.0).log())

    def __init__(self) -> None:
        self.asked: list[str] = []

    def text_features(self, texts):
        self.asked += texts
        return 3 * torch.eye(3)[: len(texts)]  # of other lengths than one

    def image_features(self, images):
        return torch.tensor([[0.1, 0.5, 0.2]])


def test_the_best_words_come_with_zero_shot_probabilities():
    clip = Clip()
    found = on_photographs.best_words(clip, photograph("flower"), ["cat", "flower", "bus"], most=2)
    expected = (10 * torch.tensor([0.1, 0.5, 0.2]) / torch.tensor([0.1, 0.5, 0.2]).norm()).softmax(0)
    assert [word for word, _ in found] == ["flower", "bus"]
    assert [value for _, value in found] == pytest.approx([expected[1].item(), expected[2].item()])
    assert clip.asked == ["a picture of a cat", "a picture of a flower", "a picture of a bus"]


def test_the_figure_says_what_it_shows(monkeypatch):
    shown = []
    monkeypatch.setattr(on_photographs.plots, "display_still", shown.append)
    found = on_photographs.show_words(Clip(), ["flower", "china"], ["cat", "flower", "bus"])
    assert list(found) == ["flower", "china"] and len(found["china"]) == 3
    (still,) = shown
    assert "flower: flower 100%, bus 0%" in still.alt and "china: flower 100%" in still.alt
    assert not still.drawing  # photographs keep their paper

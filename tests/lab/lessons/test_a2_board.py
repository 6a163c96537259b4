"""The memory board: its state without a browser, its controls and its still picture."""

import pytest

from phi3lib.lab.lessons.a2_board import EVERYTHING, LORA, NOTHING, MemoryBoard
from phi3lib.lab.lessons.a2_sizes import cache_bytes, vision_part, whole_phi3


def test_weights_cache_and_training_add_up():
    board = MemoryBoard(precision="int8", tokens=4096, trained=LORA)
    use = board.state.use()
    assert use.weights == whole_phi3().weight_bytes("int8") and use.cache == cache_bytes(4096)
    assert 0 < use.training < use.weights / 10
    assert use.total == use.weights + use.cache + use.training


def test_only_the_whole_model_has_a_cache():
    board = MemoryBoard("Phi-3.5-vision-instruct, vision part", tokens=131_072)
    assert board.state.use().total == vision_part().weight_bytes("bf16")
    assert "cache" not in board.state.sentence()


def test_training_everything_takes_sixteen_bytes_a_weight():
    use = MemoryBoard(trained=EVERYTHING, tokens=0).state.use()
    assert use.total == 16 * whole_phi3().parameters


def test_the_controls_change_the_state_and_the_sentence():
    board = MemoryBoard()
    before = board.state.sentence()
    board.choose(precision="int8", tokens=0, trained=NOTHING)
    assert board.state.precision == "int8" and board.state.tokens == 0
    assert board.state.sentence() != before
    assert "it fits: 8 GB GPU, 16 GB laptop, 80 GB GPU" in board.state.sentence()
    assert board.still().alt == board.state.sentence()


def test_unknown_checkpoints_are_refused():
    with pytest.raises(ValueError, match="there is no checkpoint 'gpt'; there are: clip-vit-base-patch32"):
        MemoryBoard("gpt")

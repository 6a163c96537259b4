"""The retold class: built with chosen repairs, shown in parts, and small beside ours."""

import pytest
import torch

from phi3lib.lab.figures.sequence_plot import EMPTY, OTHER, WORD, what_stands_where
from phi3lib.lab.lessons.a1 import original_class as page
from phi3lib.lab.lessons.a1 import same_weights
from phi3lib.lab.lessons.a1.original_text import PARTS, REPAIRS, SOURCE
from phi3lib.lab.lessons.a1.own_repair import try_sizes_lines


def test_each_repair_can_be_made_on_its_own_and_all_together():
    for number in page.repairs():
        source = page.original_source([number])
        assert source != SOURCE
        compile(source, "one repair", "exec")
        assert all(new in source for _, new in REPAIRS[number])
    everything = page.original_source(page.repairs())
    assert all(new in everything for number in page.repairs() for _, new in REPAIRS[number])


def test_order_and_repetition_of_repairs_do_not_matter():
    assert page.original_source([2, 1, 1]) == page.original_source((1, 2))


@pytest.mark.parametrize(("number", "said"), [(16, "needs more than a changed line"), (27, "no fault 27")])
def test_what_has_no_repair_is_refused(number, said):
    with pytest.raises(ValueError, match=said):
        page.original_source([number])


def test_without_tower_the_class_has_the_page_s_sizes():
    with torch.device("meta"):
        module = page.build_original()(same_weights.small_config(image_dim_out=1024))
    assert module.img_processor.config.hidden_size == 1024
    assert module.img_processor.config.num_hidden_layers == 24


def test_faults_are_numbered_and_worded():
    assert [fault.number for fault in page.FAULTS] == list(range(1, 27))
    assert {fault.kind for fault in page.FAULTS} == {"crash", "silent", "waste"}
    for fault in page.FAULTS:
        assert fault.happens.endswith(".") and fault.ours.endswith(".")
        assert fault.inherited == (fault.number > 7)
    assert str(page.fault(1)) == "fault 1 (`bs` is never assigned)"


def test_attempt_says_what_failed_and_where(capsys):
    original, _ = same_weights.small_pair(())
    ids = torch.tensor([[5, *[-1] * 313]])
    result = page.attempt(original, ids, torch.zeros(1, 2, 3, 336, 336), torch.tensor([[336, 336]]))
    assert result is None
    first, second = capsys.readouterr().out.splitlines()
    assert first == "NameError: name 'bs' is not defined"
    number = int(second.split("line ")[1].split(",")[0])
    assert SOURCE.splitlines()[number - 1].strip() in second and "view(bs" in second


def test_attempt_hands_the_result_on(capsys):
    assert page.attempt(torch.zeros, 2, 3).shape == (2, 3)
    assert capsys.readouterr().out == "no error; a result of shape (2, 3)\n"
    page.attempt(int, "x")
    assert "outside the page's class" in capsys.readouterr().out


def test_the_parts_are_the_whole_source(capsys):
    for part in PARTS:
        page.show_source(part)
    shown = [text[5:] for text in capsys.readouterr().out.splitlines()]
    assert [t for t in shown if t.strip()] == [t for t in SOURCE.splitlines() if t.strip()]
    with pytest.raises(ValueError, match="'constants', 'init'"):
        page.show_source("middle")


def test_a_repair_is_shown_as_lines_out_and_in(capsys):
    page.show_repair(11)
    text = capsys.readouterr().out
    assert "  -        input_ids.clamp_min_(0)" in text
    assert "  +        input_ids = input_ids.clamp(min=0)" in text


def test_the_table_has_a_row_for_each_fault_and_keeps_its_signs(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    page.show_faults()
    table = shown[0]["text/html"]
    assert table.count('<th scope="row"') == 26
    assert "<code>&lt;|image_2|&gt;</code>" in table and "`" not in table
    assert len(shown[0]["text/plain"].splitlines()) == 26


def test_each_fault_of_the_class_has_its_lines_and_the_others_have_none():
    without = [one.number for one in page.FAULTS if not page.lines_of(one.number)]
    assert without == [3, 4, 5, 6] and page.lines_in_words(4) == "rest of the page"
    lines = SOURCE.splitlines()
    assert [lines[number - 1].strip() for number in page.lines_of(11)] == ["input_ids.clamp_min_(0)"]


def test_an_error_names_the_line_of_the_listings_after_a_repair_too(capsys):
    pair, _ = same_weights.small_pair([1])
    ids, pixels = torch.tensor([[-1] * 313]), torch.zeros(1, 2, 3, 336, 336)
    page.attempt(pair, ids, pixels, torch.tensor([[336, 336]]))
    number = int(capsys.readouterr().out.partition("  line ")[2].partition(",")[0])
    assert "start_time" in SOURCE.splitlines()[number - 1]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("if self.img_sizes is not None:\n    sizes = self.img_sizes", "not repaired"),
        ("if sizes is None:\n    sizes = self.img_sizes\nself.img_sizes = None", "\nrepaired"),
        (
            "    if self.img_sizes is not None:\n        sizes, self.img_sizes = self.img_sizes, None",
            "\nrepaired",
        ),
        ("self.img_sizes = None", "Error"),
        ("if self.img_sizes", "no Python"),
    ],
)
def test_a_repair_of_ones_own_is_tried(lines, said, capsys):
    one_crop, two = [[336, 336]], torch.tensor([[336, 672]])
    ids, pixels = torch.tensor([[-1] * 457]), torch.rand(1, 3, 3, 336, 336)
    right = try_sizes_lines(lines, ids, pixels, two, one_crop)
    assert said in capsys.readouterr().out and right == (said == "\nrepaired")


def test_the_pair_has_the_same_weights_on_every_call():
    (original, ours), (_, again) = same_weights.small_pair(), same_weights.small_pair()
    for name, value in ours.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert len(original.state_dict()) == len(ours.state_dict())
    back = same_weights.small_pair(seed=1)[1]
    same_weights.copy_weights(original, back)
    assert torch.equal(back.sub_GN, ours.sub_GN)


def test_what_stands_where():
    words = torch.nn.Embedding(4, 2)
    picture = torch.tensor([[5.0, 5.0], [6.0, 6.0]])
    ids = torch.tensor([3, -1, -1, -1, -1, 2])
    hidden = torch.stack([words.weight[3], *picture, words.weight[0], torch.ones(2), words.weight[2]])
    runs = what_stands_where(hidden.detach(), ids, words, [picture])
    assert runs == [(WORD, 0, 1), ("picture 1", 1, 2), (EMPTY, 3, 1), (OTHER, 4, 1), (WORD, 5, 1)]

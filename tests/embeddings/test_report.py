"""What is in a folder: planted duplicates, outliers, empty and blurred images, clusters, disagreements."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from phi3lib.embeddings.costs import estimate_cost
from phi3lib.embeddings.disagreement import disagreements
from phi3lib.embeddings.quality import SIDE, Quality, blur_of, qualities, quality_of
from phi3lib.embeddings.report import report_of
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.encoders import Encoder, recipe


def clustered(seed=0, groups=3, each=12, width=16):
    """Vectors around a few directions, one after the other."""
    rng = np.random.default_rng(seed)
    centers = np.eye(groups, width) * 5
    vectors = np.concatenate([center + rng.normal(size=(each, width)) * 0.3 for center in centers])
    return vectors.astype(np.float32)


def table_of(vectors, name="{:03}"):
    return EmbeddingTable(vectors, tuple(name.format(row) for row in range(len(vectors))))


def test_planted_duplicates_and_outliers_are_found():
    vectors = clustered()
    vectors[5] = 2 * vectors[4]
    strange = np.zeros((1, 16), np.float32)
    strange[0, 15] = 1
    report = report_of(table_of(np.concatenate([vectors, strange])), least=0.999)
    assert [one.ids for one in report.of("duplicates")] == [("004", "005")]
    assert report.of("outliers")[0].rows == (36,)


def test_outliers_are_three_and_a_half_robust_deviations_from_their_nearest():
    rng = np.random.default_rng(1)
    vectors = np.eye(12)[0] * 5 + rng.normal(size=(80, 12)) * rng.uniform(0.2, 1.2, (80, 1)) ** 2
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    away = np.sort(1 - unit @ unit.T + 4 * np.eye(80), axis=1)[:, :5].mean(1)
    score = (away - np.median(away)) / np.median(np.abs(away - np.median(away)))
    wanted = [row for row in np.argsort(-score) if score[row] > 3.5 * 1.4826]
    assert 0 < len(wanted) < np.sum(score > 3.5) < 20  # a deviation is 1.4826 such medians, if normal
    (found,) = report_of(table_of(vectors.astype(np.float32)), least=1).of("outliers")
    assert list(found.rows) == wanted


def test_copies_do_not_hide_an_outlier():
    vectors = np.concatenate([clustered(), [[0] * 15 + [1], [0] * 15 + [2]]]).astype(np.float32)
    assert report_of(table_of(vectors), least=0.999).of("outliers")[0].ids == ("036",)


def test_of_many_outliers_the_twenty_furthest_are_listed():
    rng = np.random.default_rng(2)
    near = np.eye(60)[0] * 5 + 0.1 * rng.normal(size=(100, 60))
    strange = np.eye(60)[30:55] + 0.02 * np.arange(25)[:, None] * np.eye(60)[0]  # ever nearer to the others
    (found,) = report_of(table_of(np.concatenate([near, strange]).astype(np.float32)), least=1).of("outliers")
    assert found.rows == tuple(range(100, 120)) and found.says.startswith("20 ")


def test_where_all_distances_but_one_are_equal_there_is_no_measure_of_unusual():
    vectors = np.concatenate([np.eye(9), -np.ones((1, 9))]).astype(np.float32)
    assert not report_of(table_of(vectors)).of("outliers")


@pytest.mark.parametrize(("cosine", "count"), [(0.981, 1), (0.979, 0)])
def test_duplicates_have_a_cosine_of_at_least_98_hundredths(cosine, count):
    copy = [cosine, *[0] * 7, np.sqrt(1 - cosine**2)]
    report = report_of(table_of(np.concatenate([np.eye(8, 9), [copy]]).astype(np.float32)))
    assert [one.ids for one in report.of("duplicates")] == [("000", "008")] * count


def test_at_most_twelve_clusters_are_found():
    assert len(report_of(table_of(clustered(groups=12, each=6)), least=1).of("cluster")) == 12
    assert len(report_of(table_of(clustered(groups=14, each=5)), least=1).of("cluster")) <= 12


def test_clusters_are_the_groups_with_typical_and_atypical_images():
    vectors = clustered()
    vectors[3] = (5 * np.eye(16)[0] + 2 * np.eye(16)[9]).astype(np.float32)
    found = report_of(table_of(vectors)).of("cluster")
    assert sorted(sorted(one.rows) for one in found) == [list(range(s, s + 12)) for s in (0, 12, 24)]
    with_strange = next(one for one in found if 3 in one.rows)
    assert with_strange.atypical[0] == "003" and "003" not in with_strange.typical


def test_words_are_those_that_fit_a_cluster_better_than_all(monkeypatch):
    # "image" is nearest to every image, and fits no cluster in particular.
    directions = np.array([np.eye(16)[0], np.eye(16)[1], np.eye(16)[:3].mean(0) * 3], np.float32)
    monkeypatch.setattr("phi3lib.embeddings.report.class_vectors", lambda model, words: directions)
    found = report_of(table_of(clustered()), model=object(), words=["cat", "dog", "image"]).of("cluster")
    words = {one.rows[0] // 12: one.words for one in found}
    assert words[0] == ("cat",) and words[1] == ("dog",) and words[2] == ()


def test_at_most_three_words_the_best_first(monkeypatch):
    kinds = [np.eye(16)[0] * share + np.eye(16)[9] * (1 - share) for share in (0.4, 0.9, 0.6, 0.5)]
    monkeypatch.setattr(
        "phi3lib.embeddings.report.class_vectors", lambda model, words: np.array(kinds, np.float32)
    )
    found = report_of(table_of(clustered()), model=object(), words=list("abcd")).of("cluster")
    assert next(one.words for one in found if one.rows[0] < 12) == ("b", "c", "d")


def test_the_largest_cluster_comes_first():
    vectors = np.concatenate([clustered()[:6], clustered()[12:24], clustered()[24:33]])
    assert [len(one.rows) for one in report_of(table_of(vectors), clusters=3).of("cluster")] == [12, 9, 6]


def test_few_images_are_one_cluster():
    (found,) = report_of(table_of(clustered(groups=2, each=4))).of("cluster")
    assert len(found.rows) == 8


def test_as_text_five_names_of_a_finding_are_listed_and_more_are_told():
    vectors = clustered(each=6, groups=2, width=12)
    vectors[:5], vectors[6:12] = np.eye(12)[0], np.eye(12)[1]
    lines = str(report_of(table_of(vectors), least=0.9999)).splitlines()
    assert lines[0] == "12 images; 0 more could not be read"
    assert lines[1:3] == [
        "duplicates: 6 images with a cosine of at least 0.9999: 006, 007, 008, 009, 010, …",
        "duplicates: 5 images with a cosine of at least 0.9999: 000, 001, 002, 003, 004",
    ]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"words": ["cat"]}, "words need model="),
        ({"clusters": 99}, "clusters is 99; expected a whole number from 1 to 36"),
        ({"clusters": 2.5}, "clusters is 2.5; expected a whole number"),
        ({"pictures": ["a.png"]}, "1 pictures for a table of 36 rows"),
    ],
)
def test_mistakes_are_told(change, wanted):
    with pytest.raises(ValueError, match=wanted):
        report_of(table_of(clustered()), **change)


def test_vectors_alone_and_words_of_another_space_are_refused(clip):
    with pytest.raises(ValueError, match="expected an EmbeddingTable, got a ndarray"):
        report_of(clustered())
    with pytest.raises(ValueError, match="vectors have 16 numbers, those of words 8: not one space"):
        report_of(table_of(clustered()), model=clip, words=["cat"])


def test_few_or_equal_images_make_a_report():
    equal = report_of(table_of(np.ones((6, 4), np.float32)))
    assert len(equal.of("duplicates")[0].ids) == 6 and not equal.of("outliers")
    assert report_of(table_of(clustered(each=2, groups=2))).of("cluster")[0].rows
    with pytest.raises(ValueError, match="at least four"):
        report_of(table_of(clustered(each=1)))


# --------------------------------------------------------------------------- pixels


def sharp(size=(640, 480)):
    rng = np.random.default_rng(1)
    return Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize(
        size, Image.Resampling.NEAREST
    )


def test_sharp_blurred_and_empty():
    assert not quality_of(sharp()).is_blurred
    assert quality_of(sharp().filter(ImageFilter.GaussianBlur(6))).is_blurred
    blank = quality_of(Image.new("RGB", (64, 64), "teal"))
    assert blank.is_empty and not blank.is_blurred and blank.blur == 1


@pytest.mark.parametrize(("blur", "is_blurred"), [(0.69, False), (0.71, True)])
def test_the_limit_of_blur_is_that_of_the_photographs_that_were_measured(blur, is_blurred):
    assert Quality(60.0, blur).is_blurred is is_blurred


def test_the_most_blurred_image_comes_first():
    images = [sharp().filter(ImageFilter.GaussianBlur(radius)) for radius in (3, 0, 12, 0, 6)]
    blur = [one.blur for one in qualities(images)]
    wanted = tuple(sorted((0, 2, 4), key=lambda row: -blur[row]))
    assert wanted != (0, 2, 4)
    (found,) = report_of(table_of(clustered(each=1, groups=5)), pictures=images).of("blurred")
    assert found.rows == wanted


def test_of_a_step_that_is_blurred_one_share_in_a_window_remains():
    """What blurring adds beside the step does not count as lost."""
    place = np.arange(40) >= 20
    steps = 100.0 * (place[:, None].astype(float) + place)  # one step in each row and in each column
    assert blur_of(steps) == pytest.approx(1 / 9)  # of the nine pixels of a window, as in the reference


def test_large_images_are_measured_reduced_and_small_ones_as_they_are():
    large = sharp((2 * SIDE, SIDE + 12))
    reduced = large.resize((SIDE, SIDE // 2 + 6), Image.Resampling.BOX)
    assert quality_of(large) == quality_of(reduced)
    small = sharp((100, 60))
    wanted = blur_of(np.asarray(small.convert("L"), np.float32))
    assert quality_of(small).blur == wanted
    assert quality_of(small.resize((SIDE, SIDE * 3 // 5), Image.Resampling.BOX)).blur != wanted


def test_blur_in_one_direction_is_blur():
    moved = np.asarray(sharp()).astype(float)
    for _ in range(2):
        moved = np.stack([np.roll(moved, step, axis=1) for step in range(24)]).mean(0)
    image = Image.fromarray(moved.astype(np.uint8))
    across, down = quality_of(image), quality_of(image.rotate(90, expand=True))
    assert across.is_blurred and across.blur == pytest.approx(down.blur, abs=0.01)


@pytest.mark.parametrize(("step", "is_empty"), [(7, True), (9, False)])
def test_an_image_of_nearly_one_tone_is_empty(step, is_empty):
    halves = np.full((40, 40, 3), 100, np.uint8)
    halves[:, 20:] += step  # the standard deviation is half a step
    assert quality_of(Image.fromarray(halves)).is_empty == is_empty


def test_color_alone_is_no_emptiness():
    halves = np.zeros((40, 40, 3), np.uint8)
    halves[:, :20], halves[:, 20:] = (118, 0, 0), (0, 60, 0)  # the same gray
    assert not quality_of(Image.fromarray(halves)).is_empty


def test_files_are_measured_in_their_order_and_a_large_jpeg_like_a_small_one(tmp_path):
    sharp((3200, 2400)).save(tmp_path / "large.jpg", quality=95)
    sharp().save(tmp_path / "small.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    large, small, dot = qualities([tmp_path / name for name in ("large.jpg", "small.png", "dot.png")])
    assert abs(large.blur - small.blur) < 0.1 and dot.is_empty


# --------------------------------------------------------------------------- disagreements


def test_a_planted_disagreement_is_first():
    vectors = clustered(groups=4, width=24)
    moved = vectors.copy()
    # Near each other in the first space only.
    vectors[0] = vectors[40] = np.eye(24)[20]
    best = disagreements(table_of(vectors), table_of(moved), k=3)[0]
    assert (best.first, best.second, best.nearer_in) == ("000", "040", 0)
    assert best.ranks[0] == 1 and best.ranks[1] > 10
    turned = disagreements(table_of(moved), table_of(vectors), k=3)[0]
    assert (turned.first, turned.second, turned.nearer_in, turned.gap) == ("000", "040", 1, best.gap)


def test_equal_spaces_do_not_disagree_whatever_their_scale_and_order():
    vectors = clustered()
    order = np.random.default_rng(0).permutation(len(vectors))
    assert not disagreements(table_of(vectors), table_of(vectors * 3).select(order), k=5)


def ranks_of(vectors):
    """ranks[i, j]: among how many others j is the nearest to i, 1 for the nearest of all."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, np.inf)
    return np.argsort(np.argsort(-cosines, axis=1), axis=1)


@pytest.mark.parametrize("most", [3, 20])
def test_disagreements_are_those_of_the_definition(most):
    rng = np.random.default_rng(4)
    spaces = [rng.normal(size=(40, 5)).astype(np.float32) for _ in range(2)]
    k, ranks, wanted = 4, [ranks_of(space) for space in spaces], []
    for near in (0, 1):
        close = np.maximum(ranks[near], ranks[near].T)  # of both directions the one that disagrees less
        far = np.minimum(ranks[1 - near], ranks[1 - near].T)
        pairs = [
            (a, b)
            for a in range(40)
            for b in range(a + 1, 40)
            if close[a, b] <= k and close[a, b] < far[a, b]
        ]
        used, listed = set(), 0
        for a, b in sorted(pairs, key=lambda pair: close[pair] - far[pair]):
            if not used & {a, b} and listed < most:
                used |= {a, b}
                listed += 1
                both = (close[a, b], far[a, b])
                wanted.append((near, a, b, *(both[::-1] if near else both), (far[a, b] - close[a, b]) / 39))
    found = disagreements(*map(table_of, spaces), k=k, most=most)
    given = [(one.nearer_in, int(one.first), int(one.second), *one.ranks, one.gap) for one in found]
    assert sorted(given) == sorted(wanted)
    assert [one.gap for one in found] == sorted((one.gap for one in found), reverse=True)


def test_disagreements_need_two_images_more_than_neighbors():
    one, other = (table_of(np.random.default_rng(seed).normal(size=(6, 4))) for seed in (0, 1))
    disagreements(one, other, k=4)
    with pytest.raises(ValueError, match="6 images in common; at least 7 are needed"):
        disagreements(one, other, k=5)


def test_an_image_is_listed_once_for_each_space():
    rng = np.random.default_rng(3)
    one, other = (table_of(rng.normal(size=(60, 8)).astype(np.float32)) for _ in range(2))
    found = disagreements(one, other, k=5)
    for near in (0, 1):
        names = [name for pair in found if pair.nearer_in == near for name in (pair.first, pair.second)]
        assert names and len(names) == len(set(names))
    assert [pair.gap for pair in found] == sorted((pair.gap for pair in found), reverse=True)


# --------------------------------------------------------------------------- cost


class Counting(Encoder):
    family = "report-counting"

    def features(self, images):
        return torch.tensor([[one.width, one.height] for one in images], dtype=torch.float32)

    def tiles(self, width, height):
        return 2


@recipe("size", family="report-counting", says="width and height", size=lambda encoder: 2)
def size(features):
    return features


def test_the_cost_of_more_images_than_there_are():
    encoder = Counting("counting", network=torch.nn.Identity())
    images = [Image.new("RGB", (8 + n, 8)) for n in range(20)]
    cost = estimate_cost(images, model=encoder, count=5_000, sample=4)
    assert (cost.images, cost.pending, cost.measured, cost.tiles) == (5_000, 5_000, 4, 2)
    assert 0 < cost.low <= cost.seconds <= cost.high and cost.megabytes == 5_000 * 2 * 4 / 1e6
    assert "5,000 images of 2.0 tiles each, measured on 4" in str(cost)
    with pytest.raises(ValueError, match="at least 1"):
        estimate_cost(images, model=encoder, count=0)

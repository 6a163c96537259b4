"""The checks of notebook 06 accept the solutions and refuse wrong answers by name; spaces and strips."""

import numpy as np
import pytest
from PIL import Image

from phi3lib.embeddings.confidence import of_mean
from phi3lib.embeddings.maps import Layout
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.lab import checks
from phi3lib.lab.lessons import spaces
from phi3lib.lab.widgets.ranked_strips import RankedStrips, StripsState


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def my_cka(first, second):
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    return np.linalg.norm(a.T @ b) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))


def near(vectors, k):
    likeness = unit(vectors) @ unit(vectors).T
    np.fill_diagonal(likeness, -np.inf)
    return np.argsort(-likeness, axis=1)[:, :k]


def my_knn(first, second, k):
    pairs = zip(near(first, k), near(second, k), strict=True)
    return np.mean([len(set(a) & set(b)) / k for a, b in pairs])


def my_pair(first, second, cosines=None, combine=lambda a, b: a - b):
    rows, cols = np.triu_indices(len(first), 1)

    def standard(vectors):
        of = (unit(vectors) @ unit(vectors).T)[rows, cols]
        return of if cosines == "plain" else (of - of.mean()) / of.std()

    best = combine(standard(first), standard(second)).argmax()
    return rows[best], cols[best]


def test_solutions_are_accepted():
    assert checks.linear_cka(my_cka).right
    assert checks.mutual_knn(my_knn).right
    assert checks.merged_and_separated(my_pair).right


@pytest.mark.parametrize("check", [checks.linear_cka, checks.mutual_knn, checks.merged_and_separated])
def test_a_stub_is_not_answered(check):
    assert check(lambda *_: ...).right is None


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (
            lambda a, b: np.linalg.norm(a.T @ b) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)),
            "means are not taken away",
        ),
        (lambda a, b: my_cka(a, b) ** 0.5, "square root"),
        (
            lambda a, b: my_cka(a, b) / np.linalg.norm((a - a.mean(0)).T @ (b - b.mean(0))),
            "not squared",
        ),
        (lambda a, b: my_cka(a, b) + 0.1, "is right"),
        (lambda a, b: a.T @ b, "one number"),
    ],
)
def test_wrong_cka_is_named(wrong, named):
    verdict = checks.linear_cka(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


def with_itself(first, second, k):
    tops = [np.argsort(-(unit(v) @ unit(v).T), axis=1)[:, :k] for v in (first, second)]
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(*tops, strict=True)])


def by_dot_product(first, second, k):
    tops = []
    for vectors in (first, second):
        products = vectors @ vectors.T
        np.fill_diagonal(products, -np.inf)
        tops.append(np.argsort(-products, axis=1)[:, :k])
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(*tops, strict=True)])


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (with_itself, "own neighbor"),
        (by_dot_product, "dot product"),
        (lambda a, b, k: (near(a, k) == near(b, k)).mean(), "same rank"),
        (lambda a, b, k: my_knn(a, b, k) * k, "not the share"),
        (lambda a, b, k: near(a, k), "one number"),
    ],
)
def test_wrong_neighbors_are_named(wrong, named):
    verdict = checks.mutual_knn(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda a, b: my_pair(b, a), "apart in the first"),
        (lambda a, b: my_pair(a, b, "plain"), "standardise"),
        (lambda a, b: my_pair(a, b, combine=lambda x, y: abs(x - y)), "was the sign lost"),
        (lambda a, b: my_pair(a, b, combine=lambda x, y: x), "was not asked"),
        (lambda a, b: (3, 3), "one item with itself"),
        (lambda a, b: 3, "Two numbers"),
    ],
)
def test_wrong_pairs_are_named(wrong, named):
    verdict = checks.merged_and_separated(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


# ----------------------------------------------------------------- pictures, scores, strips


def test_the_sets_hold_what_they_say():
    sets = spaces.comparison_sets(36)
    assert set(sets) == {"things", "groups", "signs"}
    kinds, quarters = sets["things"].labels["kind"], sets["things"].labels["position"]
    assert all((kinds == name).sum() == 3 for name in spaces.KIND_NAMES)
    assert set(quarters) <= {"top left", "top right", "bottom left", "bottom right"}
    assert set(sets["groups"].labels["count"]) == {"1", "2", "3", "4"}
    assert set(sets["signs"].labels["word"]) <= set(spaces.SIGN_WORDS)
    again = spaces.comparison_sets(36)
    assert sets["signs"].pictures[7].tobytes() == again["signs"].pictures[7].tobytes()


def test_scores_find_what_a_space_holds():
    """One space holds the colour, the other nothing; reduced to one direction, the first still does."""
    rng = np.random.default_rng(0)
    colors = np.array(["red", "blue"] * 30)
    sets = {"things": spaces.PictureSet([], {"colour": colors})}
    knows = rng.normal(size=(60, 5)).astype(np.float32)
    knows[:, 0] += 8 * (colors == "red")
    ids = tuple(map(str, range(60)))
    tables = {
        "knows": {"things": EmbeddingTable(knows, ids)},
        "guesses": {"things": EmbeddingTable(rng.normal(size=(60, 5)).astype(np.float32), ids)},
    }
    scores, narrow = (spaces.probe_scores(tables, sets, width=width) for width in (None, 1))
    assert scores["knows"]["colour"].value > 0.95 and narrow["knows"]["colour"].value > 0.95
    assert scores["guesses"]["colour"].high < 0.8
    line = spaces.score_lines(scores)
    assert line.startswith("colour    knows") and "behind" not in line


def test_a_paired_test_says_what_is_clearly_behind():
    right = np.repeat([True, False], [150, 50])
    better, luckier = right.copy(), np.roll(right, 3)
    better[150:162] = True  # intervals overlap, but on the same pictures it only ever wins
    luckier[195] = True
    scores = {name: {"q": of_mean(hits)} for name, hits in (("one", right), ("better", better))}
    assert scores["one"]["q"].high > scores["better"]["q"].low
    assert "behind" not in spaces.score_lines(scores)
    scores = {name: {"q": of_mean(hits)} for name, hits in (("one", right), ("luckier", luckier))}
    assert "luckier" in spaces.score_lines(scores) and "not clearly behind: one" in spaces.score_lines(scores)


@pytest.fixture
def tables():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20, 6)).astype(np.float32)
    ids = tuple(f"p{n}" for n in range(20))
    other = rng.normal(size=(20, 4)).astype(np.float32)
    return {
        "one": EmbeddingTable(vectors, ids),
        "turned": EmbeddingTable(np.ascontiguousarray(-vectors[:, ::-1]), ids),
        "other": EmbeddingTable(other, ids),
    }


def test_strips_agree_where_spaces_do(tables):
    state = StripsState({name: tables[name] for name in ("one", "turned")}, 4)
    assert state.ranked()["one"] == state.ranked()["turned"]
    assert set(state.votes().values()) == {2}
    assert "In one space only: 0" in state.sentence()
    with_other = StripsState(tables, 4)
    assert min(with_other.votes().values()) == 1


def test_the_strips_follow_their_control(tables):
    pictures = [Image.new("RGB", (8, 8), (10 * n, 0, 0)) for n in range(20)]
    strips = RankedStrips(tables, pictures)
    strips.choose(query=9)
    assert strips.state.query == 9
    assert strips.live().sentence == strips.state.sentence() == strips.still().alt
    with pytest.raises(ValueError, match="same pictures"):
        StripsState({"one": tables["one"], "cut": tables["other"].select(range(5))})
    with pytest.raises(ValueError, match="19 pictures for tables of 20 rows"):
        RankedStrips(tables, pictures[:19])
    with pytest.raises(ValueError, match="no picture 20"):
        StripsState(tables, 20)
    with pytest.raises(ValueError, match="at least two"):
        StripsState({"one": tables["one"].select([0])})


def test_the_most_disputed_picture_shares_no_neighbor(tables):
    first, second = tables["one"].vectors.copy(), tables["one"].vectors.copy()
    second[3] = -second[3]
    pair = [EmbeddingTable(vectors, tables["one"].ids) for vectors in (first, second)]
    assert spaces.most_disputed(*pair, k=3) == 3


def test_the_linked_picture_is_one_on_which_two_spaces_agree_by_half():
    around = np.linspace(0, 1.5, 12)
    first = np.stack([np.cos(around), np.sin(around)], axis=1)  # the nearest are the next ones along an arc
    second = first.copy()
    second[[4, 7]] = second[[7, 4]]
    tables = [EmbeddingTable(one, tuple(map(str, range(12)))) for one in (first, second)]
    shares = spaces.shared_neighbors(first, second, 2)
    halves = np.flatnonzero(shares == 0.5)
    assert len(halves) > 1 and shares.min() < 0.5 < shares.max()
    flat = [Layout(one * [1, 0.1], "drawn") for one in (first, second)]
    chosen = spaces.half_shared(*tables, dict(zip("ab", flat, strict=True)), k=2)
    assert chosen in halves
    torn = flat[0].coordinates.copy()
    torn[halves[-1]] += 9  # a map that puts one of them far from its neighbors
    assert spaces.half_shared(*tables, {"a": Layout(torn, "drawn"), "b": flat[1]}, k=2) == halves[-1]


def test_the_diagonal_does_not_belong_to_the_standard():
    def with_the_diagonal(first, second):
        def standard(vectors):
            of = unit(vectors) @ unit(vectors).T
            return (of - of.mean()) / of.std()

        difference = standard(first) - standard(second)
        difference[np.tril_indices(len(first))] = -np.inf
        return np.unravel_index(difference.argmax(), difference.shape)

    verdict = checks.merged_and_separated(with_the_diagonal)
    assert verdict.right is False
    assert "on the diagonal" in verdict.sentence


@pytest.mark.parametrize(
    "turn", [lambda i, j: [j, i], lambda i, j: np.array([i, j]), lambda i, j: (float(i), j)]
)
def test_a_pair_of_any_type_and_order_is_right(turn):
    assert checks.merged_and_separated(lambda a, b: turn(*my_pair(a, b))).right


@pytest.mark.parametrize("answer", [(1.5, 3), {"i": 1, "j": 2}, (1, 2, 3), "12", (np.nan, 1)])
def test_what_is_no_pair_is_refused(answer):
    assert checks.merged_and_separated(lambda a, b: answer).right is False


def test_the_debiased_one_is_named():
    from phi3lib.embeddings.compare import linear_cka

    assert "debiased" in checks.linear_cka(lambda a, b: linear_cka(a, b)).sentence

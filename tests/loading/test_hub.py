"""Models from a hub, against a stand-in on loopback: bytes, caches, offline days, and every failure."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from phi3lib.loading import cache as hub_cache
from phi3lib.loading import hub
from phi3lib.loading.checkpoints import CheckpointError, download, load_clip, load_phi3_model
from phi3lib.loading.safetensors_io import PART_FILE, tensors_of_folder
from tests.hub_stand_in import HubStandIn, pointed_at
from tests.real_layout import VISION, make_clip_checkpoint, make_phi3_checkpoint

PHI3 = "microsoft/Phi-3.5-vision-instruct"
CLIP = "openai/clip-vit-base-patch32"
SHARD = "model-00001-of-00002.safetensors"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("served")
    make_phi3_checkpoint(root / "phi3", tokenizer=True)
    make_phi3_checkpoint(root / "spread", spread=True)
    make_phi3_checkpoint(root / "newer", seed=1)
    make_clip_checkpoint(root / "clip")
    make_clip_checkpoint(root / "clip_pickled", pickled=True)
    (root / "phi3" / "pytorch_model.bin").write_bytes(b"x" * 5000)
    (root / "phi3" / "modeling_phi3_v.py").write_text("raise SystemExit('code of a checkpoint was run')")
    return {folder.name: folder for folder in root.iterdir()}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def served(folders: dict[str, Path], cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    monkeypatch.setenv("PHI3LIB_HOME", str(cache / "phi3lib"))
    monkeypatch.delenv("PHI3LIB_MODELS", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(hub, "FIRST_PAUSE_S", 0.001)
    with HubStandIn() as stand_in, pointed_at(stand_in, cache, monkeypatch.setattr):
        stand_in.add(PHI3, folders["phi3"])
        stand_in.add(CLIP, folders["clip"])
        yield stand_in


@pytest.fixture
def go_offline(monkeypatch: pytest.MonkeyPatch):
    def offline() -> None:
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    return offline


def vision_bytes(folder: Path) -> int:
    return sum(p.size for p in tensors_of_folder(folder, VISION).values())


def header_bytes(*files: Path) -> int:
    return sum(8 + int.from_bytes(file.read_bytes()[:8], "little") for file in files)


def same_weights(model: torch.nn.Module, folder: Path) -> bool:
    wanted = load_phi3_model(folder).state_dict()
    loaded = model.state_dict()
    return loaded.keys() == wanted.keys() and all(torch.equal(loaded[n], wanted[n]) for n in wanted)


def left_behind(cache: Path) -> list[str]:
    """Weights and unfinished files below the caches, and all that is outside of huggingface_hub's."""
    files = [path for path in cache.rglob("*") if path.is_file() and "hub" not in path.parts]
    return [*map(str, files), *(str(path) for path in cache.rglob("*") if _is_unwanted(path))]


def _is_unwanted(path: Path) -> bool:
    broken = path.is_symlink() and not path.exists()
    return broken or path.suffix == ".safetensors" or ".incomplete" in path.name


def assert_fails(cache: Path, match: str, name: str = PHI3) -> str:
    """Loading fails with one sentence, and nothing half-written stays."""
    with pytest.raises(CheckpointError, match=match) as error:
        load_phi3_model(name)
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 400
    assert left_behind(cache) == []
    return text


# ------------------------------------------------------------------------------- bytes


@pytest.mark.parametrize("layout", ["phi3", "spread"])
def test_only_the_bytes_of_the_vision_part_are_fetched(
    served: HubStandIn, folders: dict[str, Path], layout: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folders[layout]
    served.add(PHI3, folder)
    model = load_phi3_model(PHI3)
    assert same_weights(model, folder)
    shards = sorted(folder.glob("*.safetensors"))[: 1 if layout == "phi3" else 2]
    weights = vision_bytes(folder) + header_bytes(*shards)
    assert served.bytes_served(".safetensors") - served.bytes_served("index.json") == weights
    assert model.checkpoint.bytes_fetched == served.bytes_served()
    assert served.bytes_served("model-00002") == (
        0 if layout == "phi3" else pytest.approx(weights / 2, rel=0.3)
    )
    ranged = [r for r in served.requests if r.path.endswith(".safetensors") and r.path.startswith("/content")]
    assert all(r.range for r in ranged)
    if layout == "phi3":  # 8 bytes, the header, and all of the vision part at once
        assert len(ranged) == 3
    assert not any(r.path.endswith((".bin", ".py")) for r in served.requests)
    assert "fetching the vision part" in capsys.readouterr().out


def test_the_second_load_fetches_nothing(served: HubStandIn, folders: dict[str, Path]) -> None:
    load_phi3_model(PHI3)
    served.forget()
    again = load_phi3_model(PHI3)
    assert same_weights(again, folders["phi3"])
    assert served.bytes_served() == 0
    assert again.checkpoint.bytes_fetched == 0
    assert len(served.requests) == 1  # which commit is main?


def test_a_new_commit_is_fetched_and_the_old_one_kept(served: HubStandIn, folders: dict[str, Path]) -> None:
    old = load_phi3_model(PHI3).checkpoint
    served.add(PHI3, folders["newer"])
    new = load_phi3_model(PHI3)
    assert same_weights(new, folders["newer"])
    assert new.checkpoint.revision != old.revision
    assert same_weights(load_phi3_model(PHI3, revision=old.revision), folders["phi3"])


def test_the_fetched_folder_is_a_checkpoint_of_its_own(served: HubStandIn, folders: dict[str, Path]) -> None:
    fetched = Path(load_phi3_model(PHI3).checkpoint.folder)
    served.stop()
    assert same_weights(load_phi3_model(fetched), folders["phi3"])
    assert sorted(path.name for path in fetched.iterdir()) == [
        "config.json", PART_FILE, "preprocessor_config.json",
    ]  # fmt: skip


# ------------------------------------------------------------------------------- offline, caches


@pytest.mark.parametrize("how", ["unreachable", "HF_HUB_OFFLINE", "status 503"])
def test_what_was_fetched_loads_without_a_hub(
    served: HubStandIn, folders: dict[str, Path], go_offline, how: str
) -> None:
    load_phi3_model(PHI3)
    served.forget()
    if how == "unreachable":
        served.stop()
    elif how == "HF_HUB_OFFLINE":
        go_offline()
    else:
        served.fail("", 503)
    assert same_weights(load_phi3_model(PHI3), folders["phi3"])
    assert served.bytes_served(api=True) == 0
    if how == "HF_HUB_OFFLINE":
        assert served.requests == []


def test_a_complete_snapshot_of_the_hub_library_is_used(
    served: HubStandIn, folders: dict[str, Path], go_offline, cache: Path
) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(PHI3, allow_patterns=["*.json", "model*.safetensors"])
    served.forget()
    assert same_weights(load_phi3_model(PHI3), folders["phi3"])
    assert served.bytes_served() == 0
    assert not list(cache.rglob(PART_FILE))  # nothing was copied
    go_offline()
    assert same_weights(load_phi3_model(PHI3), folders["phi3"])


def test_an_incomplete_snapshot_is_not(served: HubStandIn, folders: dict[str, Path]) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(PHI3, allow_patterns=["*.json"])
    assert same_weights(load_phi3_model(PHI3), folders["phi3"])


def test_download_ahead_says_how_much_and_serves_offline_rooms(
    served: HubStandIn, folders: dict[str, Path], go_offline, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = download(PHI3)
    assert (folder / PART_FILE).is_file()
    said = capsys.readouterr().out
    assert hub.gigabytes(vision_bytes(folders["phi3"])) in said
    download(CLIP)
    assert CLIP in capsys.readouterr().out
    download(PHI3, language_model=True)
    go_offline()
    assert same_weights(load_phi3_model(PHI3), folders["phi3"])
    assert load_clip(CLIP).text_features("cat").shape == (1, 8)
    assert load_phi3_model(PHI3, language_model=True).lm_head.weight.shape == (1024, 32)


def test_the_whole_model_comes_without_pickles_and_code(served: HubStandIn, cache: Path) -> None:
    model = load_phi3_model(PHI3, language_model=True)
    assert model.checkpoint.name == PHI3
    assert len(model.checkpoint.revision) == 40
    assert model.processor.tokenizer is not None
    assert not [path for path in cache.rglob("*") if path.suffix in (".bin", ".py")]
    assert not any(r.path.endswith((".bin", ".py")) for r in served.requests)


# ------------------------------------------------------------------------------- tokens


def test_the_token_reaches_the_hub_and_not_the_content_network(
    served: HubStandIn, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    served.add(PHI3, folders["phi3"], token="hf_secret")
    assert_fails(cache, "shows no model .* HF_TOKEN")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    served.forget()
    load_phi3_model(PHI3)
    content = [r for r in served.requests if r.path.startswith("/content")]
    assert content
    assert all(r.authorization is None for r in content)
    assert all(r.authorization == "Bearer hf_secret" for r in served.requests if r not in content)


# ------------------------------------------------------------------------------- failures


def test_an_unreachable_hub(served: HubStandIn, cache: Path) -> None:
    served.stop()
    assert "download('microsoft/Phi-3.5-vision-instruct')" in assert_fails(cache, "cannot be reached")


def test_offline_without_a_copy(served: HubStandIn, go_offline, cache: Path) -> None:
    go_offline()
    assert_fails(cache, "HF_HUB_OFFLINE is set")
    assert served.requests == []
    for load in (load_clip, lambda name: load_phi3_model(name, language_model=True)):
        with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE is set"):
            load(PHI3)


def test_an_unknown_model(served: HubStandIn, cache: Path) -> None:
    assert_fails(cache, "shows no model nobody/nothing: check the spelling", name="nobody/nothing")


def test_a_name_that_is_none(served: HubStandIn, cache: Path) -> None:
    assert_fails(cache, "neither a folder .* nor a model name", name="what is this?")


def test_an_unknown_revision(served: HubStandIn) -> None:
    with pytest.raises(CheckpointError, match="no such revision"):
        load_phi3_model(PHI3, revision="v9")


@pytest.mark.parametrize("part", ["api/models", "config.json", SHARD])
@pytest.mark.parametrize(
    ("kind", "match"),
    [(401, "log in"), ("gated", "gated: accept"), (404, "on the hub|shows no model"), (500, "answered 500")],
)
def test_refusals_at_every_step(
    served: HubStandIn, cache: Path, part: str, kind: int | str, match: str
) -> None:
    served.fail(part, kind)
    assert_fails(cache, match)


def test_a_transfer_that_breaks_now_and_then_goes_on_where_it_stopped(
    served: HubStandIn, folders: dict[str, Path]
) -> None:
    served.fail(SHARD, "cut", times=7)
    model = load_phi3_model(PHI3)
    assert same_weights(model, folders["phi3"])
    # Nothing was fetched twice.
    assert served.bytes_served(SHARD) == vision_bytes(folders["phi3"]) + header_bytes(folders["phi3"] / SHARD)


def test_a_busy_hub_is_asked_again(served: HubStandIn, folders: dict[str, Path]) -> None:
    served.fail(SHARD, 503, times=2)
    assert same_weights(load_phi3_model(PHI3), folders["phi3"])


def test_a_transfer_that_never_gets_on_is_given_up(
    served: HubStandIn, cache: Path, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = HubStandIn.failure_for

    def nothing_after_the_header(self: HubStandIn, path: str) -> int | str | None:
        # "cut" of a one-byte range sends nothing: every range is cut to its first half, then to none.
        return "cut" if SHARD in path else real(self, path)

    monkeypatch.setattr(HubStandIn, "failure_for", nothing_after_the_header)
    assert_fails(cache, "is incomplete, .* bytes arrived: try again, nothing was saved")
    monkeypatch.setattr(HubStandIn, "failure_for", real)
    assert same_weights(load_phi3_model(PHI3), folders["phi3"])  # and then it works


@pytest.mark.parametrize("lost", [hub.ATTEMPTS - 1, hub.ATTEMPTS])
def test_attempts_are_counted_from_the_last_new_byte(lost: int, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [b"a", *[b""] * (hub.ATTEMPTS - 2), b"b", *[b""] * (lost - 1), b"c"]
    asked: list[int] = []
    pauses: list[float] = []

    def request(self: hub.HubModel, file: str, start: int, stop: int) -> list[bytes]:
        asked.append(start)
        return [answers[len(asked) - 1]]

    monkeypatch.setattr(hub.HubModel, "_request", request)
    monkeypatch.setattr(hub.time, "sleep", pauses.append)
    model = hub.HubModel("a/b", "commit", {"file": 3})
    if lost == hub.ATTEMPTS:
        with pytest.raises(CheckpointError, match="is incomplete, 2 of 3 bytes"):
            model.get("file")
    else:
        assert model.get("file") == b"abc" and asked[-1] == 2
    first = hub.FIRST_PAUSE_S
    growing = [first * 2**n for n in range(hub.ATTEMPTS - 1)]
    assert pauses == growing + growing[: len(pauses) - len(growing)]  # short again after a new byte
    assert model.bytes_read == (2 if lost == hub.ATTEMPTS else 3)


def test_a_hub_that_ignores_ranges_is_not_taken_for_one(served: HubStandIn, cache: Path) -> None:
    served.fail(SHARD, "ignore_range")
    assert_fails(cache, "does not serve parts")
    assert served.bytes_served(SHARD) < 10**6


def test_a_file_that_is_shorter_than_its_header_says(
    served: HubStandIn, folders: dict[str, Path], cache: Path, tmp_path: Path
) -> None:
    make_phi3_checkpoint(tmp_path / "short")
    shard = tmp_path / "short" / SHARD
    shard.write_bytes(shard.read_bytes()[:-10])
    served.add(PHI3, tmp_path / "short")
    assert_fails(cache, "should hold")


def test_a_full_disk(served: HubStandIn, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(hub_cache, "write_header", full)
        assert_fails(cache, "the disk is full")
    with monkeypatch.context() as patched:
        patched.setattr(hub_cache.shutil, "disk_usage", lambda path: type("U", (), {"free": 1000})())
        served.forget()
        assert_fails(cache, "no room for .* it needs 0.06 MB .* HF_HOME")
        assert served.bytes_served(SHARD) < 20_000  # only the header: refused before the fetching


def test_an_interrupted_fetch_leaves_nothing(
    served: HubStandIn, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hub_cache, "merge_ranges", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_phi3_model(PHI3)
    assert left_behind(cache) == []


def test_what_a_killed_process_left_is_no_obstacle(served: HubStandIn, folders: dict[str, Path]) -> None:
    blobs = Path(download(PHI3)).parents[1] / "blobs"
    commit = load_phi3_model(PHI3).checkpoint.revision
    for file in [*blobs.iterdir(), *blobs.parent.glob("snapshots/*/*")]:
        file.unlink()
    (blobs / f"{PART_FILE}-{commit}.incomplete").write_bytes(b"x" * 100)
    assert same_weights(load_phi3_model(PHI3), folders["phi3"])
    assert not list(blobs.glob("*.incomplete"))


def test_the_wrong_kind_of_model_is_refused_before_its_weights_are_fetched(
    served: HubStandIn, cache: Path
) -> None:
    assert_fails(cache, "type 'clip', not of Phi-3-vision", name=CLIP)
    with pytest.raises(CheckpointError, match="type 'phi3_v', not of CLIP"):
        load_clip(PHI3)
    assert served.bytes_served(".safetensors") == 0


def test_a_phi3_checkpoint_without_vision_part(
    served: HubStandIn, cache: Path, tmp_path: Path, folders: dict[str, Path]
) -> None:
    from safetensors.torch import save_file

    for file in ("config.json", "preprocessor_config.json"):
        (tmp_path / "m").mkdir(exist_ok=True)
        (tmp_path / "m" / file).write_bytes((folders["phi3"] / file).read_bytes())
    save_file({"model.norm.weight": torch.ones(32)}, tmp_path / "m" / "model.safetensors")
    served.add("a/b", tmp_path / "m")
    assert_fails(cache, "holds no vision part", name="a/b")


# ------------------------------------------------------------------------------- pickles, their conversion


def test_a_model_with_pickles_only_is_refused(served: HubStandIn, folders: dict[str, Path]) -> None:
    served.add(CLIP, folders["clip_pickled"])
    with pytest.raises(CheckpointError, match="pickle"):
        load_clip(CLIP)
    assert served.bytes_served(".bin") == 0


def test_the_hubs_own_conversion_stands_in_for_pickles(
    served: HubStandIn, folders: dict[str, Path], go_offline
) -> None:
    served.add(CLIP, folders["clip_pickled"])
    converted = served.add(CLIP, folders["clip"], revision="refs/pr/66")
    stranger = {"title": "Adding `safetensors` variant of this model", "num": 67, "status": "open"}
    stranger |= {
        "author": {"name": "stranger"},
        "isPullRequest": True,
        "createdAt": "2023-01-01T00:00:00.000Z",
    }
    stranger |= {"repo": {"name": CLIP, "type": "model"}}
    served.discussions[CLIP] = [stranger]
    with pytest.raises(CheckpointError, match="pickle"):
        load_clip(CLIP)
    served.discussions[CLIP] = [stranger, {**stranger, "num": 66, "author": {"name": "SFconvertbot"}}]
    assert load_clip(CLIP).revision == converted.commit
    go_offline()
    assert load_clip(CLIP).revision == converted.commit

"""What is kept of a hub: in huggingface_hub's cache, checked when it arrives, repaired when it is damaged."""

# ruff: noqa: F811  # fixtures of test_hub.py, which tests take by their names
import json
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import PreTrainedModel

from phi3lib import load_encoder
from phi3lib.loading import cache as hub_cache
from phi3lib.loading import hub
from phi3lib.loading.cache import PART_FILE, gigabytes
from phi3lib.loading.checkpoints import CheckpointError, download, load_clip, load_phi3_model
from phi3lib.loading.safetensors_io import SINGLE_FILE
from tests.encoder_layout import make_dino_checkpoint
from tests.loading.test_hub import (  # noqa: F401  # fixtures
    CLIP,
    PHI3,
    SHARD,
    cache,
    folders,
    go_offline,
    left_behind,
    same_weights,
    served,
)

DINO = "facebook/dinov2-small"


def whole(name=PHI3):
    return load_phi3_model(name, language_model=True)


def blob_of(cache, file) -> Path:
    (path,) = (path for path in cache.glob(f"hub/models--*/snapshots/*/{file}") if path.is_file())
    return path.resolve()


def flip(path: Path, place: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x40
    path.chmod(0o644)
    path.write_bytes(content)


# ------------------------------------------------------------------------------- one cache


def test_the_cache_of_the_hub_library_shows_what_was_fetched(served, cache):
    from huggingface_hub import scan_cache_dir

    part = load_phi3_model(PHI3).checkpoint
    clip = load_clip(CLIP)
    repos = {repo.repo_id: repo for repo in scan_cache_dir(cache / "hub").repos}
    assert repos.keys() == {PHI3, CLIP}
    (revision,) = repos[PHI3].revisions
    assert revision.commit_hash == part.revision and revision.refs == {"main"}
    sizes = {file.file_name: file.size_on_disk for file in revision.files}
    assert sizes.keys() == {"config.json", "preprocessor_config.json", PART_FILE}
    assert sizes[PART_FILE] == part.bytes_read
    assert next(iter(repos[CLIP].revisions)).commit_hash == clip.revision
    assert not scan_cache_dir(cache / "hub").warnings


def test_the_hub_library_takes_over_what_we_fetched(served, folders, cache):
    from huggingface_hub import snapshot_download

    whole()
    served.forget()
    ours = hub.find_model(PHI3)
    folder = snapshot_download(PHI3, allow_patterns=["*.json", "model*.safetensors"])
    assert Path(folder).name == ours.commit and served.bytes_served() == 0
    names = {path.name for path in Path(folder).iterdir()}
    assert names >= {"config.json", "tokenizer.json", SHARD} and PART_FILE not in names


def test_a_removed_revision_is_fetched_again(served, folders, cache):
    from huggingface_hub import scan_cache_dir

    commit = load_phi3_model(PHI3).checkpoint.revision
    scan_cache_dir(cache / "hub").delete_revisions(commit).execute()
    assert not list(cache.rglob(PART_FILE))
    assert same_weights(load_phi3_model(PHI3), folders["phi3"])


def test_part_and_whole_live_side_by_side(served, folders, go_offline):
    load_phi3_model(PHI3)
    go_offline()
    with pytest.raises(CheckpointError, match="not on this machine and HF_HUB_OFFLINE"):
        whole()


def test_a_branch_is_remembered_by_its_name(served, folders, cache, go_offline):
    served.add(PHI3, folders["newer"], revision="refs/pr/3")
    commit = load_phi3_model(PHI3, revision="refs/pr/3").checkpoint.revision
    go_offline()
    assert load_phi3_model(PHI3, revision="refs/pr/3").checkpoint.revision == commit


# ------------------------------------------------------------------------------- whole files are checked


def served_with_another_hash(served, folders, tmp_path, monkeypatch, name, source, file):
    """Serve a checkpoint one of whose weights differ from what the hub's metadata say."""
    real = hub._ask

    def other(*arguments):
        info = real(*arguments)
        for entry in info["siblings"]:
            if entry["rfilename"] == file:
                entry["lfs"] = {**entry["lfs"], "sha256": "0" * 64}
        return info

    monkeypatch.setattr(hub, "_ask", other)
    return lambda: monkeypatch.setattr(hub, "_ask", real)


@pytest.mark.parametrize(("load", "file"), [(load_clip, SINGLE_FILE), (whole, SHARD)])
def test_a_file_with_another_sha256_is_not_kept(served, folders, cache, tmp_path, monkeypatch, load, file):
    name = CLIP if load is load_clip else PHI3
    repair = served_with_another_hash(served, folders, tmp_path, monkeypatch, name, None, file)
    with pytest.raises(CheckpointError, match=f"{file} of {name} arrived with another sha256") as raised:
        load(name)
    assert "\n" not in str(raised.value)
    assert left_behind(cache) == []
    repair()
    load(name)


def test_an_interrupted_whole_file_resumes_where_it_stopped(served, folders, cache, monkeypatch):
    size = (folders["clip"] / SINGLE_FILE).stat().st_size
    with monkeypatch.context() as patch:
        patch.setattr(hub, "ATTEMPTS", 1)
        served.fail(SINGLE_FILE, "cut", times=2)  # the redirect, then the content
        with pytest.raises(CheckpointError, match="is incomplete, .* the download resumes"):
            load_clip(CLIP)
    served.repair()
    served.forget()
    bars, real = {}, hub_cache._with_progress
    told = lambda pieces, size, title: bars.update({title: size}) or real(pieces, size, title)  # noqa: E731
    monkeypatch.setattr(hub_cache, "_with_progress", told)
    load_clip(CLIP)
    assert 0 < served.bytes_served(SINGLE_FILE) == bars[SINGLE_FILE] < size
    assert not list(cache.rglob("*.incomplete"))


def test_only_what_is_missing_needs_room(served, cache, monkeypatch):
    load_clip(CLIP)
    size = blob_of(cache, SINGLE_FILE).stat().st_size
    blob_of(cache, SINGLE_FILE).unlink()
    for free, enough in ((size - 1, False), (size, True)):
        monkeypatch.setattr(hub_cache.shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        if enough:
            load_clip(CLIP)
        else:
            with pytest.raises(CheckpointError, match="no room"):
                load_clip(CLIP)


def test_a_wrong_beginning_is_not_resumed_for_ever(served, folders, cache):
    load_clip(CLIP)
    blob = blob_of(cache, SINGLE_FILE)
    blob.with_name(f"{blob.name}.incomplete").write_bytes(b"x" * 1000)
    blob.unlink()
    load_clip(CLIP)
    assert not list(cache.rglob("*.incomplete"))


@pytest.mark.parametrize(
    ("size", "words"),
    [(99_999_999, "100.00 MB"), (100_000_000, "0.10 GB"), (8_290_000_000, "8.29 GB"), (1_500_000, "1.50 MB")],
)
def test_sizes_are_decimal_as_disks_are_sold(size, words):
    assert gigabytes(size) == words


def test_ctrl_c_leaves_only_what_resumes(served, folders, cache, monkeypatch):
    real = hub.HubModel._request

    def interrupted(self, file, start, stop):
        for piece in real(self, file, start, stop):
            yield piece[:100]
            raise KeyboardInterrupt

    for load, name, kept in ((load_phi3_model, PHI3, 0), (load_clip, CLIP, 1)):
        with monkeypatch.context() as patch:
            patch.setattr(hub.HubModel, "_request", interrupted)
            with pytest.raises(KeyboardInterrupt):
                load(name)
        begun = list(cache.rglob("*.incomplete"))
        assert len(begun) <= kept
        assert not list(cache.glob(f"hub/models--{name.replace('/', '--')}/snapshots/*/*.safetensors"))
        load(name)
        assert not list(cache.rglob("*.incomplete"))


def test_two_threads_fetch_a_file_once_and_leave_transformers_as_it_was(served, folders, cache):
    ties = PreTrainedModel.tie_weights
    threads = [threading.Thread(target=load_clip, args=(CLIP,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert served.bytes_served(SINGLE_FILE) == (folders["clip"] / SINGLE_FILE).stat().st_size
    assert PreTrainedModel.tie_weights is ties  # else no model would tie its weights any more


# ------------------------------------------------------------------------------- damage is repaired

DAMAGES = {
    "header": lambda path: flip(path, 12),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
}
LOADERS = {
    "clip": (load_clip, CLIP, SINGLE_FILE),
    "vision part": (load_phi3_model, PHI3, PART_FILE),
    "whole": (whole, PHI3, SHARD),
    "encoder": (load_encoder, DINO, SINGLE_FILE),
}


@pytest.fixture
def all_served(served, tmp_path):
    make_dino_checkpoint(tmp_path / "dino")
    served.add(DINO, tmp_path / "dino")
    return served


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", LOADERS)
def test_a_damaged_weight_file_is_fetched_again_once(all_served, cache, capsys, kind, damage):
    load, name, file = LOADERS[kind]
    load(name)
    blob = blob_of(cache, file)
    sound = blob.read_bytes()
    DAMAGES[damage](blob)
    capsys.readouterr()
    load(name)
    assert blob_of(cache, file).read_bytes() == sound
    if damage not in ("gone", "empty"):
        assert f"{name}: {file} was damaged in the cache, fetching it again\n" in capsys.readouterr().out


def test_weights_that_became_nan_are_fetched_again(all_served, cache):
    load_clip(CLIP)
    blob = blob_of(cache, SINGLE_FILE)
    content = blob.read_bytes()
    blob.write_bytes(content[:-4] + b"\xff\xff\xff\xff")
    load_clip(CLIP)
    assert blob_of(cache, SINGLE_FILE).read_bytes() == content


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
def test_a_damaged_configuration_is_fetched_again(all_served, cache, file):
    load_phi3_model(PHI3)
    blob = blob_of(cache, file)
    sound = blob.read_bytes()
    blob.write_bytes(b"{" + sound[1:-2] + b"x}")
    load_phi3_model(PHI3)
    assert blob_of(cache, file).read_bytes() == sound


def test_a_checkpoint_that_is_damaged_on_the_hub_is_fetched_once(served, folders, tmp_path, capsys):
    from tests.real_layout import make_clip_checkpoint

    make_clip_checkpoint(tmp_path / "bad")
    flip(tmp_path / "bad" / SINGLE_FILE, 12)
    served.add("a/bad", tmp_path / "bad")
    with pytest.raises(CheckpointError, match="damaged"):
        load_clip("a/bad")
    assert served.bytes_served(SINGLE_FILE) == (tmp_path / "bad" / SINGLE_FILE).stat().st_size
    assert "was damaged in the cache" not in capsys.readouterr().out


def test_files_are_not_hashed_for_another_kind_of_mistake(served, cache, monkeypatch):
    load_clip(CLIP)
    monkeypatch.setattr(hub_cache, "_damaged_files", None)
    with pytest.raises(CheckpointError, match="not of Phi-3-vision"):
        load_phi3_model(CLIP)
    served.fail("/api/models", "gated")
    with pytest.raises(CheckpointError, match="gated"):
        load_clip(CLIP)


def test_offline_the_sentence_says_how_to_repair(served, cache, go_offline, monkeypatch):
    load_clip(CLIP)
    flip(blob_of(cache, SINGLE_FILE), 12)
    go_offline()
    with pytest.raises(CheckpointError, match=rf"is damaged and HF_HUB_OFFLINE.*download\('{CLIP}'\)"):
        load_clip(CLIP)
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    flip(blob_of(cache, SINGLE_FILE), -1)  # nothing that loading alone would notice
    download(CLIP)
    go_offline()
    load_clip(CLIP)


def test_what_an_older_version_cached_is_no_obstacle(served, folders, cache):
    old = cache / "phi3lib" / "vision" / PHI3.replace("/", "--")
    (old / "refs").mkdir(parents=True)
    (old / "refs" / "main").write_text("x" * 40)
    (old / ("a" * 40)).mkdir()
    assert same_weights(load_phi3_model(PHI3), folders["phi3"])


# ------------------------------------------------------------------------------- nothing outside the cache


@pytest.mark.parametrize("name", ["../" * 8 + "outside", "/tmp/outside", "a/../b"])
def test_a_hash_of_the_hub_is_no_path(served, cache, name):
    content = json.dumps({"model_type": "clip"}).encode()
    sibling = {"rfilename": "config.json", "size": len(content), "blobId": name, "lfs": {"sha256": name}}
    weights = {"rfilename": SINGLE_FILE, "size": 5, "lfs": {"sha256": name}}
    answer = {"sha": "a" * 40, "siblings": [sibling, weights]}
    served.fail("/api/models/", json.dumps(answer).encode())
    served.fail("config.json", content)
    with pytest.raises(CheckpointError):
        load_clip(CLIP)
    assert not list(cache.parent.rglob("outside*"))
    assert all("hub" in path.parts for path in cache.rglob("*") if path.is_file())

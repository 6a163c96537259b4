"""Whatever a hub answers: one sentence, nothing kept, nothing outside the cache; a good answer repairs it."""

# ruff: noqa: F811  # fixtures of test_hub.py, which tests take by their names
import json
import os
import struct
from pathlib import Path

import pytest

from phi3lib.loading import hub
from phi3lib.loading.checkpoints import CheckpointError, load_clip, load_phi3_model
from phi3lib.loading.safetensors_io import parse_header, tensors_of_folder
from tests.loading.test_hub import CLIP, PHI3, assert_fails, cache, folders, served  # noqa: F401  # fixtures
from tests.real_layout import make_phi3_checkpoint

WEIGHTS = ".safetensors"


def hurry(patch, kind):
    """Wait less for answers that never come; for these alone, since a busy machine is slow as well."""
    if kind in ("silent", "drip", "drip_headers", "drip_and_break"):
        patch.setattr(hub, "TIMEOUT_S", 0.3)
        patch.setattr(hub, "PATIENCE_S", 0.5)


@pytest.mark.parametrize(
    ("part", "kind", "message"),
    [
        (WEIGHTS, "silent", "is incomplete|cannot be reached"),
        (WEIGHTS, "drip", "is incomplete"),
        (WEIGHTS, "endless", "more than the .* bytes that were asked for"),
        (WEIGHTS, "other_range", "sent bytes .* in place of bytes"),
        ("preprocessor_config.json", "endless", "more than the .* bytes"),
        ("preprocessor_config.json", b"<html>log in</html>", "preprocessor_config.json"),
        ("/api/models/", b"<html>log in</html>", "no usable answer about .* login page"),
        ("/api/models/", b"[]", "no usable answer"),
        ("/api/models/", b"{}", "no usable answer"),
        ("/api/models/", b"[" * 100_000, "no usable answer"),
        ("/api/models/", b'{"id": 7, "sha": 3, "siblings": 5}', "no usable answer"),
        ("/api/models/", b"null", "no usable answer"),
        ("/api/models/", "loop", "redirects without end"),
        (WEIGHTS, "loop", "redirects without end"),
        ("/api/models/", 500, "answered 500"),
        ("/api/models/", 429, "too many requests .429."),
        (WEIGHTS, 204, "does not serve parts|is incomplete"),
        (WEIGHTS, "drip_headers", "did not answer within"),
        (WEIGHTS, "drip_and_break", "is incomplete"),
        (WEIGHTS, "endless_error", "answered 500"),
        (WEIGHTS, "endless_redirect", "redirects without end"),
        (WEIGHTS, "bomb", "in place of bytes|compressed"),
        (WEIGHTS, "wait 1000000000", "too many requests .429. .* in 1000000000 s"),
        ("/api/models/", "silent", "cannot be reached"),
        ("/api/models/", "drip", "no usable answer"),
        ("/api/models/", "drip_headers", "did not answer within"),
        ("/api/models/", "endless", "no usable answer"),
        ("/api/models/", "endless_error", "answered 500"),
        ("/api/models/", "endless_redirect", "redirects without end"),
        ("/api/models/", "bomb", "no usable answer"),
        ("/api/models/", "wait 1000000000", "too many requests .429. .* in 1000000000 s"),
    ],
)
def test_a_strange_answer_is_one_sentence_and_a_good_one_repairs_it(
    served,
    cache,
    monkeypatch,
    part,
    kind,
    message,
):
    served.fail(part, kind)
    with monkeypatch.context() as patch:
        hurry(patch, kind)
        assert_fails(cache, message)
    served.repair()
    load_phi3_model(PHI3)


def test_a_hub_that_asks_to_wait_is_waited_for(served, monkeypatch, capsys):
    waited = []
    monkeypatch.setattr(hub.time, "sleep", waited.append)
    served.fail(WEIGHTS, "wait 3", times=2)
    load_phi3_model(PHI3)
    assert waited == [3, 3]
    assert capsys.readouterr().out.count("asks to wait 3 s") == 2


@pytest.mark.parametrize(
    "kind", ["silent", "drip", "drip_headers", "endless", "endless_error", "bomb", "path"]
)
def test_a_strange_answer_for_a_whole_file(served, cache, monkeypatch, kind):
    served.fail("model.safetensors", kind)
    with monkeypatch.context() as patch:
        hurry(patch, kind)
        if kind != "path":  # hashes come from the API's answer alone
            with pytest.raises(CheckpointError):
                load_clip(CLIP)
    assert not list(cache.glob("hub/*/snapshots/*/*.safetensors")) or kind == "path"
    assert all((cache / "hub") in path.parents for path in cache.rglob("*") if path.is_file())
    served.repair()
    load_clip(CLIP)
    assert not list(cache.rglob("*.incomplete"))


@pytest.mark.parametrize("commit", ["../../outside", "/tmp/outside", "main", "A" * 40, "", "a" * 39])
def test_a_commit_is_forty_digits_and_no_path(served, cache, commit):
    answer = {"_id": "0", "id": PHI3, "sha": commit, "siblings": [{"rfilename": "config.json", "size": 5}]}
    served.fail("/api/models/", json.dumps(answer).encode())
    assert_fails(cache, "no usable answer")
    assert not list(cache.parent.glob("**/outside*"))


@pytest.mark.parametrize(
    "name", ["../x.json", "/x.json", "a/../../x.json", "a\\x.json", "a//x.json", "x\n.json"]
)
def test_a_file_name_stays_within_the_folder(served, cache, name):
    answer = {"_id": "0", "id": PHI3, "sha": "a" * 40, "siblings": [{"rfilename": name, "size": 5}]}
    served.fail("/api/models/", json.dumps(answer).encode())
    assert_fails(cache, "outside the model's folder")


def test_a_small_file_that_claims_to_be_large_is_not_fetched(served, cache):
    files = ("config.json", "preprocessor_config.json", "model.safetensors")
    siblings = [{"rfilename": one, "size": 10**12} for one in files]
    answer = {"_id": "0", "id": PHI3, "sha": "a" * 40, "siblings": siblings}
    served.fail("/api/models/", json.dumps(answer).encode())
    assert_fails(cache, "which cannot be right")
    assert served.bytes_served() == 0


@pytest.mark.parametrize("file", ["config.json", "model.safetensors.index.json", "generation_config.json"])
def test_no_long_json_is_fetched(served, cache, tmp_path, file):
    make_phi3_checkpoint(tmp_path / "long", tokenizer=True)
    (tmp_path / "long" / file).write_text("[" + "[]," * 2_000_000 + "[]]")
    served.add(PHI3, tmp_path / "long")
    with pytest.raises(CheckpointError, match=f"{file} of .* has .* bytes, which cannot be right"):
        load_phi3_model(PHI3, language_model=file.startswith("generation"))
    assert served.bytes_served(file) == 0


def test_no_long_header_of_a_remote_file_is_fetched(served, cache, tmp_path):
    make_phi3_checkpoint(tmp_path / "long")
    for shard in (tmp_path / "long").glob("*.safetensors"):
        shard.write_bytes(struct.pack("<Q", 5_000_000) + b"{" + b" " * 6_000_000)
    served.add(PHI3, tmp_path / "long")
    assert_fails(cache, "no safetensors file, or is damaged")
    assert served.bytes_served("model-0") == 8


# ------------------------------------------------------------------------------- damaged files


def header_of(**changes) -> bytes:
    one = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    two = {"dtype": "F32", "shape": [1], "data_offsets": [16, 20]}
    return json.dumps({"one": {**one, **changes}, "two": two}).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"data_offsets": [4, 20]},  # overlaps the next one
        {"data_offsets": [-16, 0]},
        {"data_offsets": [0.0, 16.0]},
        {"data_offsets": [0, True]},
        {"shape": [-2, -2]},
        {"shape": [0.5, 8]},
        {"shape": ["2", 2]},
        {"shape": 4},
        {"dtype": "F33"},
        {"dtype": ["F32"]},
        {"data_offsets": None},
    ],
    ids=str,
)
def test_a_header_that_cannot_be_true_is_damage(changes):
    header = header_of(**changes)
    with pytest.raises(CheckpointError, match="the header of a.safetensors is damaged"):
        parse_header(header, file="a.safetensors", file_size=8 + len(header) + 20)


def test_a_header_that_is_true_is_read():
    header = header_of()
    assert len(parse_header(header, file="a.safetensors", file_size=8 + len(header) + 20)) == 2


@pytest.mark.parametrize(
    "content", [struct.pack("<Q", 10**11) + b"{}", struct.pack("<Q", 50_000) + b"[" * 50_000]
)
def test_an_enormous_or_deep_header_is_damage(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        tensors_of_folder(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.parametrize("name", ["config.json", "model-00001-of-00002.safetensors"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path, name):
    folder = Path(tmp_path / "model")
    make_phi3_checkpoint(folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(CheckpointError):
        load_phi3_model(folder)

"""How long and how much memory does each hostile answer of a hub take until one sentence ends it?

python benchmarks/hostile_hub.py              print the table and write it into README.md
python benchmarks/hostile_hub.py --library    beside it what huggingface_hub's own calls do (minutes more)
python benchmarks/hostile_hub.py --quick      some answers only, to try it

Exits with an error if an answer takes longer or more than the rule allows.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from report import forget_peak, memory_now, parser_of, peak_memory, publish, table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for the stand-in in tests/

PHI3, CLIP = "microsoft/Phi-3.5-vision-instruct", "openai/clip-vit-base-patch32"
MOST_SECONDS, MOST_BYTES = 30.0, 200e6  # the rule
GIVEN_UP_S, FILE_LIMIT, MEMORY_LIMIT = 60.0, 2 * 10**9, 4 * 10**9  # what huggingface_hub's calls may take

# What is asked for: the model's name and which requests are answered badly.
TARGETS = {
    "the API": (CLIP, "/api/models/"),
    "a range of a file": (PHI3, "model-00001-of-00002.safetensors"),
    "a whole file": (CLIP, "model.safetensors"),
}
COMMON = (
    "silent", "drip", "drip_headers", "endless", "endless_error", "endless_redirect", "loop", "bomb",
    "wait 1000000000", 500, 204,
)  # fmt: skip
MANY_LISTS = b"[" + b"[]," * 1_300_000 + b"[]]"  # just short enough to be parsed
ANSWERS: dict[str, tuple[int | str | bytes, ...]] = {
    "the API": (*COMMON, b"<html>log in</html>", b"[]", b"[" * 100_000, b"[[]," * 5_000_000, MANY_LISTS),
    "a range of a file": (*COMMON, "cut", "drip_and_break", "ignore_range", "other_range"),
    "a whole file": (*COMMON, "cut", "drip_and_break", "path"),
}


@dataclass
class Outcome:
    """How a call ended: its error or "accepted", the seconds, the memory that it added, files elsewhere."""

    text: str
    seconds: float
    added: float
    outside: bool = False

    def cell(self) -> str:
        """Everything but the text, for the table."""
        memory = f"{self.added / 1e6:.0f} MB"
        return f"{self.seconds:.0f} s, {memory}" + (", **writes outside the cache**" if self.outside else "")


# ------------------------------------------------------------------------------- one call, one process


def ask(target: str, library: bool) -> None:
    """What the child does: import everything, ask the hub, print how it ended as JSON."""
    import huggingface_hub
    from huggingface_hub.utils import get_session

    from phi3lib.loading.checkpoints import download

    name, part = TARGETS[target]
    get_session()
    if library:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT, FILE_LIMIT))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    before = memory_now()
    forget_peak()
    start = time.perf_counter()
    try:
        if not library:
            download(name)
        elif target == "a range of a file":
            huggingface_hub.HfFileSystem().cat_file(f"{name}/{part}", start=8, end=100_000)
        else:
            huggingface_hub.snapshot_download(name, allow_patterns=["*.json", "model*.safetensors"])
        text = "accepted"
    except (Exception, MemoryError) as error:
        text = f"{type(error).__name__}: {error}"
    figures = {"text": text, "seconds": time.perf_counter() - start, "added": peak_memory() - before}
    print(json.dumps(figures), flush=True)
    os._exit(0)  # a thread may still wait for the hub


def outcome(target: str, answer: int | str | bytes, *, library: bool) -> Outcome:
    """Serve the checkpoints with one bad answer, and let a process of its own ask for one of them."""
    from tests.hub_stand_in import HubStandIn

    with tempfile.TemporaryDirectory() as scratch, HubStandIn() as hub:
        home = Path(scratch) / "deep" / "down" / "home"
        hub.drip_s = 0.5
        for name, folder in served_folders().items():
            hub.add(name, folder)
        hub.fail(TARGETS[target][1], answer)
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
        environment |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "PHI3LIB_HOME": str(home / "phi3lib")}
        command = [sys.executable, __file__, "--child", target, *(["--library"] if library else [])]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as child:
            try:
                said, _ = child.communicate(timeout=GIVEN_UP_S + 20)
                found = Outcome(**json.loads(said.splitlines()[-1]))
            except subprocess.TimeoutExpired:
                found = Outcome("does not end", GIVEN_UP_S, _peak_of(child.pid))
                child.kill()
            except (IndexError, ValueError):
                found = Outcome(f"the process ended with {child.returncode}", float("nan"), float("nan"))
        files = [path for path in Path(scratch).rglob("*") if path.is_file()]
        found.outside = any(home not in path.parents for path in files)
        return found


def _peak_of(process: int) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):  # missing if the process has just ended
                return 1024.0 * int(line.split()[1])
    return float("nan")


_folders: dict[str, Path] = {}


def served_folders() -> dict[str, Path]:
    """Checkpoints of the published layout with small random weights, made once."""
    from tests.real_layout import make_clip_checkpoint, make_phi3_checkpoint

    if not _folders:
        root = Path(tempfile.mkdtemp(prefix="hostile-hub-"))
        make_clip_checkpoint(root / "clip")
        make_phi3_checkpoint(root / "phi3", tokenizer=True)
        _folders.update({CLIP: root / "clip", PHI3: root / "phi3"})
    return _folders


# ------------------------------------------------------------------------------- the table


def title_of(answer: int | str | bytes) -> str:
    """The answer, as the stand-in's `fail` names it."""
    if isinstance(answer, bytes):
        return (
            f"`{answer.decode()}`"
            if len(answer) < 30
            else f"{len(answer) / 1e6:.1f} MB of `{answer[:8].decode()}`"
        )
    return f"status {answer}" if isinstance(answer, int) else answer.replace("_", " ")


def row_of(job: tuple[str, int | str | bytes, bool]) -> tuple[list[str], bool]:
    """A row of the table, and whether the answer kept to the rule."""
    target, answer, library = job
    ours = outcome(target, answer, library=False)
    told = ours.text.removeprefix("CheckpointError: ").removeprefix("HubUnreachableError: ")
    allowed = ours.seconds <= MOST_SECONDS and ours.added <= MOST_BYTES and not ours.outside
    one_sentence = ours.text == "accepted" or (told != ours.text and "\n" not in told)
    told = re.sub(r"http://[\d.:]+", "http://hub", told).replace("|", "/")
    row = [f"{target}: {title_of(answer)}", ours.cell(), told]
    if library:
        theirs = outcome(target, answer, library=True)
        row += [theirs.cell(), theirs.text.split("\n")[0].split(":")[0]]
    print(" | ".join(row), flush=True)
    return row, allowed and one_sentence


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--library", action="store_true", help="beside it what huggingface_hub's calls do")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return ask(options.child, options.library)
    served_folders()
    jobs = [(target, answer, options.library) for target, answers in ANSWERS.items() for answer in answers]
    with ThreadPoolExecutor(4) as pool:  # most of them wait
        rows = list(pool.map(row_of, jobs[::6] if options.quick else jobs))
    names = ["asked for: answer", "ours", "its sentence"]
    names += ["huggingface_hub", "its error"] if options.library else []
    text = (
        "`python benchmarks/hostile_hub.py --library`: a hub on loopback gives one bad answer, always; each "
        "time a process of its own asks it with `download`, beside it with huggingface_hub's "
        "`snapshot_download` (for a range: `HfFileSystem.cat_file`). Memory: the peak less what the process "
        f"had after all imports. Rule: one sentence within {MOST_SECONDS:.0f} s and {MOST_BYTES / 1e6:.0f} "
        f"MB, nothing outside the cache. huggingface_hub's calls end after {GIVEN_UP_S:.0f} s, files of "
        f"{FILE_LIMIT / 1e9:.0f} GB and {MEMORY_LIMIT / 1e9:.0f} GB of memory. A drip is one byte every half "
        "second."
    )
    figures = table(names, [row for row, _ in rows])
    publish("hostile_hub", "A hostile hub", text, figures, quick=options.quick)
    if broken := [row[0] for row, kept in rows if not kept]:
        raise SystemExit(f"against the rule: {', '.join(broken)}")
    return None


if __name__ == "__main__":
    main()

"""`notebooks/run.py`: budgets, clean and repeatable outputs, no network, run times."""

import importlib.util
import re
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
FIRST = "# A title\n\nOne sentence of promise.\n\nMeasured: <!--run-time-->not yet<!--/run-time-->."


@pytest.fixture
def run(monkeypatch, tmp_path):
    """The module, with a notebooks folder and a README of its own."""
    spec = importlib.util.spec_from_file_location("run_notebooks", ROOT / "notebooks" / "run.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(module, "README", tmp_path / "README.md")
    (tmp_path / "README.md").write_text("before\n<!--notebooks-->\nold\n<!--/notebooks-->\nafter\n")
    return module


def write(folder, *sources, name="00_one"):
    """A notebook with FIRST and one code cell for each source; returns its path."""
    cells = [new_markdown_cell(FIRST), *(new_code_cell(source) for source in sources)]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


def outputs(path, cell=1):
    """The text that a cell of a saved notebook printed."""
    return "".join(output.get("text", "") for output in nbformat.read(path, 4).cells[cell].outputs)


@pytest.mark.notebooks
def test_a_run_saves_outputs_run_times_and_a_page_and_the_next_run_changes_nothing(
    run, tmp_path, capsys, monkeypatch
):
    # The time is given: on a busy machine a kernel may take a minute to start.
    execute, seconds = run.execute, iter([4.2, 9.1])
    monkeypatch.setattr(run, "execute", lambda *a, **k: replace(execute(*a, **k), seconds=next(seconds)))
    path = write(tmp_path, "import os\nprint('folder', os.path.basename(os.getcwd()) != '')", "6 * 7")
    arguments = ["--write", "--times", "--html", str(tmp_path / "html")]
    assert run.main(arguments) == 0
    line = r"\[1/1\] 00_one +4\.2 s +\d+\.\d CPU s +[1-9]\d+ MB +0 of 0 claims  ok"
    assert re.search(line, capsys.readouterr().out)

    notebook = nbformat.read(path, as_version=4)
    assert "<!--run-time-->about 5 s<!--/run-time-->" in notebook.cells[0].source
    assert outputs(path) == "folder True\n"
    assert notebook.cells[2].outputs[0].data["text/plain"] == "42"
    assert [cell.id for cell in notebook.cells] == ["cell-0", "cell-1", "cell-2"]
    assert all(cell.metadata == {} for cell in notebook.cells)
    row = "| [00 · A title](notebooks/00_one.ipynb) | One sentence of promise. | about 5 s |"
    assert row in (tmp_path / "README.md").read_text(encoding="utf-8")

    page = (tmp_path / "html" / "00_one.html").read_text(encoding="utf-8")
    assert "42" in page
    assert not re.search(r"(src|href)=[\"']https?://|import [^;]*https?://|url\(https?://", page)

    first = path.read_bytes(), (tmp_path / "README.md").read_bytes()
    assert run.main(arguments) == 0
    assert (path.read_bytes(), (tmp_path / "README.md").read_bytes()) == first


@pytest.mark.notebooks
def test_without_network_only_this_machine_answers_in_the_kernel_and_its_children(run, tmp_path):
    attempt = (
        "import socket\n"
        "def attempt(call, *arguments):\n"
        "    try:\n"
        "        call(*arguments)\n"
        "    except ConnectionRefusedError as error:\n"
        "        print(error)\n"
        "attempt(socket.create_connection, ('192.0.2.1', 80))\n"  # a documentation address
        "attempt(socket.getaddrinfo, 'example.org', 80)\n"
        "attempt(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto, b'', ('192.0.2.1', 53))\n"
    )
    child = (
        "import subprocess, sys\n"
        f"answer = subprocess.check_output([sys.executable, '-c', {attempt!r}], text=True)\n"
        "print(answer, end='')"
    )
    local = (
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(('localhost', server.getsockname()[1])).close()\nprint('local')\n"
        # Its own address in the network, if it has one: programs such as Ray talk over it among themselves.
        "probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "try:\n    probe.connect(('203.0.113.1', 9))\n    own = probe.getsockname()[0]\n"
        "except OSError:\n    own = '127.0.0.1'\n"
        "server = socket.create_server((own, 0))\n"
        "socket.create_connection((own, server.getsockname()[1])).close()\nprint('own address')"
    )
    path = write(tmp_path, attempt, child, local)
    assert run.main(["--no-network", "--write"]) == 0
    refused = "This run has no network, and something asked for '{}'.\n"
    expected = "".join(map(refused.format, ["192.0.2.1", "example.org", "192.0.2.1"]))
    assert outputs(path, 1) == expected
    assert outputs(path, 2) == expected
    assert outputs(path, 3) == "local\nown address\n"


@pytest.mark.notebooks
def test_a_failing_notebook_fails_the_run_and_keeps_its_file(run, tmp_path, capsys):
    path = write(tmp_path, "print('first')", "1 / 0")
    before = path.read_bytes()
    assert run.main(["--write", "--times"]) == 1
    printed = capsys.readouterr()
    assert "FAILED" in printed.out
    assert "ZeroDivisionError" in printed.err
    assert path.read_bytes() == before


@pytest.mark.notebooks
def test_over_budget_fails_the_run_and_says_by_how_much(run, tmp_path, capsys):
    write(tmp_path, "block = bytearray(b'x' * 150_000_000)")
    assert run.main(["--budget-mb", "100", "--budget-cpu-seconds", "0.01"]) == 1
    printed = capsys.readouterr()
    peak = int(re.search(r"(\d+) MB, the budget is 100 MB", printed.err)[1])
    assert 200 < peak < 600
    assert "CPU seconds, the budget is 0" in printed.err


@pytest.mark.notebooks
def test_the_budget_counts_what_the_kernel_computes_and_not_how_long_it_waits(run, tmp_path):
    waits = write(tmp_path, "import time\ntime.sleep(3)", name="00_waits")
    burn = "import time\nwhile time.process_time() < 1.5: pass"
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}], check=True)"
    computes = write(tmp_path, f"{burn}\n{child}", name="01_computes")
    waiting, computing = (run.execute(nbformat.read(path, as_version=4), path) for path in (waits, computes))
    assert waiting.cpu_seconds < waiting.seconds - 2  # the start of a kernel takes both
    assert computing.cpu_seconds > 2.8
    assert computing.over_budget(2.5, 1e6) and not computing.over_budget(1e6, 1e6)


@pytest.mark.notebooks
def test_a_claim_that_does_not_hold_fails_the_run_and_one_for_other_checkpoints_does_not(
    run, tmp_path, capsys, monkeypatch
):
    source = (
        "from phi3lib import lab\n"
        "lab.claim('true', 2 > 1, 'Two exceeds one', because='it does')\n"
        "lab.claim('false', 1 > 2, 'One exceeds two', because='we wished it', shown={'one': 1})"
    )
    path = write(tmp_path, source)
    assert run.main(["--write"]) == 1
    printed = capsys.readouterr()
    assert "1 of 2 claims  NOT OK" in printed.out
    assert "false: One exceeds two, but {'one': 1}" in printed.err
    assert [claim["holds"] for claim in run.claims(nbformat.read(path, as_version=4))] == [True, False]

    elsewhere = {**run.KERNEL_ENVIRONMENT, "PHI3LIB_MODELS": "real"}
    monkeypatch.setattr(run, "KERNEL_ENVIRONMENT", elsewhere)
    assert run.main([]) == 0
    assert "1 of 2 claims  ok" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "before", "words"),
    [
        (0.4, "", "about 5 s"),
        (12.4, "", "about 10 s"),
        (12.6, "not yet", "about 15 s"),
        (14.9, "about 10 s", "about 10 s"),  # still about right, so that a rerun gives no difference
        (15.1, "about 10 s", "about 15 s"),
        (4.0, "about 10 s", "about 5 s"),
    ],
)
def test_run_times_are_rounded_and_stay_while_they_are_about_right(run, seconds, before, words):
    assert run.about(seconds, before) == words


def test_the_table_keeps_times_that_were_not_measured_now(run, tmp_path):
    paths = [write(tmp_path, name="00_one"), write(tmp_path, name="01_two")]
    run.write_table(run.README, paths, {"00_one": 31, "01_two": 8})
    run.write_table(run.README, paths, {"01_two": 50})
    text = run.README.read_text(encoding="utf-8")
    assert re.search(r"00_one\.ipynb.*\| about 30 s \|", text)
    assert re.search(r"01_two\.ipynb.*\| about 50 s \|", text)
    assert text.startswith("before\n<!--notebooks-->\n| notebook")
    assert text.endswith("|\n<!--/notebooks-->\nafter\n")


def test_clean_keeps_tags_and_pictures_and_drops_what_changes(run):
    picture = {"image/png": "iVBOR", run.WIDGET_VIEW: {"model_id": "5e1f"}}
    only_a_widget = {run.WIDGET_VIEW: {"model_id": "77aa"}}
    cell = new_code_cell("x", outputs=[new_output("display_data", picture)])
    cell.outputs.append(new_output("display_data", only_a_widget))
    cell.metadata = nbformat.from_dict({"tags": ["solution"], "execution": {"iopub.status.busy": "now"}})
    notebook = new_notebook(cells=[cell], metadata={"widgets": {"state": {}}, "authors": [{"name": "me"}]})
    run.clean(notebook)
    assert notebook.cells[0].metadata == {"tags": ["solution"]}
    assert [output.data for output in notebook.cells[0].outputs] == [{"image/png": "iVBOR"}]
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize(("letters", "kept"), [(1_000, True), (300_000, False)])
def test_the_png_beside_a_picture_stays_while_the_notebook_is_small(run, letters, kept):
    shown = {"text/html": f'<img alt="A flower." src="{"A" * letters}">', "image/png": "B" * letters}
    alone = {"image/png": "C", "text/plain": "no HTML beside it"}
    cells = [new_code_cell("x", outputs=[new_output("display_data", data) for data in (shown, alone)])]
    notebook = new_notebook(cells=cells)
    run.clean(notebook)
    first, second = (output.data for output in notebook.cells[0].outputs)
    assert first["text/html"] == shown["text/html"] and ("image/png" in first) == kept
    assert second == alone
    assert len(nbformat.writes(notebook)) <= run.LARGEST


def test_an_unknown_name_lists_what_there_is(run, tmp_path):
    write(tmp_path)
    with pytest.raises(SystemExit, match=r"No such notebook: 99\. There are: 00_one"):
        run.find(["99"])


def test_the_readme_has_a_table_for_the_run_to_rewrite(run):
    assert run.TABLE.search((ROOT / "README.md").read_text(encoding="utf-8"))

"""Words that a reader meets have one spelling: that of the code's public names, such as n_neighbors."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ("*.md", "docs/**/*.md", "notebooks/**/*.md", "notebooks/*.ipynb", "benchmarks/*", "tools/*.py")
CODE = ("phi3lib/**/*.py", "phi3lib/**/*.js", "phi3lib/**/*.css", "picturebook/**/*.py", "training/**/*.py")
BRITISH = re.compile(r"\w*neighbour\w*", re.IGNORECASE)


def test_neighbors_have_one_spelling_everywhere():
    """An old public name stands beside its new one; `phi3lib.moved` has those of modules."""
    files = [path for pattern in TEXTS + CODE for path in ROOT.glob(pattern) if path.is_file()]
    assert len(files) > 300
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in files
        if path != ROOT / "phi3lib" / "moved.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if "neighbour" in line.lower()  # the pattern is slow on pictures, lines of a hundred thousand letters
        for word in BRITISH.findall(line)
        if word.replace("our", "or") not in line
    ]
    assert found == []

"""How long does it take to begin: `import phi3lib`, and the set-up cell of a notebook.

python benchmarks/start_up.py            print the table and write it into README.md
python benchmarks/start_up.py --quick    once each, to try it
"""

import subprocess
import sys
from functools import partial

from report import parser_of, publish, seconds, table

PROGRAMS = {
    "import phi3lib": ("import phi3lib", 0.3),
    "the set-up cell": ("from phi3lib import lab; lab.start('00')", 5.0),
    "import torch": ("import torch", None),
    "import of transformers' CLIP": ("from transformers import CLIPModel", None),
}
TIMES = 5


def run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    options = parser_of(__doc__).parse_args()
    times = 1 if options.quick else TIMES
    bare = seconds(lambda: run("pass"), times=times)
    rows = [["python with nothing", f"{bare:.2f}", ""]]
    for name, (program, goal) in PROGRAMS.items():
        took = seconds(partial(run, program), times=times) - bare
        rows.append([name, f"{took:.2f}", "" if goal is None else f"≤ {goal:g}"])
    text = (
        f"`python benchmarks/start_up.py`: the least of {TIMES} runs, each in a process of its own, after "
        f"one that is not counted and leaves the files in memory; what a bare Python takes is taken off."
    )
    publish("start_up", "To begin", text, table(["what", "s", "goal"], rows), quick=options.quick)


if __name__ == "__main__":
    main()

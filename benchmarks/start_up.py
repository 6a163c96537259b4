"""How long does it take to begin: `import phi3lib`, and the set-up cell of a notebook.

python benchmarks/start_up.py       print the table and write it into benchmarks/README.md
"""

import subprocess
import sys

from report import machine, seconds, table, write_section

PROGRAMS = {
    "python with nothing": ("pass", None),
    "import phi3lib": ("import phi3lib", 0.3),
    "the set-up cell": ("from phi3lib import lab; lab.start('00')", 5.0),
    "import torch": ("import torch", None),
    "import of transformers' CLIP": ("from transformers import CLIPModel", None),
}


def run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    bare = seconds(lambda: run("pass"))
    rows = []
    for name, (program, goal) in PROGRAMS.items():
        took = seconds(lambda program=program: run(program)) - (0 if program == "pass" else bare)
        rows.append([name, f"{took:.2f}", "" if goal is None else f"{goal:g}"])
    text = table(["what", "s", "goal"], rows)
    print(text)
    write_section(
        "start_up",
        "## To begin\n\n`python benchmarks/start_up.py`: the least of three runs in a process of its own; "
        f"what a bare Python takes is taken off.\n\n{text}\n\n{machine()}",
    )


if __name__ == "__main__":
    main()

"""The commands of the command line, their arguments, and the exit codes."""

import argparse
from collections.abc import Callable

DONE, FAILED, WRONG_ARGUMENTS, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130
CODES = """exit codes:
  0    done; files that could not be read are reported
  1    not done, for the reason that is given; doctor: something needs attention
  2    wrong arguments
  3    with --strict: done, but some files could not be read or graded
  130  interrupted with Ctrl-C; the same command resumes
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="phi3lib",
        description="Vectors of your images: maps, search, duplicates, reports. No network is needed.",
        epilog=CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=_version())
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, says, add in (
        ("atlas", "write the maps of a folder as one HTML file", _add_atlas),
        ("embed", "compute the vectors of a folder into a Parquet file", _add_embed),
        ("search", "find the images that are nearest to a text or to an image", _add_search),
        ("duplicates", "list near duplicates in groups", _add_duplicates),
        ("report", "list duplicates, outliers, empty and blurred images, clusters", _add_report),
        ("doctor", "check this machine: versions, memory, disk, models", _add_doctor),
        ("grade", "run the notebooks that learners handed in, and check their exercises", _add_grade),
    ):
        command = commands.add_parser(
            name,
            help=says,
            description=f"{says[0].upper()}{says[1:]}.",
            epilog=CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_argument("--json", action="store_true", help="write the result as one JSON object")
        command.add_argument("--quiet", action="store_true", help="write results and errors only")
        add(command)
    return top


def _version() -> str:
    from phi3lib import __version__

    return f"phi3lib {__version__}"


def _add_source(command: argparse.ArgumentParser, *, several: str = "") -> None:
    command.add_argument("source", metavar="FOLDER", help="folder of images, or a Parquet file of vectors")
    command.add_argument(
        "--model",
        metavar="NAME",
        action="append",
        help="clip (default), phi3, a folder, or a name on the Hugging Face hub" + several,
    )
    command.add_argument("--pooling", metavar="NAME", help="recipe of the model; default: the model's own")
    command.add_argument(
        "--labels",
        metavar="FILE",
        default="folders",
        help="CSV or TSV file with a column file_name; `folders` (default): names of subfolders; `none`",
    )
    command.add_argument(
        "--vectors",
        metavar="FILE",
        help="Parquet file that keeps the vectors and is resumed; default: FOLDER.MODEL.parquet in the "
        "working directory",
    )
    command.add_argument(
        "--draft",
        action="store_true",
        help="decode JPEG files at a fraction of their size: faster for photographs, slightly other vectors",
    )
    command.add_argument("--estimate", action="store_true", help="only estimate the time, then stop")
    command.add_argument("--strict", action="store_true", help="exit code 3 if a file could not be read")


def _add_embed(command: argparse.ArgumentParser) -> None:
    _add_source(command)
    command.add_argument("--out", metavar="FILE", dest="vectors", help="the same as --vectors")


def _add_atlas(command: argparse.ArgumentParser) -> None:
    _add_source(command, several="; several times for linked maps")
    command.add_argument("--out", metavar="FILE", default="atlas.html", help="default: %(default)s")
    command.add_argument("--title", help="default: the folder's name")
    command.add_argument(
        "--query",
        metavar="TEXT",
        action="append",
        default=[],
        type=_text,
        help='text, such as "a red car", by which the page can rank all images; repeat it for more texts',
    )
    command.add_argument(
        "--sql", action="store_true", help="let the page answer queries in SQL: about 0.55 MB"
    )
    command.add_argument(
        "--selection-maps",
        action="store_true",
        help="let the page lay out selected images anew: about 75 kB for 1,000 images",
    )
    command.add_argument("--open", action="store_true", help="open the file in the browser")


def _add_search(command: argparse.ArgumentParser) -> None:
    _add_source(command)
    command.add_argument("text", nargs="?", metavar="TEXT", help='for example "a red car"')
    command.add_argument("--image", metavar="FILE", help="find images that are similar to this one")
    command.add_argument("-k", type=_whole(1), default=10, help="how many; default: %(default)s")


def _add_duplicates(command: argparse.ArgumentParser) -> None:
    _add_source(command)
    command.add_argument(
        "--least", type=_cosine, default=0.98, help="smallest cosine of a pair; default: %(default)s"
    )


def _add_report(command: argparse.ArgumentParser) -> None:
    _add_source(command, several="; twice: also lists pairs of images on which the two disagree most")
    command.add_argument(
        "--least", type=_cosine, default=0.98, help="smallest cosine of duplicates; default: %(default)s"
    )
    command.add_argument(
        "--words",
        metavar="WORDS",
        help='words that may fit a cluster: "cat,dog", or a file with one word a line',
    )
    command.add_argument(
        "--pairs", type=_whole(1), default=10, help="pairs to list with two models; default: %(default)s"
    )


def _add_doctor(command: argparse.ArgumentParser) -> None:
    command.add_argument("--details", action="store_true", help="add versions, memory, disk and threads")


def _add_grade(command: argparse.ArgumentParser) -> None:
    command.description = f"{command.description}\n\n{_GRADE_WARNING}"
    command.add_argument("source", metavar="FOLDER", help="folder with a subfolder of notebooks per learner")
    command.add_argument("--out", metavar="FILE", default="grades.html", help="default: %(default)s")
    command.add_argument("--csv", metavar="FILE", help="also write one row per learner and exercise")
    command.add_argument(
        "--seconds",
        type=_whole(1),
        default=900,
        help="limit of a notebook, by the clock; default: %(default)s",
    )
    command.add_argument(
        "--cell-seconds", type=_whole(1), default=120, help="CPU seconds of a cell; default: %(default)s"
    )
    command.add_argument(
        "--megabytes", type=_whole(256), default=4096, help="memory of a notebook; default: %(default)s"
    )
    command.add_argument(
        "--jobs", type=_whole(1), default=1, help="notebooks at the same time; default: %(default)s"
    )
    command.add_argument(
        "--strict", action="store_true", help="exit code 3 if a notebook could not be graded"
    )


_GRADE_WARNING = """This runs the learners' code on this machine: each notebook in a process of its own, with
limits of time and memory and without network, as far as this system allows. The
report says what it does not allow. Run it on an account without secrets, or in a
container. notebooks/instructor/README.md says what a determined person can still do."""


def _whole(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, got {text!r}")
        return int(text)

    return number


def _text(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("the text is empty")
    return text


def _cosine(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -1 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a cosine from -1 to 1, got {text!r}")
    return value

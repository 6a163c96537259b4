"""Notebook A2: the exact commands that carry the published checkpoints to a computer without a network.

The notebook shows these texts, and a test runs them with bash against a hub on this machine.
"""

CLIP, PHI3 = "openai/clip-vit-base-patch32", "microsoft/Phi-3.5-vision-instruct"
PYTHON_FETCH = "from phi3lib.loading.checkpoints import download; download"
PYTHON_CHECK = (
    "from phi3lib import load_clip, load_phi3_model; load_clip(); load_phi3_model(language_model=True); "
    "print('both load')"
)

# huggingface_hub's cache keeps commits and file names as the hub has them. tar also keeps its symbolic links,
# which a copy to a memory stick would lose.
WITH_NETWORK = f"""\
export HF_HOME="$PWD/carry"
python -c "{PYTHON_FETCH}('{CLIP}')"
python -c "{PYTHON_FETCH}('{PHI3}', language_model=True)"
tar -cf carry.tar carry
sha256sum carry.tar > carry.tar.sha256
"""

IN_THE_ROOM = f"""\
sha256sum -c carry.tar.sha256
tar -xf carry.tar
export HF_HOME="$PWD/carry"
export HF_HUB_OFFLINE=1 PHI3LIB_MODELS=real
python -c "{PYTHON_CHECK}"
"""

# What each variable does, in the words of a table.
VARIABLES = {
    "PHI3LIB_MODELS": "bundled (default), real, or a folder of checkpoints: what load_clip() and "
    "load_phi3_model() load",
    "HF_TOKEN": "your access token: for gated models (after you accepted their terms on the hub) and private "
    'ones; "hf auth login" stores one instead',
    "HF_ENDPOINT": "address of another hub, such as a mirror in your company; default https://huggingface.co",
    "HF_HUB_OFFLINE": "1: never ask the hub; only what is on this machine is used",
    "HF_HOME": "where models and the token are kept; default ~/.cache/huggingface",
    "PHI3LIB_HOME": "where your own fine-tuned models are kept; default ~/.cache/phi3lib",
}


def show_commands(commands: str) -> None:
    """Print commands as they are typed."""
    print(commands, end="")


def show_variables() -> None:
    """Print each variable with what it does."""
    import textwrap

    for name, meaning in VARIABLES.items():
        print(textwrap.fill(f"{name:15} {meaning}", 100, subsequent_indent=" " * 16))

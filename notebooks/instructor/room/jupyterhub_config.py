"""JupyterHub for one room: a password for the class, an account and a copy of the notebooks per learner.

It reads these environment variables:
    ROOM_PASSWORD           of all learners, at least 8 characters; needed
    ROOM_TEACHERS           names of teachers, separated by commas; they see all servers and may stop them
    ROOM_TEACHER_PASSWORD   of the teachers, at least 32 characters
    ROOM_GPU                who may use the GPU: "teachers" (default), "all" or "nobody"
    ROOM_ACCOUNTS           "system" (default): one Unix account each, which needs root. "none": all
                            processes run under the account of the server, with home folders in homes/
                            of its working directory; to try the room out
    ROOM_ADDRESS            default http://:8000; behind a proxy http://127.0.0.1:8000
    ROOM_CERTIFICATE, ROOM_KEY   files, for https
    PHI3LIB_MODELS          the models of all learners: bundled (default), or a folder of checkpoints
"""

import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

COURSE = Path(os.environ.get("ROOM_COURSE") or Path(__file__).resolve().parents[3])
START = "notebooks/00_start_here.ipynb"
PEOPLE = range(1000, 60_000)  # the numbers that useradd gives to accounts of people
NAMES = r"^[a-z][a-z0-9_-]{0,30}$"  # what useradd accepts
# The kernels get these and no others from the environment of the server, which holds the passwords.
PASSED_ON = ["PATH", "LANG", "LC_ALL", "PHI3LIB_MODELS", "HF_HOME", "HF_HUB_OFFLINE"]
GPU_VARIABLE = "CUDA_VISIBLE_DEVICES"
WITH_ACCOUNTS = os.environ.get("ROOM_ACCOUNTS", "system") != "none"


def names_in(variable: str) -> set[str]:
    """Return the names in an environment variable, which commas separate."""
    return {name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()}


def system_accounts() -> set[str]:
    """Return the accounts that no learner may log in as: root, daemon and their like."""
    return {one.pw_name for one in pwd.getpwall() if one.pw_uid not in PEOPLE}


def visible_gpus(spawner: Any) -> str:
    """Return CUDA_VISIBLE_DEVICES of a learner: each process on a GPU takes about half a gigabyte of it."""
    allowed = os.environ.get("ROOM_GPU", "teachers")
    if allowed == "all" or (allowed == "teachers" and spawner.user.admin):
        return os.environ.get(GPU_VARIABLE, "0")
    return ""


def prepare(spawner: Any) -> None:
    """Make the account and the home folder if they are missing, then copy the notebooks that are missing."""
    copy = [sys.executable, str(Path(__file__).with_name("copy_notebooks.py")), str(COURSE)]
    if WITH_ACCOUNTS:
        name = spawner.user.name
        home = Path("/home") / name
        make_account(name, home)
        account = {"user": name, "group": name, "extra_groups": []}
        environment = {"PATH": os.environ["PATH"]}  # without the passwords
        subprocess.run([*copy, str(home)], check=True, cwd="/", env=environment, **account)
    else:
        subprocess.run([*copy, spawner.home_dir], check=True)


def make_account(name: str, home: Path) -> None:
    """Make a Unix account; a home folder that is there keeps its files and the number of its owner."""
    if name in {one.pw_name for one in pwd.getpwall()}:
        return
    kept = ["--create-home"]
    if home.exists():
        number = home.lstat().st_uid
        if number not in PEOPLE:
            raise ValueError(f"{home} belongs to account {number}, which is of the system: remove the folder")
        kept = ["--no-create-home", "--uid", str(number)]
    program = ["useradd", *kept, "--home-dir", str(home), "--shell", "/bin/bash", "--user-group", name]
    subprocess.run(program, check=True)
    home.chmod(0o700)


if not os.environ.get("ROOM_PASSWORD"):
    raise SystemExit("ROOM_PASSWORD is not set: choose a password of at least 8 characters for the class")

c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.JupyterHub.bind_url = os.environ.get("ROOM_ADDRESS", "http://:8000")
c.JupyterHub.ssl_cert = os.environ.get("ROOM_CERTIFICATE", "")
c.JupyterHub.ssl_key = os.environ.get("ROOM_KEY", "")
c.JupyterHub.concurrent_spawn_limit = 10  # of 20 learners who open the page in the same minute

c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = os.environ["ROOM_PASSWORD"]
c.SharedPasswordAuthenticator.admin_password = os.environ.get("ROOM_TEACHER_PASSWORD") or None
c.Authenticator.admin_users = names_in("ROOM_TEACHERS")
c.Authenticator.allow_all = True
c.Authenticator.username_pattern = NAMES
c.Authenticator.blocked_users = system_accounts()

c.JupyterHub.spawner_class = "localprocess" if WITH_ACCOUNTS else "simple"
if not WITH_ACCOUNTS and os.geteuid() == 0:
    c.Spawner.args = ["--allow-root"]  # else Jupyter does not start for this account
c.SimpleLocalProcessSpawner.home_dir_template = f"{Path.cwd()}/homes/{{username}}"
c.Spawner.pre_spawn_hook = prepare
c.Spawner.default_url = f"/lab/tree/{START}"
c.Spawner.env_keep = PASSED_ON
c.Spawner.environment = {
    # 20 learners on 16 cores: each kernel with all cores would make all of them slower.
    "OMP_NUM_THREADS": os.environ.get("ROOM_THREADS", "1"),
    GPU_VARIABLE: visible_gpus,
}
# Loading JupyterLab from a cold disk may take longer than the default of 30 seconds.
c.Spawner.start_timeout = 180
c.Spawner.http_timeout = 120

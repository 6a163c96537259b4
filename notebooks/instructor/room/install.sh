#!/bin/sh
# Install the course and JupyterHub into one new virtual environment: sh install.sh /opt/room
# PYTHON is the interpreter (3.11 to 3.13); PIP_ARGS are additional arguments for pip, as for `make`.
set -eu
venv=$1
root=$(cd "$(dirname "$0")/../../.." && pwd)
"${PYTHON:-python3}" -m venv "$venv"
# jupyterhub-singleuser and the kernels of the course share the environment. PIP_ARGS holds several arguments.
# shellcheck disable=SC2086
"$venv/bin/python" -m pip install --no-cache-dir --disable-pip-version-check ${PIP_ARGS:-} \
	--constraint "$root/requirements.lock" \
	--requirement "$root/notebooks/instructor/room/requirements.txt" \
	"phi3lib[course,train,scale] @ file://$root"
"$venv/bin/python" -m pip check
# Fails here, and not in the room, if the models or the pictures are missing from the installed package.
(cd / && "$venv/bin/python" -c "from phi3lib import lab, load_clip; load_clip().image_features(lab.photograph('china'))")

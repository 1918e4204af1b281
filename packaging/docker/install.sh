#!/bin/sh
# Makes the service's environment from the source, in two steps, so that an image's layers are kept
# while only the source changes. The Dockerfile calls it; a test calls it in an empty folder.
# usage: install.sh libraries|churnkit SOURCE TARGET
#   libraries  SOURCE holds pyproject.toml and constraints.txt: what churnkit needs, into TARGET
#   churnkit   SOURCE is the source: churnkit itself, into TARGET
set -eu
step=$1 source=$2 target=$3
python=${PYTHON:-python3}
extras="broker,mlflow,service"

case "$step" in
  libraries)
    [ -x "$target/bin/python" ] || "$python" -m venv "$target"
    # The names of the libraries from pyproject.toml; the pins from constraints.txt.
    "$target/bin/python" - "$source/pyproject.toml" "$extras" > "$target/requirements.txt" <<'PYTHON'
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
optional = project["optional-dependencies"]
print(*project["dependencies"], sep="\n")
for extra in sys.argv[2].split(","):
    print(*optional.get(extra, ()), sep="\n")
PYTHON
    "$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
      --only-binary :all: --constraint "$source/constraints.txt" \
      --requirement "$target/requirements.txt"
    ;;
  churnkit)
    "$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile \
      --no-deps "$source"
    # Nothing is installed in a running service: pip and what it built with stay here.
    "$target/bin/python" -m pip uninstall --quiet --yes --disable-pip-version-check setuptools || :
    "$target/bin/python" -m pip uninstall --quiet --yes --disable-pip-version-check pip
    "$target/bin/python" -m compileall -q -j 0 "$target/lib" || :
    ;;
  *) echo "usage: install.sh libraries|churnkit SOURCE TARGET" >&2; exit 2 ;;
esac

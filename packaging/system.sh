#!/bin/sh
# What `make` needs from the system: said, then installed where that is allowed.
# usage: system.sh python|desktop|stack|tests|installer
set -eu
python=${PYTHON:-python3}

missing=""
needs() { # needs LIBRARY PACKAGE
  ldconfig -p 2>/dev/null | grep -q "$1" || missing="$missing $2"
}
what_qt_needs() {
  needs libEGL.so.1 libegl1
  needs libGL.so.1 libgl1
  needs libxkbcommon.so.0 libxkbcommon0
  needs libdbus-1.so.3 libdbus-1-3
  needs libfontconfig.so.1 libfontconfig1
  needs libglib-2.0.so.0 libglib2.0-0
}
what_windows_need() {
  what_qt_needs
  needs libxcb-cursor.so.0 libxcb-cursor0
  needs libxcb-icccm.so.4 libxcb-icccm4
  needs libxcb-keysyms.so.1 libxcb-keysyms1
  needs libxkbcommon-x11.so.0 libxkbcommon-x11-0
}
what_root_needs() {
  # PostgreSQL will not run as root: it drops to another user with this.
  PATH="$PATH:/usr/sbin:/sbin" command -v runuser >/dev/null || missing="$missing util-linux"
}
what_the_stack_needs() {
  # the broker, the proxy before the replicas, and the figures (promtool checks them)
  for each in nats-server haproxy prometheus; do
    command -v "$each" >/dev/null || [ -x "/usr/sbin/$each" ] || missing="$missing $each"
  done
}
case "$1" in
  python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing="python3-venv"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
      echo "churnkit needs Python 3.11 or newer; '$python' is older or missing. Set PYTHON=/path/to/python3.11." >&2
      exit 2
    }
    # treelite's and scikit-learn's trees are built with OpenMP
    needs libgomp.so.1 libgomp1
    ;;
  desktop)
    what_windows_need
    ;;
  installer)
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing="python3-venv"
    what_windows_need  # and what is bundled is taken from here
    command -v objdump >/dev/null || missing="$missing binutils"
    command -v zstd >/dev/null || missing="$missing zstd"
    ;;
  tests)
    what_qt_needs
    what_root_needs
    # Spark runs on Java; without it everything but the Spark tests is tested.
    if ! command -v java >/dev/null && [ ! -x "${JAVA_HOME:-/nowhere}/bin/java" ]; then
      if [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; then
        missing="$missing default-jre-headless"
      else
        echo "No Java here, and no right to install it: the Spark tests will NOT be run." >&2
        echo "To run them: sudo apt-get install default-jre-headless" >&2
      fi
    fi
    what_the_stack_needs
    ;;
  stack)
    what_the_stack_needs
    what_root_needs
    ;;
  *) echo "usage: system.sh python|desktop|stack|tests|installer" >&2; exit 2 ;;
esac
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then as_root=""; elif sudo -n true 2>/dev/null; then as_root="sudo"; else
  echo "Missing system packages:$missing. Install them, for example: sudo apt-get install$missing" >&2
  exit 2
fi
echo "Installing system packages: $missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086  # a list of packages
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing

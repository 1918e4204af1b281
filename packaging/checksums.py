"""Write SHA256SUMS beside what was built, and sign it: `python packaging/checksums.py dist`.

CHURNKIT_SIGN names the gpg key (`default` for gpg's own choice); without it there is no signature,
and that is said.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

SUMS = "SHA256SUMS"


def write_checksums(folder: Path) -> Path:
    """One line a file, as `sha256sum --check` reads it."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(SUMS))
    lines = [f"{_sha256(path)}  {path.name}\n" for path in files]
    target = folder / SUMS
    # sha256sum refuses carriage returns
    target.write_text("".join(lines), encoding="utf-8", newline="\n")
    return target


def sign(path: Path, key: str) -> Path:
    """A detached signature that `gpg --verify` checks."""
    signature = path.with_name(path.name + ".asc")
    chosen = [] if key == "default" else ["--local-user", key]
    subprocess.run(
        ["gpg", "--batch", "--yes", "--armor", *chosen, "--output", signature,
         "--detach-sign", path],
        check=True,
    )  # fmt: skip
    return signature


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main(folder: Path) -> int:
    """Checksums, and a signature where a key is named."""
    sums = write_checksums(folder)
    print(f"{sums.name}: {len(sums.read_text(encoding='utf-8').splitlines())} files")
    key = os.environ.get("CHURNKIT_SIGN", "")
    if key:
        print(f"signed: {sign(sums, key).name}")
    else:
        print("not signed: CHURNKIT_SIGN names no gpg key")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

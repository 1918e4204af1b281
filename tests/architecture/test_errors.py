"""The tree that opens churnkit.errors names every error that is there."""

from __future__ import annotations

import re

from churnkit import errors


def test_the_tree_names_all_errors_and_no_others() -> None:
    tree = (errors.__doc__ or "").split("\n\n")[1]
    there = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.ChurnkitError)
    }
    assert set(re.findall(r"\w+", tree)) == there

"""Build with setuptools, to the same bytes every time.

A wheel's bytes follow from the sources alone: the moment of the build and the rights that new
files get (umask) stay out of it.
"""

from __future__ import annotations

import os

from setuptools.build_meta import *  # noqa: F403 - it is setuptools' backend

os.environ.setdefault("SOURCE_DATE_EPOCH", "315532800")  # 1980, the first date that a zip knows
os.umask(0o022)

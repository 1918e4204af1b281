"""What the packaged console does without, and why nothing in it needs that.

The same lists stand in docs/packaging.md, which a test holds equal.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

MODULES = {
    "churnkit.cli": "the command line; the console calls use cases, not commands",
    "churnkit.spark": "runs on a cluster, with pyspark",
    "churnkit_desktop.commands": "`churnkit desktop`, a command of the command line",
    "typer": "the command line's library",
    "mlflow": "the mirror of the registry: the journal is the truth, and MLflow's aliases are made "
    "equal when its pages are opened from Python",
    "numba": "an accelerator that nothing here asks for",
    "shap": "only tests compare with it; reasons are computed by churnkit",
    "pyspark": "see churnkit.spark",
    "setuptools": "builds packages",
    "distutils": "builds packages",
    "tkinter": "another toolkit of windows",
    "IPython": "notebooks",
    "pytest": "tests of the libraries",
    "pandas.tests": "tests of the libraries",
    "pyarrow.tests": "tests of the libraries",
    "numpy.tests": "tests of the libraries",
    "pyarrow.flight": "Arrow over a network",
    "pyarrow.substrait": "query plans of other engines",
    "pyarrow.orc": "a file format that churnkit does not read",
    "pyqtgraph.examples": "examples",
    "pyqtgraph.opengl": "charts in three dimensions",
    "pyqtgraph.jupyter": "notebooks",
    "PySide6.QtTest": "tests of windows",
    "sqlalchemy.dialects.mysql": "churnkit has no driver for it",
    "sqlalchemy.dialects.oracle": "churnkit has no driver for it",
    "sqlalchemy.dialects.mssql": "churnkit has no driver for it",
    "requests": "Arrow would fetch a table of time zones with it, on Windows; tzdata is here",
    "urllib3.contrib.pyopenssl": "Python's own TLS is used",
    "cryptography": "the same",
    "yaml": "NumPy prints how it was built with it",
    "PIL._avif": "reads photographs; only figures are written",
    "PIL._webp": "the same",
}

FILES = {
    "*/plugins/platformthemes/libqgtk3*": "would bring all of GTK for the look of file dialogs",
    "libgtk-3*": "GTK, see above",
    "libgdk*": "GTK",
    "libatk*": "GTK",
    "libatspi*": "GTK",
    "libcairo*": "GTK",
    "libpango*": "GTK",
    "libpixman*": "GTK",
    "libepoxy*": "GTK",
    "libharfbuzz*": "GTK",
    "libgraphite2*": "GTK",
    "libfribidi*": "GTK",
    "libthai*": "GTK",
    "libdatrie*": "GTK",
    "libjpeg*": "GTK",
    "*/plugins/platforms/libqeglfs*": "screens without a window system",
    "*/plugins/platforms/libqlinuxfb*": "screens without a window system",
    "*/plugins/platforms/libqvkkhrdisplay*": "screens without a window system",
    "*/plugins/platforms/libqvnc*": "a screen over the network",
    "*/plugins/platforms/libqminimal*": "the offscreen platform is kept and does the same",
    "*/plugins/egldeviceintegrations/*": "screens without a window system",
    "*/plugins/generic/*": "screens without a window system",
    "*/Qt*/lib/libQt6EglF*": "screens without a window system",
    "*/Qt*/lib/libQt6Test*": "tests of windows",
    "*/plugins/imageformats/libqtiff*": "pictures that the console does not show",
    "*/plugins/imageformats/libqwebp*": "pictures that the console does not show",
    "*/plugins/imageformats/libqjpeg*": "pictures that the console does not show",
    "*/plugins/imageformats/libqgif*": "pictures that the console does not show",
    "*/plugins/imageformats/libqtga*": "pictures that the console does not show",
    "*/plugins/imageformats/libqwbmp*": "pictures that the console does not show",
    "*/plugins/imageformats/libqicns*": "pictures that the console does not show",
    "*/plugins/tls/*": "Qt's own network is not used",
    "*/plugins/networkinformation/*": "Qt's own network is not used",
    "*/Qt*/translations/*": "the console speaks English",
    "*libarrow_flight*": "Arrow over a network",
    "*libarrow_python_flight*": "Arrow over a network",
    "pyarrow/include/*": "headers of C++",
    "pyarrow/src/*": "sources of C++",
    "pillow.libs/libavif*": "reads photographs",
    "pillow.libs/libwebp*": "reads photographs",
    "matplotlib/mpl-data/sample_data/*": "examples",
    "matplotlib/mpl-data/images/*": "buttons of matplotlib's own windows",
    "*/tests/*": "tests of the libraries",
}


def is_left_out(name: str) -> bool:
    """Whether a file of the bundle is left out, by its name in the bundle."""
    slashed = name.replace("\\", "/")
    return any(fnmatchcase(slashed, pattern) for pattern in FILES)

"""What the packaged program starts with: the console, or the child that it starts."""

import multiprocessing
import sys

multiprocessing.freeze_support()

from churnkit_desktop.__main__ import main  # noqa: E402 - a child of multiprocessing ends above

sys.exit(main())

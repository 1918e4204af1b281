"""The themes by the names under which they are remembered, in words."""

from churnkit_desktop.language import tr

THEMES = {"system": tr("as the system"), "light": tr("light"), "dark": tr("dark")}

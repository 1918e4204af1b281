"""API keys: in the system's keyring where there is one, else for this session only.

The keyring may ask its person for a password: call this off the event loop.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from churnkit_desktop.language import tr

_SERVICE = "churnkit"
NO_KEYRING = tr(
    "This system offers no keyring, so the key is kept until the "
    "console is closed, and asked for again the next time."
)


@dataclass
class Keys:
    """The keys of services, by address.

    Parameters
    ----------
    uses_keyring : whether to look into the system's keyring at all
    """

    uses_keyring: bool = True
    _session: dict[str, str] = field(default_factory=dict)
    trouble: str = ""
    """Why the keyring did not take or give a key the last time; empty: it did."""

    def available(self) -> bool:
        """Whether the system has a keyring that keeps what it is given."""
        if not self.uses_keyring:
            return False
        import keyring
        from keyring.backends import fail, null

        return not isinstance(keyring.get_keyring(), fail.Keyring | null.Keyring)

    def get(self, url: str) -> str:
        """The key of a service; empty: none is known."""
        url = url.rstrip("/")
        if url in self._session:
            return self._session[url]
        self.trouble = ""
        if not self.available():
            return ""
        import keyring
        import keyring.errors

        try:
            found = keyring.get_password(_SERVICE, url)
        except keyring.errors.KeyringError as error:
            self.trouble = tr("The keyring gave no key: {error}").format(error=error)
            return ""
        return found or ""

    def place(self, url: str) -> str:
        """Where the key of a service is, in words."""
        url = url.rstrip("/")
        fresh = self._session.pop(url, None)
        try:
            if self.get(url):
                return tr("in the keyring")
        finally:
            if fresh is not None:
                self._session[url] = fresh
        return tr("until the console is closed") if fresh else tr("asked for when it opens")

    def put(self, url: str, key: str, *, keep: bool) -> bool:
        """Know a key from now on.

        Parameters
        ----------
        keep : also after the console was closed

        Returns
        -------
        kept : whether the system's keyring has it
        """
        url = url.rstrip("/")
        self._session[url] = key
        self.trouble = ""
        if not keep:
            return False
        if not self.available():
            self.trouble = NO_KEYRING
            return False
        import keyring
        import keyring.errors

        try:
            keyring.set_password(_SERVICE, url, key)
        except keyring.errors.KeyringError as error:
            self.trouble = tr("The keyring did not take the key: {error}").format(error=error)
            return False
        return True

    def forget(self, url: str) -> None:
        """Know it no more, here and in the keyring."""
        url = url.rstrip("/")
        self._session.pop(url, None)
        self.trouble = ""
        if not self.available():
            return
        import keyring
        import keyring.errors

        try:
            keyring.delete_password(_SERVICE, url)
        except keyring.errors.PasswordDeleteError:
            return  # it was not there
        except keyring.errors.KeyringError as error:
            self.trouble = tr("The keyring did not forget the key: {error}").format(error=error)

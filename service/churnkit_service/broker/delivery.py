"""A message as any broker delivers it, and what is to become of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from churnkit.errors import ChurnkitError

Role = Literal["events", "requests"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of a message.

    Parameters
    ----------
    message_id : the same for each delivery, and for each message that means the same
    deliveries : which one this is, from 1
    """

    role: Role
    body: bytes
    message_id: str
    deliveries: int = 1

    @property
    def key(self) -> str:
        """Stands for the message id, whatever characters that has."""
        text = f"{self.role}\n{self.message_id}".encode()
        return hashlib.blake2b(text, digest_size=16).hexdigest()

    def prediction_id(self, place: int) -> str:
        """The id of the prediction for the item at this place: the same for each delivery.

        A UUID of version 8 (RFC 9562), whose bits are the maker's affair.
        """
        text = f"{self.role}\n{self.message_id}\n{place}".encode()
        number = int.from_bytes(hashlib.blake2b(text, digest_size=16).digest())
        number = number & ~(0xF << 76) & ~(0b11 << 62) | 8 << 76 | 2 << 62
        return UUID(int=number).hex


@dataclass(frozen=True, slots=True)
class Publication:
    """A message to publish; two with the same id are one."""

    message_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """All is committed: publish, then acknowledge.

    ``partly`` says what of the message can never succeed; a copy of it goes to the dead letters.
    """

    publications: Sequence[Publication] = ()
    partly: ChurnkitError | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """It can never succeed: to the dead letters."""

    error: ChurnkitError


@dataclass(frozen=True, slots=True)
class Later:
    """It may succeed later: to be delivered again after a while."""

    seconds: float
    error: ChurnkitError
    counts: bool
    """Whether the message is to blame."""


Outcome = Done | Dead | Later


class Link(Protocol):
    """The connection to a broker."""

    async def start(self) -> None:
        """Connect, and take messages from now on.

        Raises
        ------
        BrokerUnreachable : the broker does not answer
        """

    async def stop(self) -> None:
        """Take no further message, finish those at work, and disconnect."""

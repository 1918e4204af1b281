"""A request is answered by the model that serves, or by the arms of a rollout."""

from __future__ import annotations

from churnkit_service.answered import Answered
from churnkit_service.erased import without_erased
from churnkit_service.reading import Asked
from churnkit_service.rollout_scoring import predict_in_rollout
from churnkit_service.scoring import THREAD_FROM_ROWS, Asking, predict
from churnkit_service.service import Service


def at_once(service: Service, asked: Asked) -> bool:
    """Whether ``answer`` will have nothing to wait for: neither a query nor a thread."""
    few = len(asked.rows) < THREAD_FROM_ROWS and not asked.reasons
    return few and service.rollouts.live is None and None not in asked.rows


async def answer(call: Asking, asked: Asked) -> Answered:
    """Score a request; what is answered is to be committed before it is sent.

    Hand it to ``Service.committed`` then: what nobody waits for begins after it.

    Raises
    ------
    RequestInvalid : an item cannot be scored, and the others shall not be without it
    CustomerErased : a customer was erased
    NoChampion : no model serves
    """
    service = call.service
    if service.erased.asks:
        asked = without_erased(service.erased, asked)
    live = service.rollouts.live
    # A champion that was changed by hand answers alone: the rollout compares with another one.
    if live is not None and live.arms.champion == service.champion.version:
        return await predict_in_rollout(call, asked, live)
    body, columns = await predict(call, asked)
    return Answered(body, () if columns is None else (columns,))

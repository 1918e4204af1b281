"""What was done with a service, as lines of Python on its client."""

from __future__ import annotations

from collections.abc import Mapping

from churnkit_desktop.actions import Action, Argument


def head(url: str) -> str:
    """What stands above the lines; the key is never written down."""
    return (
        '"""What was done in the console; run it to do it again."""\n\n'
        "import csv\n"
        "import os\n"
        "from itertools import islice\n\n"
        "from churnkit.client.blocking import Client\n\n"
        f"client = Client({url!r}, key=os.environ['CHURNKIT_API_KEY'])\n"
        "dataset = next(client.datasets.list(state='finished'), None)\n"
    )


def line(action: Action) -> str:
    """An action as a call of the client."""
    given = dict(action.arguments)
    words = ", ".join(f"{name}={value!r}" for name, value in given.items())
    if action.verb == "promote":
        return f"client.set_alias({given.pop('version')!r}, why={given['why']!r})"
    if action.verb == "import_data":
        file = given.pop("data")
        more = "".join(f", {name}={value!r}" for name, value in given.items())
        asked = f"client.datasets.submit({file!r}{more})"
        return f"dataset = client.datasets.wait_for({asked})"
    if action.verb == "score":
        return f"client.batches.wait_for(client.batches.submit({given['data']!r}, reasons=3))"
    if action.verb.endswith("_rollout") and "rollout_id" in given:
        move, name = action.verb.removesuffix("_rollout"), given["rollout_id"]
        if move == "advance":
            return f"client.advance_rollout({name!r})"
        return f"client.move_rollout({name!r}, {move!r}, why={given['why']!r})"
    if action.verb == "train":
        return f"client.trainings.wait_for(client.trainings.submit(dataset.id, {words}))"
    if action.verb == "contact_list":
        return _contact_list(given)
    if action.verb == "write_report":
        return (
            f"report = client.reports.wait_for(client.reports.submit({given.get('version')!r}))\n"
            f"client.reports.content(report.id, {given.get('output', 'report.html')!r})"
        )
    return f"client.{action.verb}({words})"


def _contact_list(given: Mapping[str, Argument]) -> str:
    """A file of customers: all pages of them, or the first ones."""
    bands, search = given.get("bands"), given.get("search")
    asked = {
        "sort": given.get("sort", "probability"),
        "order": "desc" if given.get("descending", True) else "asc",
        "risk_band": ",".join(map(str, bands)) if isinstance(bands, tuple) else None,
        "min_probability": given.get("low"),
        "max_probability": given.get("high"),
        "search": search or None,
    }
    words = ", ".join(f"{name}={value!r}" for name, value in asked.items() if value is not None)
    return (
        f"with open({given['output']!r}, 'w', newline='', encoding='utf-8') as file:\n"
        f"    found = islice(client.customers({words}), {given['customers']!r})\n"
        "    rows = ([one.customer_id, one.probability, one.risk_band] for one in found)\n"
        "    csv.writer(file).writerows([['customer_id', 'probability', 'risk_band'], *rows])"
    )

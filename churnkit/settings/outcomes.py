"""[outcomes], [treatments]: how what became of customers is read."""

from __future__ import annotations

from pydantic import Field

from churnkit.settings.kinds import SOURCE_ZONE, TIME_FORMAT, Days, Table, TimeFormat, Words, Zone


class OutcomesTable(Table):
    """How outcomes are read, and joined to predictions."""

    customer_id: str = Field("customer_id", description="The column that names the customer.")
    churned: str = Field("churned", description="The column that says whether the customer left.")
    positive: Words = Field((), description="What it holds for 'left'; empty: true, yes, 1, …")
    as_of: str = Field("as_of", description="The column with the prediction's date.")
    churned_at: str = Field("churned_at", description="The column with the day of leaving.")
    observed_from: str = Field("observed_from", description="Watched after this moment …")
    observed_to: str = Field("observed_to", description="… and until this one.")
    value: str = Field("value", description="The column with the customer's worth.")
    known_at: str = Field("known_at", description="The column that says when a row became known.")
    time_format: TimeFormat = Field("", description=TIME_FORMAT)
    source_zone: Zone = Field("", description=SOURCE_ZONE)
    arrival_delay_days: float = Field(
        0.0, ge=0, le=3_650, description="Days until an outcome is known after its window."
    )
    match_days: Days = Field(
        0, description="Days between a prediction and the as_of of its outcome; 0: the same day."
    )
    complete_share: float = Field(
        0.95, gt=0, le=1, description="A day's predictions count once so many have an outcome."
    )
    max_broken_share: float = Field(
        0.5, ge=0, le=1, description="More broken rows than this share end an import."
    )


class TreatmentsTable(Table):
    """How treatments are read."""

    treatment_id: str = Field("treatment_id", description="A column of names; may be missing.")
    customer_id: str = Field("customer_id", description="The column that names the customer.")
    at: str = Field("at", description="The column with the moment of the offer.")
    offer: str = Field("offer", description="The column that names the offer.")
    campaign: str = Field("campaign", description="The column that names the campaign.")
    assignment_probability: str = Field(
        "assignment_probability", description="The column with the probability of being treated."
    )
    hold_out: str = Field("hold_out", description="The column that marks who was drawn out.")
    cost: str = Field("cost", description="The column with the cost.")
    time_format: TimeFormat = Field("", description=TIME_FORMAT)
    source_zone: Zone = Field("", description=SOURCE_ZONE)
    max_broken_share: float = Field(
        0.5, ge=0, le=1, description="More broken rows than this share end an import."
    )

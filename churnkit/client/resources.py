"""Everything that can be asked of the service, as methods: one by one in both forms.

What a request holds and what it gives is said once, in ``calls``.
"""

from __future__ import annotations

from churnkit.client.calls import customers as customer_calls
from churnkit.client.calls import events as event_calls
from churnkit.client.calls import experiments as experiment_calls
from churnkit.client.calls import explanations as explanation_calls
from churnkit.client.calls import figures as figure_calls
from churnkit.client.calls import health as health_calls
from churnkit.client.calls import models as model_calls
from churnkit.client.calls import outcomes as outcome_calls
from churnkit.client.calls import predictions as prediction_calls
from churnkit.client.calls import rollouts as rollout_calls
from churnkit.client.methods import blocking, blocking_pages, later, pages_later


class Requests:
    """Blocking; ``Client`` sends them."""

    # Predictions, and why
    predict = blocking(prediction_calls.predict)
    prediction = blocking(prediction_calls.prediction)
    predictions = blocking_pages(prediction_calls.each_prediction)
    explain = blocking(explanation_calls.explain)
    explanation = blocking(explanation_calls.explanation)

    # What happened
    send_events = blocking(event_calls.send_events)
    record_outcomes = blocking(outcome_calls.record_outcomes)
    record_treatments = blocking(outcome_calls.record_treatments)
    outcomes = blocking_pages(outcome_calls.each_outcome)
    treatments = blocking_pages(outcome_calls.each_treatment)

    # Customers, and figures of them
    customers = blocking_pages(customer_calls.each_customer)
    customer_counts = blocking(customer_calls.customer_counts)
    customer = blocking(customer_calls.customer_page)
    metrics_summary = blocking(figure_calls.metrics_summary)
    score_distribution = blocking(figure_calls.score_distribution)
    quality = blocking(figure_calls.quality)

    # Models
    models = blocking(model_calls.models)
    model = blocking(model_calls.model)
    model_run = blocking(model_calls.model_run)
    aliases = blocking(model_calls.aliases)
    set_alias = blocking(model_calls.set_alias)
    rollback = blocking(model_calls.rollback)
    journal = blocking_pages(model_calls.each_change)
    verify_models = blocking(model_calls.verify)
    load_model = blocking(model_calls.load_model)
    model_load = blocking(model_calls.model_load)

    # Rollouts
    start_rollout = blocking(rollout_calls.start_rollout)
    preview_rollout = blocking(rollout_calls.preview_rollout)
    rollouts = blocking(rollout_calls.rollouts)
    rollout = blocking(rollout_calls.rollout)
    rollout_history = blocking(rollout_calls.rollout_history)
    rollout_evidence = blocking(rollout_calls.rollout_evidence)
    advance_rollout = blocking(rollout_calls.advance_rollout)
    move_rollout = blocking(rollout_calls.move_rollout)

    # Experiments
    start_experiment = blocking(experiment_calls.start_experiment)
    experiments = blocking(experiment_calls.experiments)
    experiment = blocking(experiment_calls.experiment)
    experiment_history = blocking(experiment_calls.experiment_history)
    assign_experiment = blocking(experiment_calls.assign_experiment)
    stop_experiment = blocking(experiment_calls.stop_experiment)
    plan_experiment = blocking(experiment_calls.plan_experiment)

    # The service itself
    ready = blocking(health_calls.ready)


class RequestsLater:
    """From asyncio; ``AsyncClient`` sends them."""

    # Predictions, and why
    predict = later(prediction_calls.predict)
    prediction = later(prediction_calls.prediction)
    predictions = pages_later(prediction_calls.each_prediction)
    explain = later(explanation_calls.explain)
    explanation = later(explanation_calls.explanation)

    # What happened
    send_events = later(event_calls.send_events)
    record_outcomes = later(outcome_calls.record_outcomes)
    record_treatments = later(outcome_calls.record_treatments)
    outcomes = pages_later(outcome_calls.each_outcome)
    treatments = pages_later(outcome_calls.each_treatment)

    # Customers, and figures of them
    customers = pages_later(customer_calls.each_customer)
    customer_counts = later(customer_calls.customer_counts)
    customer = later(customer_calls.customer_page)
    metrics_summary = later(figure_calls.metrics_summary)
    score_distribution = later(figure_calls.score_distribution)
    quality = later(figure_calls.quality)

    # Models
    models = later(model_calls.models)
    model = later(model_calls.model)
    model_run = later(model_calls.model_run)
    aliases = later(model_calls.aliases)
    set_alias = later(model_calls.set_alias)
    rollback = later(model_calls.rollback)
    journal = pages_later(model_calls.each_change)
    verify_models = later(model_calls.verify)
    load_model = later(model_calls.load_model)
    model_load = later(model_calls.model_load)

    # Rollouts
    start_rollout = later(rollout_calls.start_rollout)
    preview_rollout = later(rollout_calls.preview_rollout)
    rollouts = later(rollout_calls.rollouts)
    rollout = later(rollout_calls.rollout)
    rollout_history = later(rollout_calls.rollout_history)
    rollout_evidence = later(rollout_calls.rollout_evidence)
    advance_rollout = later(rollout_calls.advance_rollout)
    move_rollout = later(rollout_calls.move_rollout)

    # Experiments
    start_experiment = later(experiment_calls.start_experiment)
    experiments = later(experiment_calls.experiments)
    experiment = later(experiment_calls.experiment)
    experiment_history = later(experiment_calls.experiment_history)
    assign_experiment = later(experiment_calls.assign_experiment)
    stop_experiment = later(experiment_calls.stop_experiment)
    plan_experiment = later(experiment_calls.plan_experiment)

    # The service itself
    ready = later(health_calls.ready)

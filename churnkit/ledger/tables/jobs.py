"""Jobs and their files."""

from __future__ import annotations

import sqlalchemy as sa

from churnkit.ledger.tables.base import Document, Moment, metadata

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("job_id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("request", Document, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("started_at", Moment),
    sa.Column("finished_at", Moment),
    sa.Column("rows_total", sa.BigInteger),
    sa.Column("rows_done", sa.BigInteger, nullable=False),
    sa.Column("rows_failed", sa.BigInteger, nullable=False),
    sa.Column("progress", sa.Double),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("checkpoint", Document, nullable=False),
    sa.Column("result", Document),
    sa.Column("error", Document),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    # Who works on it: claims are counted, so that a process that was given up writes no more.
    sa.Column("claim", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
    sa.Index("ix_jobs_state_created_at", "state", "created_at"),
    sa.Index("ix_jobs_kind_created_at", "kind", "created_at"),
)

job_files = sa.Table(
    "job_files",
    metadata,
    sa.Column("job_id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("n_rows", sa.Integer, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    # The file below service.files that holds the bytes; null: they are in this row.
    sa.Column("place", sa.String(128)),
)

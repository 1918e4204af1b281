"""Scoring files stream in the model's types; scores are written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from churnkit import errors
from churnkit.data.frames import model_frame
from churnkit.data.scoring_input import TypedBatch, extra_columns, stream_typed
from churnkit.data.sources import open_source
from churnkit.data.writing import open_writer
from churnkit.domain.columns import ModelInput, ModelSchema
from churnkit.domain.progress import Cancel

SCHEMA = ModelSchema(
    inputs=(
        ModelInput(name="fee", kind="number"),
        ModelInput(name="vip", kind="boolean"),
        ModelInput(name="plan", kind="category", categories=("A", "B")),
    ),
    id_column="id",
    target="left",
    positive="Yes",
)


def _stream(folder: Path, text: str, schema: ModelSchema = SCHEMA) -> list[TypedBatch]:
    path = folder / "a.csv"
    path.write_text(text, encoding="utf-8")
    return list(stream_typed(open_source(path), schema, batch_rows=2))


def test_types_blanks_and_order(tmp_path: Path) -> None:
    text = "plan;id;vip;fee;left\nA;7;true;1.234,50;Yes\n ;8;;;No\nC;9;0;NA;No\n"
    first, second = _stream(tmp_path, text)
    assert [*first.columns] == ["fee", "vip", "plan"]
    assert first.ids.to_pylist() == ["7", "8"]
    assert first.columns["fee"].to_pylist() == [1234.5, None]
    assert first.columns["vip"].to_pylist() == [1.0, None]
    assert first.columns["plan"].to_pylist() == ["A", None]
    assert (second.first_row, second.columns["fee"].to_pylist()) == (2, [None])
    assert second.columns["plan"].to_pylist() == ["C"]
    assert extra_columns(open_source(tmp_path / "a.csv"), SCHEMA) == ()


def test_rows_are_ids_without_an_id_column(tmp_path: Path) -> None:
    nameless = SCHEMA.model_copy(update={"id_column": ""})
    batches = _stream(tmp_path, "fee,vip,plan\n1,1,A\n2,0,B\n3,1,A\n", nameless)
    assert [i for batch in batches for i in batch.ids.to_pylist()] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("row", "column"),
    [("4,x,true,A", "fee"), ("4,inf,true,A", "fee"), ("4,1,maybe,A", "vip"), (",1,true,A", "id")],
)
def test_a_bad_value_is_placed(row: str, column: str, tmp_path: Path) -> None:
    text = f"id,fee,vip,plan\n1,1.5,true,A\n2,1.5,true,A\n3,1,false,B\n{row}\n"
    with pytest.raises(errors.BadValue) as caught:
        _stream(tmp_path, text)
    where = caught.value.where
    assert (where["row"], where["column"]) == (5, column)
    assert str(where["file"]).endswith("a.csv")


def test_all_missing_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(errors.ColumnMissing) as caught:
        _stream(tmp_path, "id,Fee,other\n1,2,3\n")
    for word in ("'fee'", "'vip'", "'plan'", "Did you mean 'Fee'"):
        assert word in str(caught.value)


def test_parquet_types_and_the_frame_agree(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": [1.0, 2.0],
            "fee": pa.array([1, None], pa.int32()),
            "vip": [True, None],
            "plan": pa.array(["A", None]).dictionary_encode(),
            "shoe": [1, 2],
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    source = open_source(tmp_path / "a.parquet")
    (batch,) = stream_typed(source, SCHEMA)
    assert batch.ids.to_pylist() == ["1", "2"]
    assert extra_columns(source, SCHEMA) == ("shoe",)
    frame = model_frame(table, SCHEMA)
    assert [*frame.columns] == ["fee", "vip", "plan"]
    for name in ("fee", "vip"):
        assert frame[name].dtype == np.float64
        np.testing.assert_array_equal(frame[name], np.array([1.0, np.nan]))
    assert str(frame["plan"].dtype) == "str"
    assert frame["plan"].isna().tolist() == [False, True]
    with pytest.raises(errors.ColumnMissing):
        model_frame(table.drop_columns(["fee"]), SCHEMA)
    for bad in (["x", "1"], [float("inf"), 1.0]):
        with pytest.raises(errors.BadValue) as caught:
            model_frame(table.set_column(1, "fee", pa.array(bad)), SCHEMA)
        assert (caught.value.where["row"], caught.value.where["column"]) == (1, "fee")


def test_cancelled(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,fee,vip,plan\n1,1,1,A\n2,2,0,B\n", encoding="utf-8")
    asked = Cancel()
    stream = stream_typed(open_source(tmp_path / "a.csv"), SCHEMA, batch_rows=1, cancel=asked)
    next(stream)
    asked.cancel()
    with pytest.raises(errors.Cancelled):
        next(stream)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_writing_is_whole_or_not_at_all(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"scores{ending}"
    table = pa.table({"id": ["1", "2"], "p": [0.25, 0.5]})
    with open_writer(path) as writer:
        writer.write(table.slice(0, 1))
        writer.write(table.slice(1))
    read = csv.read_csv(path) if ending == ".csv" else parquet.read_table(path)
    assert read["p"].to_pylist() == [0.25, 0.5]
    before = path.read_bytes()
    for error, expected in (
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), errors.DiskFull),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), errors.FolderReadOnly),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ):
        with pytest.raises(expected), open_writer(path) as writer:
            writer.write(table)
            raise error
    with pytest.raises(errors.DataEmpty), open_writer(path):
        pass
    with pytest.raises(errors.DataUnreadable), open_writer(path, overwrite=False):
        pass
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def test_writing_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(errors.DataUnreadable), open_writer(tmp_path / "scores.xls"):
        pass
    assert not [*tmp_path.iterdir()]

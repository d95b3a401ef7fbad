"""Tables as Parquet files."""

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel


def to_parquet(model: type[BaseModel], rows: Sequence[BaseModel], names: Sequence[str]) -> bytes:
    """A Parquet file with these fields of the rows as its columns, typed as the model says, whatever the rows hold.

    Args:
        model: a class that has the fields: texts, whole numbers or numbers, each of them perhaps empty, which is null.
        rows: one line each, in this order.
        names: the columns, in this order.
    """
    # Imported here: it takes tens of megabytes, which most gateways never need.
    import pyarrow
    from pyarrow import parquet

    types: dict[Any, Any] = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}

    def type_of(name: str) -> Any:
        annotation = model.model_fields[name].annotation
        return next(types[kind] for kind in (annotation, *get_args(annotation)) if kind in types)

    schema = pyarrow.schema([(name, type_of(name)) for name in names])
    columns = {name: [getattr(row, name) for row in rows] for name in names}
    out = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(columns, schema), out)
    return out.getvalue().to_pybytes()  # type: ignore[no-any-return]

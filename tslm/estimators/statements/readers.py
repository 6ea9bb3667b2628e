"""Readers of statements by their names; each is made once in a process."""

from functools import lru_cache

from tslm.core.errors import BackboneError
from tslm.core.paths import cache_folder
from tslm.estimators.statements.rules_reader import RulesReader
from tslm.models.text.loading import statement_reader
from tslm.models.text.statement_reader import StatementReader


def reader_named(name: str) -> StatementReader:
    """Return the reader of statements of this name.

    Args:
        name: a backbone, or "rules".

    Raises:
        BackboneError: if the backbone cannot be found, or has other weights than the head was
            trained with.
    """
    try:
        return _reader(name, str(cache_folder()))
    except BackboneError as error:
        raise BackboneError(
            f"text_reader={name}: {error} text_reader=rules needs no language model."
        ) from error


@lru_cache(maxsize=4)
def _reader(name: str, folder: str) -> StatementReader:
    """Make a reader, or return the last one of this name and cache folder."""
    return RulesReader() if name == RulesReader.identity else statement_reader(name)

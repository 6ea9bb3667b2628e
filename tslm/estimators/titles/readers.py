"""Titles of series by the settings of an estimator: template and reader."""

from tslm.core.errors import BackboneError, ConfigError
from tslm.data.panel import Panel
from tslm.data.series_text import PromptTemplate
from tslm.estimators.statements.rules_reader import RulesReader
from tslm.estimators.titles.known_titles import KnownTitles, known_rows
from tslm.models.text.loading import title_reader
from tslm.models.text.title_vectors import LanguageModelTitles, TitleVectors


def title_template(titles: str | None) -> PromptTemplate:
    """Return the template of titles; an empty one for None.

    Raises:
        ConfigError: if it names no column.
    """
    template = PromptTemplate.parse(titles, "titles")
    if titles is not None and not template.names:
        raise ConfigError(
            f"titles={titles!r} is the same for all series. Name the column of titles in braces: "
            "titles='{title}'."
        )
    return template


def title_reader_named(name: str, known: KnownTitles | None = None) -> TitleVectors:
    """Return the reader of titles of this name.

    Args:
        name: a backbone.
        known: titles of ``fit``, which the same reader must have read.

    Raises:
        ConfigError: if it reads no titles.
        BackboneError: if it is not on this machine, or is another one than that of ``fit``.
    """
    if name == RulesReader.identity:
        raise ConfigError(
            "text_reader='rules' reads no titles of series. Name a language model, such as "
            "text_reader='smollm2-135m', or leave titles out."
        )
    reader = LanguageModelTitles(title_reader(name))
    if known is not None and known.reader not in ("", reader.identity):
        raise BackboneError(
            f"The titles of fit were read by {known.reader}, and text_reader={name} is "
            f"{reader.identity} now. Set the text_reader of fit, or fit again."
        )
    return reader


def needs_titles(known: KnownTitles, panel: Panel) -> bool:
    """Return True if a series of a panel has so few rows that its title is used."""
    if known.process is None or panel.titles is None:
        return False
    rows = known_rows(panel).tolist()
    return any(count < known.few and known.trust.of(count)[0] > 0 for count in rows)

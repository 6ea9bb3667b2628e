"""A part named by its yaml, with options: ``Spec("autotimes", patch_len=48)``."""

from collections.abc import Mapping, Sequence
from reprlib import repr as brief
from typing import Any

from tslm.core.errors import ConfigError
from tslm.core.messages import unknown_key


class Spec:
    """Names one file of a config group and overrides some of its options.

    Equal to ``adapter=autotimes adapter.patch_len=48`` on the command line. Options are checked
    against the yaml when a model is fitted. Nested parameters work as in scikit-learn:
    ``model.set_params(adapter__patch_len=24)``.

    Args:
        name: the file in ``conf/GROUP``, without its ending.
        options: settings of that file.

    Examples:
        >>> from tslm import Spec, TSLMForecaster
        >>> model = TSLMForecaster(adapter=Spec("autotimes", patch_len=48))
        >>> model.set_params(adapter__patch_len=24).adapter
        Spec('autotimes', patch_len=24)
    """

    def __init__(self, name: str, **options: Any) -> None:
        self.name = name
        self.options = options

    @classmethod
    def of(cls, part: "str | Spec") -> "Spec":
        """Return a spec unchanged, or make a spec without options from a name."""
        return part if isinstance(part, Spec) else cls(part)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return name and options in one dict, as scikit-learn expects."""
        return {"name": self.name, **self.options}

    def set_params(self, **params: Any) -> "Spec":
        """Change the name or set options."""
        self.name = params.pop("name", self.name)
        self.options = {**self.options, **params}
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self.get_params() == other.get_params()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        options = "".join(f", {key}={value!r}" for key, value in self.options.items())
        return f"Spec({self.name!r}{options})"


def refuse_nested(name: str, value: Any) -> None:
    """Raise if a setting is not a scalar or a list of scalars, or has ``${`` in it.

    Args:
        name: name of the setting, for the message.
        value: its value.

    Raises:
        ConfigError: if it is something else; the message has its name and value.
    """
    for item in value if isinstance(value, list | tuple) else [value]:
        if item is not None and not isinstance(item, bool | int | float | str):
            raise ConfigError(
                f"{name}={brief(value)} must be a number, text, true, false, null, or a list of "
                "these."
            )
        if isinstance(item, str) and "${" in item:
            raise ConfigError(
                f"{name}={brief(value)} holds ${{, which is not allowed in a setting. Remove it."
            )


def nested(estimator: Any, parts: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the name of a part by a ``Spec`` where one of its options is set.

    Args:
        estimator: the estimator whose parameters are set.
        parts: parameters of the estimator that name a part, such as ``adapter``.
        params: arguments of ``set_params``, such as ``adapter__patch_len=24``.

    Returns:
        The parameters for scikit-learn's ``set_params``.

    Raises:
        ConfigError: if an option is set of a part that is None, or there is no such parameter.
    """
    known = sorted(estimator.get_params(deep=False))
    for key in params:
        if (name := key.partition("__")[0]) not in known:
            raise ConfigError(unknown_key(name, known))
    found = dict(params)
    for part in parts:
        options = [key for key in params if key.startswith(f"{part}__")]
        given = params.get(part, getattr(estimator, part))
        if options and given is None:
            raise ConfigError(
                f"{part} is None, so it has no options to set. Pass {part}=Spec(NAME, ...)."
            )
        if options and isinstance(given, str):
            found[part] = Spec(given)
    return found

"""A part named by its yaml, with options: ``Spec("autotimes", patch_len=48)``."""

from collections.abc import Mapping, Sequence
from reprlib import repr as brief
from typing import Any

from tslm.core.errors import ConfigError


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
        """A spec as it is, a bare name as a spec without options."""
        return part if isinstance(part, Spec) else cls(part)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Name and options, as scikit-learn's ``clone`` and ``GridSearchCV`` expect them."""
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
    """Let a setting be a scalar or a list of scalars, without anything for OmegaConf to resolve.

    Raises:
        ConfigError: naming the setting and its value.
    """
    for item in value if isinstance(value, list | tuple) else [value]:
        if item is not None and not isinstance(item, bool | int | float | str):
            raise ConfigError(
                f"{name}={brief(value)} must be a number, text, true, false, null, or a list of "
                "these."
            )
        if isinstance(item, str) and "${" in item:
            raise ConfigError(
                f"{name}={brief(value)} holds ${{, and no setting may hold that. Remove it."
            )


def nested(estimator: Any, parts: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters to set, in which a part that options are set of is a ``Spec``, not a bare name.

    Args:
        estimator: whose parameters they are.
        parts: the parameters of it that name parts.
        params: what ``set_params`` was given, such as ``adapter__patch_len=24``.

    Raises:
        ConfigError: if a part is None, and so has no options.
    """
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

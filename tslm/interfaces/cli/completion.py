"""Completion in a shell while a command is typed: verbs, settings, choices."""

from collections.abc import Sequence

from tslm.core.config.choices import choices
from tslm.core.config.compose import compose, keys
from tslm.core.errors import ConfigError, TslmError
from tslm.core.paths import is_group
from tslm.interfaces.cli.verbs import OTHERS, VERBS

SCRIPTS = {
    "bash": """\
_tslm() {
  local typed="${COMP_LINE:0:COMP_POINT}" last
  local -a words
  read -ra words <<< "$typed"
  [[ $typed == *" " ]] && words+=("")
  last="${words[${#words[@]} - 1]}"
  mapfile -t COMPREPLY < <(tslm completion of "${words[@]:1}" 2> /dev/null)
  [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2> /dev/null
  [[ $last == *=* ]] && COMPREPLY=("${COMPREPLY[@]#*=}")
}
complete -o default -F _tslm tslm
""",
    "zsh": """\
_tslm() {
  local -a found
  found=("${(@f)$(tslm completion of "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -S '' -- $found
}
compdef _tslm tslm
""",
    "fish": """\
complete -c tslm -a '(tslm completion of (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
""",
}
LISTED = (
    "adapter",
    "base",
    "benchmark",
    "budget",
    "decoder",
    "entrant",
    "experiment",
    "freeze",
    "rollout",
    "distribution",
    "model",
)


def completion(words: Sequence[str]) -> None:
    """Print the completion script of a shell.

    Args:
        words: the words after ``tslm completion``: ``bash``, ``zsh`` or ``fish``. The scripts
            themselves call ``of WORDS ...`` to ask for candidates.

    Raises:
        ConfigError: if the words name no shell.
    """
    if words[:1] == ["of"]:
        print(*offered(list(words[1:])), sep="\n")
    elif len(words) == 1 and words[0] in SCRIPTS:
        print(SCRIPTS[words[0]], end="")
    else:
        raise ConfigError(
            f"Type tslm completion SHELL, where SHELL is one of {', '.join(SCRIPTS)}."
        )


def offered(words: list[str]) -> list[str]:
    """Return the words that can replace the last word, which is unfinished.

    Args:
        words: the words after ``tslm``.
    """
    *before, last = words or [""]
    if not before:
        return [verb for verb in (*VERBS, *OTHERS, *LISTED) if verb.startswith(last)]
    if before[0] not in VERBS:
        further = {"backbone": ["list", "pull"], "config": ["show", "check"], "completion": SCRIPTS}
        return [word for word in further.get(before[0], ["list"]) if word.startswith(last)]
    key, equals, value = last.partition("=")
    if equals:
        group = key if is_group(key) else ""
        return [
            f"{key}={name}" for name in (choices(group) if group else []) if name.startswith(value)
        ]
    try:
        known = keys(compose(f"verb/{before[0]}", [word for word in before[1:] if "=" in word]))
    except TslmError:  # the settings typed so far may not fit together yet
        known = keys(compose(f"verb/{before[0]}"))
    return [f"{name}=" for name in known if name.startswith(last)]

"""The Dockerfile of the server names files, extras and settings that exist."""

import json
import re
import tomllib
from pathlib import Path

from tslm.core.config.compose import compose
from tslm.core.config.validation import complete

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "examples" / "serving" / "Dockerfile"


def instructions(name):
    text = FILE.read_text().replace("\\\n", " ")
    return re.findall(rf"^{name} (.*)$", text, re.M)


def test_every_file_that_is_copied_exists():
    copied = [line.split() for line in instructions("COPY") if "--from" not in line]
    assert copied
    for words in copied:
        for source in words[:-1]:
            assert (ROOT / source).exists(), source


def test_what_the_wheel_is_built_from_is_copied():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"], project["project"]["readme"]}
    needed |= set(project["project"]["license-files"])
    stage = FILE.read_text().split("FROM")[1]
    copied = set(re.findall(r"[\w.]+", " ".join(re.findall(r"^COPY (.*)$", stage, re.M))))
    assert needed <= copied


def test_the_extra_and_the_settings_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    (extra,) = re.findall(r"\.whl\)\[(\w+)\]", FILE.read_text())
    assert extra in extras
    verb, *words = json.loads(instructions("ENTRYPOINT")[0])[1:]
    cfg = complete(compose(f"verb/{verb}", [*words, *json.loads(instructions("CMD")[-1])]))
    assert (cfg.host, str(cfg.port)) == ("0.0.0.0", instructions("EXPOSE")[0])


def test_the_server_does_not_run_as_root():
    assert instructions("USER")[-1] != "root"

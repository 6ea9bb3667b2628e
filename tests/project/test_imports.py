"""Every module can be imported where a part of the standard library is missing, as on Windows."""

import subprocess
import sys

SCRIPT = """
import pkgutil, sys, warnings
from importlib import import_module

import transformers.activations  # and what it imports, which has ways of its own on Windows

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name in ("resource", "fcntl", "pwd", "grp", "termios"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
for name in ("resource", "fcntl", "pwd", "grp", "termios"):
    sys.modules.pop(name, None)
warnings.simplefilter("ignore")
import tslm
optuna = ("tuning", "search_space", "study_folder")
ray = "tslm.serving.ray_serve"  # Ray has ways of its own on Windows
optional = ("tslm.interfaces.", ray, *(f"tslm.evaluation.{name}" for name in optuna))
for module in pkgutil.walk_packages(tslm.__path__, "tslm."):
    if not module.name.startswith(optional):
        import_module(module.name)
from tslm.evaluation.speed import peak_memory
print(peak_memory())
"""


def test_no_module_needs_what_windows_lacks() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("nan")

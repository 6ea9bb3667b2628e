"""Our yaml files as Hydra composes them, without Hydra's process-wide state."""

from functools import lru_cache
from pathlib import Path
from threading import Lock

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import IConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.default_element import ResultDefault
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from packaging.version import Version
from yaml import YAMLError

from tslm.core.config.choices import CHOICES, GROUPS
from tslm.core.errors import ConfigError
from tslm.core.paths import conf_folder

_COMPOSING = Lock()  # Hydra's version and OmegaConf's caches belong to the process


@lru_cache(maxsize=64)
def composed(primary: str, chosen: tuple[str, ...], further: tuple[Path, ...]) -> DictConfig:
    """Compose settings from a primary yaml file and choices of groups.

    The result is shared between calls: copy it before changing it.

    Args:
        primary: a yaml file without its ending, such as ``verb/fit``.
        chosen: ``GROUP=NAME``, once a group.
        further: folders of yaml files besides ours.
    """
    cfg = _load(primary, chosen, further)
    names = cfg.hydra.runtime.choices
    cfg = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    with open_dict(cfg):
        named = {group: names.get(group) for group in (*GROUPS, "budget")}
        cfg[CHOICES] = {group: name for group, name in named.items() if name}
    OmegaConf.set_struct(cfg, True)
    return cfg


class _Loader(ConfigLoaderImpl):
    """Hydra's loader for our files alone, without the schemas of the application around us."""

    def _load_single_config(self, default: ResultDefault, repo: IConfigRepository) -> ConfigResult:
        assert default.config_path is not None
        found = repo.load_config(config_path=default.config_path)
        assert found is not None
        return self._embed_result_config(found, default.package)


def _load(primary: str, chosen: tuple[str, ...], further: tuple[Path, ...]) -> DictConfig:
    """Compose our files with Hydra; its process-wide state stays as it is."""
    path = ConfigSearchPathImpl()
    path.append("hydra", "pkg://hydra.conf")
    for folder in (conf_folder(), *further):
        path.append("main" if folder == conf_folder() else "further", f"file://{folder}")
    path.append("schema", "structured://")
    with _COMPOSING:
        Plugins.instance()  # they register how folders are read
        base = VersionBase.instance().version_base
        VersionBase.instance().version_base = Version("1.3")
        try:
            words = [*chosen, "hydra.job.name=tslm"]
            return _Loader(path).load_configuration(primary, words, RunMode.RUN, from_shell=False)
        except (HydraException, OmegaConfBaseException, YAMLError) as error:
            raise ConfigError(str(error).strip().split("\n")[0]) from error
        finally:
            VersionBase.instance().version_base = base

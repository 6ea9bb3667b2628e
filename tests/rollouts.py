"""Roll-outs by name, for models that tests put together themselves."""

from typing import Any

from omegaconf import OmegaConf

from tslm.core.config.choices import node
from tslm.core.types import Task
from tslm.models.adapters.base import Adapter
from tslm.models.assembly import rollout_of
from tslm.models.backbones.base import Backbone
from tslm.models.rollouts.base import Rollout


def rollout(name: str, backbone: Backbone, adapter: Adapter, **options: Any) -> Rollout:
    """Return the roll-out of a yaml, for one segment as horizon."""
    layout = adapter.layout
    task = Task(layout.n_tokens * layout.patch_len, layout.patch_len)
    return rollout_of(OmegaConf.merge(node("rollout", name), options), backbone, adapter, task)

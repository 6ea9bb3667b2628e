"""Effect heads in files: the weights, and the identity of the reader they were trained with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tslm.core.atomic_write import draft_beside
from tslm.core.errors import BackboneError, DataError
from tslm.models.backbones.base import Identity
from tslm.models.text.effect_head import EffectHead

SHIPPED = Path(__file__).with_name("effect_head.safetensors")


@dataclass(frozen=True)
class StoredHead:
    """Effect head and the identity of its reader.

    Args:
        head: the trained head.
        backbone: name of the backbone.
        fingerprint: fingerprint of its weights.
        n_layers: number of first blocks that read.
        template: text around each sentence.
    """

    head: EffectHead
    backbone: str
    fingerprint: str
    n_layers: int
    template: str

    def check(self, identity: Identity) -> None:
        """Raise a BackboneError unless these are the weights that the head was trained with."""
        if identity.fingerprint != self.fingerprint:
            raise BackboneError(
                f"The effect head was trained with {self.backbone} of fingerprint "
                f"{self.fingerprint}, but {identity.name} on this machine has "
                f"{identity.fingerprint}. Remove it from the cache folder and run "
                f"'tslm backbone pull {self.backbone}'."
            )


def read_head(path: Path) -> StoredHead:
    """Read an effect head from a file.

    Raises:
        DataError: if the file is no effect head.
    """
    try:
        with safe_open(path, "pt") as file:
            facts: Mapping[str, Any] = json.loads((file.metadata() or {})["effect_head"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        head = EffectHead(facts["width"], facts["rank"], numbers=facts["numbers"])
        head.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        names = ("backbone", "fingerprint", "n_layers", "template")
        return StoredHead(head.eval(), *(facts[name] for name in names))
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise DataError(f"{path} is not an effect head ({error}). Install tslm again.") from error


def write_head(stored: StoredHead, path: Path) -> None:
    """Write an effect head, in half precision and in one step."""
    head = stored.head
    facts = {
        "backbone": stored.backbone,
        "fingerprint": stored.fingerprint,
        "n_layers": stored.n_layers,
        "template": stored.template,
        "width": head.width,
        "rank": head.rank,
        "numbers": head.numbers,
    }
    tensors = {name: tensor.half().contiguous() for name, tensor in head.state_dict().items()}
    with draft_beside(path) as draft:
        save_file(tensors, draft, {"effect_head": json.dumps(facts)})
        draft.chmod(0o644)
        draft.replace(path)

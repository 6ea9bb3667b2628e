"""Selection of the backbone weights that are trained; all others stay frozen."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from torch import nn

from tslm.core.errors import ConfigError
from tslm.models.backbones.build import Body, position_tables


class Freeze(ABC):
    """Rule that selects the trained weights of a backbone."""

    @abstractmethod
    def thaw(self, body: Body) -> None:
        """Unfreeze the selected weights of a frozen transformer, in place."""


class Strict(Freeze):
    """No weight is trained: all models of a process share the backbone."""

    def thaw(self, body: Body) -> None:
        return


class Norms(Freeze):
    """Scales and shifts of all norms, as in GPT4TS (Zhou et al., NeurIPS 2023) and S2IP-LLM.

    Args:
        positions: True if learnt position tables are trained too; rotary models have none.
    """

    def __init__(self, *, positions: bool = False) -> None:
        self.positions = positions

    def thaw(self, body: Body) -> None:
        for module in norms(body):
            module.requires_grad_(True)
        if self.positions:
            for table in position_tables(body):
                table.requires_grad_(True)


class Full(Freeze):
    """All weights of the blocks; neither word embeddings nor a pooler, which tokens do not use."""

    def thaw(self, body: Body) -> None:
        body.requires_grad_(True)
        body.get_input_embeddings().requires_grad_(False)
        for name, part in body.named_children():
            if name == "pooler":
                part.requires_grad_(False)


class LoRA(Freeze):
    """Low-rank updates of some linear maps (Hu et al., "LoRA", ICLR 2022), by peft.

    Args:
        rank: rank of the updates.
        alpha: updates are multiplied by ``alpha / rank``.
        dropout: must be 0, because backbones stay in evaluation mode.
        targets: names of the maps; None takes peft's list for the architecture, mostly queries
            and values.

    Raises:
        ConfigError: if peft cannot update these maps, or ``dropout`` is not 0.
    """

    def __init__(
        self,
        *,
        rank: int = 8,
        alpha: int = 16,
        dropout: float = 0.0,
        targets: Sequence[str] | None = None,
    ) -> None:
        if dropout:
            raise ConfigError(
                f"freeze.dropout={dropout}: backbones stay in evaluation mode. Set it to 0."
            )
        self.rank, self.alpha = rank, alpha
        self.targets = None if targets is None else list(targets)

    def thaw(self, body: Body) -> None:
        from peft import LoraConfig, inject_adapter_in_model
        from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as USUAL

        targets = self.targets or USUAL.get(body.config.model_type)
        if targets is None:
            raise ConfigError(
                f"peft has no list of maps for {body.config.model_type}. Name some in "
                "freeze.targets."
            )
        settings = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            target_modules=list(targets),
            fan_in_fan_out=body.config.model_type == "gpt2",
        )
        try:
            inject_adapter_in_model(settings, body)
        except ValueError as error:
            raise ConfigError(f"peft cannot update {', '.join(targets)}: {error}") from error


def norms(body: Body) -> Iterator[nn.Module]:
    """Find the norms of a transformer, by the name of their class."""
    return (module for module in body.modules() if "norm" in type(module).__name__.lower())

"""What of a body is trained: its own axis, whatever the weights are."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from torch import nn

from tslm.core.errors import ConfigError
from tslm.models.backbones.build import Body, position_tables


class Freeze(ABC):
    """Chooses the weights of a body that are trained; all others stay as they are."""

    @abstractmethod
    def thaw(self, body: Body) -> None:
        """Let weights of a frozen body be trained, in place."""


class Strict(Freeze):
    """Nothing is trained: the body is shared with everyone who reads it."""

    def thaw(self, body: Body) -> None:
        return


class Norms(Freeze):
    """Scales and shifts of all norms, and learnt positions if asked for (GPT4TS, S2IP-LLM).

    Args:
        positions: whether learnt position tables are trained too; rotary bodies have none.
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
    """Every weight that tokens pass through: neither the word table nor what sums up a sentence."""

    def thaw(self, body: Body) -> None:
        body.requires_grad_(True)
        body.get_input_embeddings().requires_grad_(False)
        for name, part in body.named_children():
            if name == "pooler":
                part.requires_grad_(False)


class LoRA(Freeze):
    """Low-rank updates of some maps (Hu et al., ICLR 2022), by peft.

    Args:
        rank: of the updates.
        alpha: they count ``alpha / rank`` times.
        dropout: before them; a body stays in evaluation mode, so it must be 0.
        targets: names of the maps; None takes peft's for the architecture, mostly queries and
            values.

    Raises:
        ConfigError: if peft cannot place them, or ``dropout`` is not 0.
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
            raise ConfigError(f"dropout={dropout}: bodies stay in evaluation mode. Set it to 0.")
        self.rank, self.alpha = rank, alpha
        self.targets = None if targets is None else list(targets)

    def thaw(self, body: Body) -> None:
        from peft import LoraConfig, inject_adapter_in_model
        from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as USUAL

        targets = self.targets or USUAL.get(body.config.model_type)
        if targets is None:
            raise ConfigError(
                f"peft has no usual maps for {body.config.model_type}. Name some in freeze.targets."
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
    """The norms of a body, whatever its architecture calls them."""
    return (module for module in body.modules() if "norm" in type(module).__name__.lower())

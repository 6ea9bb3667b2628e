"""Root-mean-square norm with a frozen scale, with fewer passes over memory.

Zhang & Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019. The forward pass is that of
transformers to the bit. The backward pass gives the same gradient by half as many operations,
because the scale needs none.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers.models.llama.modeling_llama import LlamaRMSNorm


class FrozenRMSNorm(LlamaRMSNorm):
    """Norm of Llama; as in transformers where its scale is trained, or is not in fp32."""

    def forward(self, hidden_states: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        usual = self.weight.requires_grad or not torch.is_grad_enabled()
        if usual or not hidden_states.dtype == self.weight.dtype == torch.float32:
            return super().forward(hidden_states)
        apply: Callable[[Tensor, Tensor, float], Tensor] = _Norm.apply
        return apply(hidden_states, self.weight, self.variance_epsilon)


class _Norm(torch.autograd.Function):
    """The norm, and its gradient for the input alone."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, epsilon: float) -> Tensor:
        inverse = torch.rsqrt(values.pow(2).mean(-1, keepdim=True) + epsilon)
        normalised = values * inverse
        ctx.save_for_backward(normalised, inverse, scale)
        return scale * normalised

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None, None]:
        normalised, inverse, scale = ctx.saved_tensors
        gradient = above * scale
        along = (gradient * normalised).mean(-1, keepdim=True)
        return gradient.addcmul_(normalised, along, value=-1).mul_(inverse), None, None


def use_frozen_norms(body: nn.Module) -> None:
    """Let the norms of Llama in a body compute as ``FrozenRMSNorm``; their weights stay."""
    for module in body.modules():
        if type(module) is LlamaRMSNorm:
            module.__class__ = FrozenRMSNorm

"""Convolution, and the ReLU after it in the same pass over the map, for networks that only predict."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.ops.tracing import is_traced


class Ordered:
    """A kernel in the order that oneDNN wants, made at its first use; no part of copies and files of a network.

    Otherwise oneDNN would order it in every call, which takes up to a quarter of a prediction: small maps have large
    kernels, and several scales the same.
    """

    kernel: Tensor | None = None

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return Ordered, ()


def fused_convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    positive: bool,
    ordered: Ordered,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> Tensor:
    """Return w * x + b, or its positive part: (N, C, H, W), (C_out, C, k, k) → (N, C_out, H', W').

    ordered: belongs to this kernel, whose values may not change. The bias may be float32 where map and kernel are
    bfloat16, which keeps its value. On a CPU, without gradients, oneDNN applies the ReLU while a result is in the
    cache, and has a fast path for 1 × 1 kernels on one thread, too.
    """
    if uses_onednn(x):
        geometry, then = ([padding] * 2, [stride] * 2, [dilation] * 2, 1), "relu" if positive else "none"
        if ordered.kernel is None:
            ordered.kernel = torch.ops.mkldnn._reorder_convolution_weight(weight, *geometry, list(x.shape))
        return torch.ops.mkldnn._convolution_pointwise(x, ordered.kernel, bias, *geometry, then, [], "")
    if bias is None or bias.dtype == x.dtype:
        y = F.conv2d(x, weight, bias, stride, padding, dilation)
    else:
        y = (F.conv2d(x, weight, None, stride, padding, dilation) + bias[:, None, None]).to(x.dtype)
    return F.relu(y) if positive else y


def uses_onednn(x: Tensor) -> bool:
    """Tell whether oneDNN's own operator takes a map: on a CPU, without gradients and tracing, and known to torch.

    Its operators are those that torch.compile uses.
    """
    if not x.is_cpu or x.numel() == 0 or torch.is_grad_enabled() or is_traced():
        return False
    operators = ("_convolution_pointwise", "_reorder_convolution_weight")
    if not torch.backends.mkldnn.is_available() or not all(hasattr(torch.ops.mkldnn, name) for name in operators):
        return False
    return x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and has_bfloat16())


def has_bfloat16() -> bool:
    """Tell whether oneDNN computes in bfloat16 on this processor."""
    known = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return known is not None and bool(known())

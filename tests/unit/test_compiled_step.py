"""Training steps through torch.compile: loss and gradients are those of eager torch, for every network."""

import shutil

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet import build_model
from seunet.experiment.compiled_step import CompiledNetwork, resolve_compile
from seunet.runtime.errors import UserError
from seunet.settings.training import Training

EXACT = {"geometry": "exact", "width": 4, "depth": 1}
PYRAMID = EXACT | {"layout": "pyramid"}
NETWORKS = {
    "unet": ("unet", {"width": 4, "depth": 1}),
    "windows": ("seunet", PYRAMID | {"num_scales": 2, "scales_in_training": 3, "scales_at_test": 4, "border": "zeros"}),
    "pyramid": ("seunet", PYRAMID | {"num_scales": 3}),
    "dense": ("seunet", EXACT | {"num_scales": 3}),
    "released": ("seunet", {"width": 4, "depth": 1, "num_scales": 2}),
    "sresnet": ("sresnet", {"width": 2, "num_scales": 2}),
}


def gradients(network: nn.Module, call, x: Tensor, y: Tensor) -> Tensor:
    """Return loss and all gradients of a step, and the running statistics after it, as one vector."""
    torch.manual_seed(1)
    network.zero_grad()
    logits = call(x)
    loss = F.cross_entropy(logits, y.repeat(len(logits) // len(y), 1, 1))
    loss.backward()
    found = [loss.detach(), *(p.grad for p in network.parameters()), *network.buffers()]
    return torch.cat([part.flatten().double() for part in found])


def compare(name: str, backend: str) -> None:
    """Compare a step in float64, where no maximum and no ReLU is turned over by rounding."""
    kind, options = NETWORKS[name]
    x, y = torch.rand(2, 1, 16, 24, dtype=torch.float64), torch.randint(0, 2, (2, 16, 24))
    vectors = []
    for wrap in (lambda network: network, lambda network: CompiledNetwork(network, backend)):
        torch.manual_seed(0)
        network = build_model(kind, 1, 2, **options).double().train()
        vectors.append(gradients(network, wrap(network), x, y))
    eager, compiled = vectors
    assert (compiled - eager).norm() <= 1e-4 * eager.norm()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.filterwarnings("ignore")
def test_a_traced_step_is_the_eager_one(name: str) -> None:
    compare(name, "aot_eager")


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler here")
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_step_is_the_eager_one(name: str, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    compare(name, "inductor")


@pytest.mark.filterwarnings("ignore")
def test_a_process_compiles_more_networks_of_one_class_than_torch_allows_a_function() -> None:
    images = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    for width in range(1, torch._dynamo.config.recompile_limit + 2):
        network = build_model("unet", 1, 2, width=width, depth=1).double().train()
        torch.testing.assert_close(CompiledNetwork(network, "eager")(images), network(images))


def test_the_choice_is_part_of_the_settings() -> None:
    settings = Training(epochs=1, batch_size=1)
    assert resolve_compile(settings, torch.device("cpu")).compile is False
    assert resolve_compile(settings.model_copy(update={"compile": True}), torch.device("cpu")).compile is True


@pytest.mark.filterwarnings("ignore")
def test_a_network_that_cannot_be_compiled_is_refused_in_one_line() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * len(str(float(x.sum())))

    with pytest.raises(UserError, match="training.compile: torch cannot compile the network") as caught:
        CompiledNetwork(Odd(), "aot_eager")(torch.ones(1, 1, 4, 4))
    assert len(str(caught.value).splitlines()) == 1

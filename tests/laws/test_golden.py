"""Every operator and network against values computed with the authors' released TensorFlow code.

GOLDEN_DIR names another folder of the same shape. Tolerance: 1e-4 of the largest golden value.
"""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from conftest import GOLDEN_DIR
from torch import Tensor, nn

from seunet import build_model
from seunet.data.rescaling import rescale_image, rescale_mask
from seunet.experiment.metrics import confusion_counts
from seunet.layers import (
    FlatDilation,
    GaussianLifting,
    QuadraticDilation,
    ScaleCrossCorrelation,
    ScaleUpsample,
)
from seunet.layers.coefficients import BoundedCoefficient
from seunet.settings.metric import Metric

ARCHITECTURE_OF = {"model_unet": "unet", "model_seunet": "seunet", "model_sresnet": "sresnet"}


def names(pattern: str) -> list[str]:
    """Return the golden files of a pattern; an empty folder is a failure, not a pass."""
    found = sorted(path.stem for path in GOLDEN_DIR.glob(f"{pattern}.npz"))
    assert found, f"no {pattern}.npz in {GOLDEN_DIR}"
    return found


def load(name: str) -> tuple[dict[str, np.ndarray], dict]:
    with np.load(GOLDEN_DIR / f"{name}.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    return arrays, json.loads(str(arrays.pop("params", "{}")))


def tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.copy())


def assert_close(ours: Tensor, golden: np.ndarray, what: str = "") -> None:
    assert ours.shape == golden.shape, what
    error = (ours.detach() - tensor(golden)).abs().max().item()
    assert error <= 1e-4 * max(np.abs(golden).max(), 1e-12), f"{what}: {error}"


def set_coefficient(layer: nn.Module, values: np.ndarray) -> None:
    (coefficient,) = [m for m in layer.modules() if isinstance(m, BoundedCoefficient)]
    with torch.no_grad():
        coefficient.value.copy_(tensor(values))


@pytest.mark.parametrize("name", names("lifting_*"))
def test_lifting(name: str) -> None:
    golden, params = load(name)
    image = tensor(golden["image"])
    layer = GaussianLifting(image.shape[1], params["n_scales"], zero_scale=params["zero_scale"])
    assert [layer.coefficient.low, layer.coefficient.high] == pytest.approx(params["clip"])
    assert_close(layer(image), golden["lifted_initial"], "initial")
    set_coefficient(layer, golden["coef"])
    assert_close(layer(image), golden["lifted_coef"], "coefficients")


@pytest.mark.parametrize("name", names("crosscorrelation_*"))
def test_crosscorrelation(name: str) -> None:
    golden, params = load(name)
    x = tensor(golden["x"]).requires_grad_()
    layer = ScaleCrossCorrelation(
        x.shape[2],
        golden["weight"].shape[0],
        scale_size=params["scale_dim"],
        stride=params["stride"],
        base=params["base"],
    )
    layer.load_state_dict({"weight": tensor(golden["weight"]), "bias": tensor(golden["bias"])})
    y = layer(x)
    assert_close(y, golden["y"], "y")
    y.backward(tensor(golden["cotangent"]))
    assert_close(x.grad, golden["grad_x"], "grad_x")
    assert_close(layer.weight.grad, golden["grad_weight"], "grad_weight")
    assert_close(layer.bias.grad, golden["grad_bias"], "grad_bias")


@pytest.mark.parametrize("name", names("pooling_quadratic_*"))
def test_quadratic_pooling(name: str) -> None:
    golden, params = load(name)
    x = tensor(golden["x"]).requires_grad_()
    layer = QuadraticDilation(x.shape[2], zero_scale=params["zero_scale"])
    assert [layer.coefficient.low, layer.coefficient.high] == pytest.approx(params["clip"])
    assert_close(layer(x), golden["y_initial"], "y_initial")
    set_coefficient(layer, golden["coef"])
    y = layer(x)
    assert_close(y, golden["y"], "y")
    y.backward(tensor(golden["cotangent"]))
    assert_close(x.grad, golden["grad_x"], "grad_x")
    assert_close(layer.coefficient.value.grad, golden["grad_coef"], "grad_coef")


@pytest.mark.parametrize("name", names("pooling_flat*"))
def test_flat_pooling(name: str) -> None:
    golden, _ = load(name)
    assert_close(FlatDilation()(tensor(golden["x"])), golden["y_initial"])


@pytest.mark.parametrize("name", names("upsampling_*"))
def test_upsampling(name: str) -> None:
    golden, _ = load(name)
    assert_close(ScaleUpsample(2)(tensor(golden["x"])), golden["y"])


@pytest.mark.parametrize("name", names("resizing*"))
def test_resizing(name: str) -> None:
    golden, _ = load(name)
    image, mask = tensor(golden["image"]), tensor(golden["mask"])
    sizes = sorted(int(key.removeprefix("image_")) for key in golden if key.startswith("image_"))
    assert sizes
    for size in sizes:
        assert_close(rescale_image(image, (size, size)), golden[f"image_{size}"], f"image {size}")
        ours = rescale_mask(mask[:, 0], (size, size))
        assert torch.equal(ours, tensor(golden[f"mask_{size}"])[:, 0]), f"mask {size}"


@pytest.mark.parametrize("name", names("metrics*"))
def test_metrics(name: str) -> None:
    golden, _ = load(name)
    counts = confusion_counts(tensor(golden["target"]), tensor(golden["prediction"]), 3)
    tp, fp, fn = counts.sum(1).numpy()
    for metric, value in {Metric(): golden["mean_iou"], Metric("iou", "b"): golden["iou_class1"]}.items():
        assert metric.of_counts(tp, fp, fn, ["a", "b", "c"]) == pytest.approx(float(value), rel=1e-6)


def build(name: str, params: dict, in_channels: int) -> nn.Module:
    """Build the network of a golden file without dropout, which the golden logits are computed without."""
    (architecture,) = [a for prefix, a in ARCHITECTURE_OF.items() if name.startswith(prefix)]
    options = {"width": params["filters"]}
    if "depth" in params:
        options["depth"] = params["depth"]
    if "n_scales" in params:
        options |= {"num_scales": params["n_scales"], "scale_size": params["scale_dim"], "scale_dropout": 0.0}
    if "pooling" in params:
        options["pooling"] = params["pooling"]
    return build_model(architecture, in_channels, params["classes"], **options)


def parameters_by_layer(model: nn.Module, golden: dict[str, np.ndarray]) -> list[tuple[str, nn.Module]]:
    """Pair the golden layers, which are listed in the order of execution, with our modules of the same kind."""
    kinds = (ScaleCrossCorrelation, nn.Conv2d, nn.BatchNorm2d, BoundedCoefficient)
    execution = []
    hooks = [
        m.register_forward_hook(lambda m, *_: execution.append(m)) for m in model.modules() if isinstance(m, kinds)
    ]
    with torch.no_grad():
        model.eval()(tensor(golden["image"]))
    for hook in hooks:
        hook.remove()
    modules = list(dict.fromkeys(execution))  # a coefficient is read once per scale
    layers = [str(name) for name in golden["layer_order"]]
    assert len(layers) == len(modules)
    return list(zip(layers, modules, strict=True))


OURS_TO_GOLDEN = {"running_mean": "moving_mean", "running_var": "moving_variance", "value": "coef"}
BATCH_NORM = {"weight": "gamma", "bias": "beta"}


def golden_name(module: nn.Module, parameter: str) -> str:
    if isinstance(module, nn.BatchNorm2d):
        parameter = BATCH_NORM.get(parameter, parameter)
    return OURS_TO_GOLDEN.get(parameter, parameter)


def load_weights(layers: list[tuple[str, nn.Module]], golden: dict[str, np.ndarray]) -> None:
    used = set()
    for layer, module in layers:
        state = module.state_dict()
        for parameter in state:
            if parameter != "num_batches_tracked":
                key = f"w/{layer}/{golden_name(module, parameter)}"
                state[parameter] = tensor(golden[key])
                used.add(key)
        module.load_state_dict(state)
    assert used == {key for key in golden if key.startswith("w/")}


def golden_gradient(norms: dict[str, float], layer: str, module: nn.Module, parameter: str) -> float:
    names = {"weight": ("weight:0", "kernel:0"), "coef": ("scale_coef:0",)}
    name = golden_name(module, parameter)
    (value,) = [norms[f"{layer}/{n}"] for n in names.get(name, (f"{name}:0",)) if f"{layer}/{n}" in norms]
    return value


@pytest.mark.parametrize("name", names("model_*"))
def test_model(name: str) -> None:
    golden, params = load(name)
    image, target = tensor(golden["image"]), tensor(golden["target"])
    model = build(name, params, image.shape[1])
    layers = parameters_by_layer(model, golden)
    load_weights(layers, golden)
    assert sum(p.numel() for p in model.parameters()) == int(golden["trainable"])
    with torch.no_grad():
        assert_close(model.eval()(image), golden["logits_eval"], "evaluation mode")
    logits = model.train()(image)
    assert_close(logits, golden["logits_train"], "training mode")
    loss = F.cross_entropy(logits, target)
    assert loss.item() == pytest.approx(float(golden["loss_train"]), rel=1e-4)
    loss.backward()
    norms = json.loads(str(golden["grad_norms"]))
    largest = max(norms.values())
    for layer, module in layers:
        for parameter, value in module.named_parameters(recurse=False):
            expected = golden_gradient(norms, layer, module, parameter)
            assert abs(value.grad.norm().item() - expected) <= 1e-4 * largest, f"{layer}/{parameter}"

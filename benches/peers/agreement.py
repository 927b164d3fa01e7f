"""Whether the network here is the network there: outputs, loss and gradients on the same weights."""

from model import Denoiser, UNet


def denoiser(case, **options):
    """The case's network in its preconditioning."""
    model = case["model"]
    if case["sde"]["kind"] != "edm" or model["preconditioning"]["prediction"] != "edm":
        raise ValueError("only EDM's process and preconditioning are written here")
    network = UNet(model["network"], model["shape"], **options)
    return Denoiser(network, model["preconditioning"]["sigma_data"])


def part(tensors, name):
    """The tensors below `name`, by what follows it."""
    head = f"{name}."
    return {key[len(head) :]: value for key, value in tensors.items() if key.startswith(head)}


def compare(case, theirs):
    """The tensor of `theirs` that differs most, relative to its largest value."""
    ours = denoiser(case)
    ours.network.load_state_dict(part(theirs, "network"), strict=True)
    loss = ours.loss(theirs["x0"], theirs["noise"], theirs["sigma"])
    loss.backward()
    batch = len(theirs["input"])
    pairs = {
        "output": (ours.network(theirs["input"], theirs["c_noise"]), theirs["output"]),
        "denoised": (ours(theirs["input"], theirs["level"].expand(batch)), theirs["denoised"]),
        "loss": (loss, theirs["loss"][0]),
    }
    gradients = part(theirs, "gradients")
    for name, parameter in ours.network.named_parameters():
        pairs[f"gradients.{name}"] = (parameter.grad, gradients.pop(name))
    if gradients:
        raise ValueError(f"there are gradients of unknown parameters: {sorted(gradients)}")
    # A key's bias has no influence, for softmax takes it out; so its gradient is rounding alone and
    # is measured by that of the query's.
    errors = {}
    for name, (mine, other) in pairs.items():
        like = pairs[name.replace(".key.bias", ".query.bias")][1]
        scale = max(other.abs().max().item(), like.abs().max().item())
        errors[name] = ((mine - other).abs().max() / scale).item()
    # NaN is the worst of all.
    worst = max(errors, key=lambda name: (errors[name] != errors[name], errors[name]))
    return {
        "parameters": sum(p.numel() for p in ours.network.parameters()),
        "tensors": len(errors),
        "worst": {"tensor": worst, "error": errors[worst]},
    }

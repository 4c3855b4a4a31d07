"""Parameters that a training leaves out, at which one on several processes stops."""

from typing import Any


def unused_parameters(runner: Any) -> list[str]:
    """Return the names of the trainable parameters for which the optimizer has no state, as none had a gradient."""
    used = runner.optim_wrapper.optimizer.state
    return [name for name, value in runner.model.named_parameters() if value.requires_grad and value not in used]

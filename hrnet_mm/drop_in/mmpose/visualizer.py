"""mmpose's `type='PoseLocalVisualizer'`, repaired: with numpy 2.4 its own fails at the first key-point it draws."""

from typing import Any

import mmpose.visualization  # mmpose registers its own class first
import numpy as np
from mmpose.registry import VISUALIZERS

__all__ = ['PoseLocalVisualizer']


@VISUALIZERS.register_module(force=True)
class PoseLocalVisualizer(mmpose.visualization.PoseLocalVisualizer):
    """As mmpose's; a radius that is an array of one number, of which numpy 2.4 makes no scalar, is made one here."""

    def draw_circles(self, center: Any, radius: Any, *args: Any, **kwargs: Any) -> Any:
        """Draw one circle with OpenCV, or several with matplotlib."""
        if self.backend == 'opencv':
            radius = float(np.asarray(radius).reshape(-1)[0])
        return super().draw_circles(center, radius, *args, **kwargs)

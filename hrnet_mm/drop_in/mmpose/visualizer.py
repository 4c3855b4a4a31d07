"""mmpose's `type='PoseLocalVisualizer'` for numpy 2.4, with which the original fails at the first keypoint."""

from typing import Any

import mmpose.visualization  # mmpose must register its own class first
import numpy as np
from mmpose.registry import VISUALIZERS

__all__ = ['PoseLocalVisualizer']


@VISUALIZERS.register_module(force=True)
class PoseLocalVisualizer(mmpose.visualization.PoseLocalVisualizer):
    """mmpose's PoseLocalVisualizer; a radius that is an array of one number becomes a scalar, as numpy 2.4 requires."""

    def draw_circles(self, center: Any, radius: Any, *args: Any, **kwargs: Any) -> Any:
        """Draw one circle with OpenCV, or several with matplotlib."""
        if self.backend == 'opencv':
            radius = float(np.asarray(radius).reshape(-1)[0])
        return super().draw_circles(center, radius, *args, **kwargs)

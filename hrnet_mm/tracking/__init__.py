"""Pose tracking of many persons in videos, and PoseTrack's measures of it; needs OpenCV and SciPy."""

from .evaluate import evaluate_poses, evaluate_tracking, read_videos
from .flow import dis_flow, farneback_flow
from .persons import COCO_SIGMAS, Persons
from .posetrack import Frame, in_places, read_video, write_video
from .tracker import PoseTracker, Settings, identified, without_short_tracks

__all__ = [
    'COCO_SIGMAS',
    'Frame',
    'Persons',
    'PoseTracker',
    'Settings',
    'dis_flow',
    'evaluate_poses',
    'evaluate_tracking',
    'farneback_flow',
    'identified',
    'in_places',
    'read_video',
    'read_videos',
    'without_short_tracks',
    'write_video',
]

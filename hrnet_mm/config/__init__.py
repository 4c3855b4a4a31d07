"""OpenMMLab configs: checks before anything is built, and the shipped configs with their published results."""

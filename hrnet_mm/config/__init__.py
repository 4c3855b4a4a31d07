"""OpenMMLab configs: checks before anything is built, and the shipped ones with what was published for them."""

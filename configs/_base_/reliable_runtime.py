# Nothing is lost, and nothing goes wrong in silence: any OpenMMLab config can have this file among its bases.
# The hooks that the runner adds, and how to set or leave out one of them, are in hrnet_mm/engine/runner.py.
runner_type = 'hrnet_mm.ReliableRunner'

# A runner that writes atomically, resumes exactly and stops on errors. Any OpenMMLab config can have it as a base.
# hrnet_mm/engine/runner.py lists the hooks that it adds, and how to set or disable one.
runner_type = 'hrnet_mm.ReliableRunner'

# A runner that writes atomically, resumes exactly and stops on errors. Any OpenMMLab config can have it as a base.
# hrnet_mm/engine/runner.py lists the hooks that it adds, and says how to set one or leave it out.
runner_type = 'hrnet_mm.ReliableRunner'

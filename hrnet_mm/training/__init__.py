"""Training of a task on a folder: the jobs of `hrnet-mm demo` and of `hrnet-mm train TASK`, each in its own process."""

"""Training of tasks: the jobs of `hrnet-mm demo` and of `hrnet-mm train TASK`, each in a process of its own."""

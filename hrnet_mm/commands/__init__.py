"""Commands of `hrnet-mm`, one module each.

Each module has four names: `HELP`, one line; `EXAMPLE`, command lines; `add_arguments(parser)`; and `run(args)`, which
returns the exit code (None for 0). Its top level imports only the standard library and `errors`, so that the list of
commands is quick.
"""

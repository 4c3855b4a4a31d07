"""The commands of `hrnet-mm`, a module each.

Each module has four names: `HELP`, one line; `EXAMPLE`, command lines; `add_arguments(parser)`; and `run(args)`, which
returns the exit code (None: 0). Its top level imports the standard library and
`errors` only, so that the list of commands is quick.
"""

"""Build information for mmcv's report on its environment."""


def get_compiler_version() -> str:
    """Return the compiler of the operators: none."""
    return 'none (operators in Python, hrnet_mm.ops)'


def get_compiling_cuda_version() -> str:
    """Return the CUDA version that the operators were compiled with: none; mmcv built for the CPU says the same."""
    return 'not available'

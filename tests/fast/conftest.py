import pytest


@pytest.fixture
def quick_compiler():
    """Let inductor compile no more than the network: neither trials of the processor's vectors nor a store of headers.

    Each trial is also loaded by a new Python, which imports torch. Headers pay off where many kernels include them.
    """
    from torch._inductor import config
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        pytest.skip('needs a C++ compiler')
    headers = dict.fromkeys(('cpp_cache_precompile_headers', 'aot_inductor.precompile_headers'), False)
    with config.patch({'cpp.vec_isa_ok': True, **headers}):
        yield

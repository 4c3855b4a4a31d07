"""The native engine: a whole network in one call, lowered to kernels of the processor's instruction set."""

from .engine import PRECISIONS, NativeEngine, compile_native
from .quantize import read_quantized, write_quantized

__all__ = ['PRECISIONS', 'NativeEngine', 'compile_native', 'read_quantized', 'write_quantized']

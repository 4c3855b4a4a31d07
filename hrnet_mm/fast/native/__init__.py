"""The native engine: a whole network in one call, lowered to kernels of the processor's instruction set."""

from .engine import PRECISIONS, NativeEngine, compile_native

__all__ = ['PRECISIONS', 'NativeEngine', 'compile_native']

"""Times, memory and multiply-adds of our networks beside other implementations."""

from .peers import PEERS, build_peer
from .run import benchmark

__all__ = ['PEERS', 'benchmark', 'build_peer']

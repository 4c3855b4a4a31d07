"""The registries that let `type='hrnet_mm.HRNet'` build in the scope of any OpenMMLab library, with no import line."""

from mmengine.registry import HOOKS as _ROOT_HOOKS
from mmengine.registry import MODELS as _ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPERS as _ROOT_OPTIM_WRAPPERS
from mmengine.registry import RUNNERS as _ROOT_RUNNERS
from mmengine.registry import Registry

__all__ = ['HOOKS', 'MODELS', 'OPTIM_WRAPPERS', 'RUNNERS']

MODELS = Registry('model', parent=_ROOT_MODELS, scope='hrnet_mm', locations=['hrnet_mm.models'])
HOOKS = Registry('hook', parent=_ROOT_HOOKS, scope='hrnet_mm', locations=['hrnet_mm.engine'])
RUNNERS = Registry('runner', parent=_ROOT_RUNNERS, scope='hrnet_mm', locations=['hrnet_mm.engine'])
OPTIM_WRAPPERS = Registry('optim wrapper', parent=_ROOT_OPTIM_WRAPPERS, scope='hrnet_mm', locations=['hrnet_mm.engine'])

"""A sharded HRNet (`fully_shard`), trained in several processes beside a whole one, for distributed_worker.py."""

import copy

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.functional import cross_entropy

from hrnet_mm.models import HRNetModel

STEPS, BATCH = 3, 4


def train(model, images, labels):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    for _ in range(STEPS):
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        optimizer.step()


def compare():
    """Return the share of the parameters held, how far they moved, and how far those of the two networks are apart."""
    rank, processes = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(0)
    whole = HRNetModel('hrnet_test-w4', num_classes=BATCH)
    whole.eval()  # statistics of batch norm would be those of a process's own images
    before = copy.deepcopy(whole.state_dict())
    sharded = copy.deepcopy(whole)
    mesh = init_device_mesh('cpu', (processes,))
    for stage in (sharded.backbone.stage2, sharded.backbone.stage3, sharded.backbone.stage4, sharded):
        fully_shard(stage, mesh=mesh)
    images, labels = torch.randn(BATCH, 3, 64, 64), torch.arange(BATCH)
    share = slice(rank * BATCH // processes, (rank + 1) * BATCH // processes)
    train(whole, images, labels)
    train(sharded, images[share], labels[share])
    local = sum(p.to_local().numel() for p in sharded.parameters())
    total = sum(p.numel() for p in whole.parameters())
    gathered = get_model_state_dict(sharded, options=StateDictOptions(full_state_dict=True))
    moved = max(float((value - before[name]).abs().max()) for name, value in whole.state_dict().items())
    apart = max(float((gathered[name] - value).abs().max()) for name, value in whole.state_dict().items())
    return {'held': local / total, 'moved': moved, 'apart': apart}

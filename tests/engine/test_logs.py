"""The file of test metrics has one writer."""

import json
from types import SimpleNamespace

import pytest
from mmengine.hooks import LoggerHook

from hrnet_mm.engine import SafeLoggerHook, logs


@pytest.mark.parametrize(
    ('hook', 'writers'), [(LoggerHook, {'rank 0', 'rank 1'}), (SafeLoggerHook, {'rank 0'})], ids=['mmengine', 'ours']
)
def test_one_process_writes_the_metrics(hook, writers, tmp_path, monkeypatch):
    hook = hook()
    hook.json_log_path = 'metrics.json'
    for rank in range(2):
        monkeypatch.setattr(logs, 'is_main_process', lambda rank=rank: rank == 0)
        folder = tmp_path / f'rank {rank}'
        folder.mkdir()
        log = SimpleNamespace(get_log_after_epoch=lambda *_, **__: ({'mIoU': 50.0}, 'mIoU: 50'))
        logger = SimpleNamespace(info=lambda text: None)
        hook.after_test_epoch(
            SimpleNamespace(log_processor=log, logger=logger, test_dataloader=[0], log_dir=str(folder))
        )
    written = {file.parent.name: json.loads(file.read_text()) for file in tmp_path.glob('*/metrics.json')}
    assert written == {writer: {'mIoU': 50.0} for writer in writers}

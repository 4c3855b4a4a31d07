"""The table of docs/demonstration.md, from the demonstration's own file."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location('demo_table', ROOT / 'tools' / 'research' / 'demo_table.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_results(folder, tool, tasks, holdout=False):
    rows = [
        {
            'task': task,
            'metric': 'm',
            'value': 12.34,
            'baseline': 0.0,
            'baseline_is': f'nothing of {task}',
            'target': target,
            'is_error': is_error,
            'seconds': 61.6,
        }
        for task in tasks
        for target, is_error in ((10.0, task == 'faces'), (None, False))
    ]
    (folder / 'results.json').write_text(json.dumps({'seconds': 300.4, 'holdout': holdout, 'rows': rows}))
    (folder / 'five_tasks.png').write_bytes(b'a picture')


def test_the_block_alone_is_rewritten(tool, tmp_path, monkeypatch):
    write_results(tmp_path, tool, tool.TASKS)
    page = tmp_path / 'docs' / 'demonstration.md'
    page.parent.mkdir()
    page.write_text(f'before\n{tool.BEGIN}\nold\n{tool.END}\nafter\n')
    argv = ['demo_table', str(tmp_path), '--machine', 'a machine', '--page', str(page)]
    monkeypatch.setattr('sys.argv', argv)
    tool.main()
    text = page.read_text()
    assert text.startswith(f'before\n{tool.BEGIN}\n`tools/demo.sh`')
    assert text.endswith(f'{tool.END}\nafter\n')
    assert 'a machine, set A, 300 seconds in all' in text
    assert '| 1,500 rendered faces -> 300 others | m (an error) | 12.3 | 0.0 | at most 10 | 62 |\n' in text
    assert text.count('\n| | | m | 12.3 | 0.0 | | |\n') == 5
    assert 'pose, nothing of pose; faces, nothing of faces' in text
    assert (page.parent / 'five_tasks.png').read_bytes() == b'a picture'
    tool.main()
    assert page.read_text() == text


@pytest.mark.parametrize(
    ('tasks', 'holdout', 'message'),
    [(('pose',), False, 'has no results of faces, instances'), (None, True, 'run `hrnet-mm demo` without --holdout')],
)
def test_no_table_of_a_part(tasks, holdout, message, tool, tmp_path, monkeypatch, capsys):
    write_results(tmp_path, tool, tasks or tool.TASKS, holdout)
    monkeypatch.setattr('sys.argv', ['demo_table', str(tmp_path), '--machine', 'a machine'])
    with pytest.raises(SystemExit, match='2'):
        tool.main()
    assert message in capsys.readouterr().err


def test_the_page_has_the_markers_and_the_picture_that_it_shows(tool):
    text = (ROOT / 'docs' / 'demonstration.md').read_text()
    assert text.index(tool.BEGIN) < text.index(tool.END)
    assert f'({tool.PICTURE.name})' in text
    assert (ROOT / tool.PICTURE).stat().st_size < 500_000

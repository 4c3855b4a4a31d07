"""The documentation is true: its code runs, its command lines parse, and its generated parts are fresh."""

import argparse
import importlib
import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import yaml

import hrnet_mm
from hrnet_mm import cli
from hrnet_mm.datasets import FORMATS
from hrnet_mm.fast.choose import APPLIED
from hrnet_mm.fast.engines import ENGINES
from hrnet_mm.models import ARCHS
from hrnet_mm.tasks import TASKS
from hrnet_mm.weights.key_maps import LAYOUTS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]
WITH_CODE = [page for page in PAGES if page.parent.name in ('tutorials', 'how_to') and '```python' in page.read_text()]
TABLES = {
    'ARCHS': ARCHS,
    'LAYOUTS': LAYOUTS,
    'ENGINES': ENGINES,
    'APPLIED': APPLIED,
    'TASKS': TASKS,
    'FORMATS': FORMATS,
}


def name(page):
    return str(page.relative_to(ROOT))


def blocks(page, language):
    """The blocks of a language, each behind as many empty lines as stand before it in the page."""
    text = page.read_text()
    for match in re.finditer(rf'^```{language}\n(.*?)^```', text, re.MULTILINE | re.DOTALL):
        yield '\n' * text[: match.start(1)].count('\n') + match[1]


def without_blocks(page):
    return re.sub(r'^```.*?^```', '', page.read_text(), flags=re.MULTILINE | re.DOTALL)


def command_lines(page):
    """Every call of `hrnet-mm` in the page's bash blocks, as arguments."""
    for block in blocks(page, 'bash'):
        for line in block.replace('\\\n', ' ').splitlines():
            for program in ('hrnet-mm', 'hrnet_mm.cli'):
                words = shlex.split(line, comments=True) if program in line else []
                if program in words:
                    yield words[words.index(program) + 1 :]


def parser_of(command):
    assert command in cli._COMMANDS, f'hrnet-mm {command} is no command'
    parser = argparse.ArgumentParser(prog=f'hrnet-mm {command}')
    importlib.import_module(f'hrnet_mm.commands.{command.replace("-", "_")}').add_arguments(parser)
    return parser


def options_of(parser):
    """The options of a parser and of its actions."""
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {option for one in action.choices.values() for option in options_of(one)}
    return found


@pytest.fixture
def _tables_as_before():
    """The how-to pages add entries to the package's tables."""
    before = {key: dict(table) for key, table in TABLES.items()}
    yield
    for key, table in TABLES.items():
        table.clear()
        table.update(before[key])


@pytest.mark.usefixtures('_tables_as_before')
@pytest.mark.parametrize('page', WITH_CODE, ids=name)
def test_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {'__name__': 'page', 'CONFIGS': str(ROOT / 'configs')}
    for block in blocks(page, 'python'):
        exec(compile(block, str(page), 'exec'), namespace)


@pytest.mark.slow
def test_printed_lines_about_own_images_run(tmp_path, monkeypatch):
    """As printed, on the folder that the page makes, but with a small network for one pass through the images."""
    from hrnet_mm.training import runs
    from hrnet_mm.training.worker import train_and_test

    def run(job, console):
        job.work_dir.mkdir(parents=True, exist_ok=True)
        return train_and_test(job, lambda progress: None)

    page = ROOT / 'docs' / 'tutorials' / 'own_images.md'
    monkeypatch.setattr(runs, '_run', run)  # in this process
    monkeypatch.chdir(tmp_path)
    first, *_ = blocks(page, 'python')
    exec(compile(first, str(page), 'exec'), {'__name__': 'page'})
    given = {'DIR': 'dots', 'IMAGE': 'dots/images/0.png', 'w18': 'test-w8', '--minutes': '--epochs', '20': '1'}
    added = {'demo': ['--iterations', '1'], 'train': ['--arch', 'test-w8', '--epochs', '1']}
    called = []
    for words in command_lines(page):
        argv = [given.get(word, word) for word in words]
        if '--arch' not in argv:
            argv += added.get(argv[0], [])
        assert cli.main(argv) == 0, argv
        called.append(argv[0])
    assert {'train', 'demo', 'check', 'predict', 'streams', 'verify-checkpoint', 'export', 'convert'} <= set(called)
    assert Path('work_dirs/predict/predictions.jsonl').is_file()
    assert Path('work_dirs/own/pose_dots.png').is_file()


def test_every_tutorial_and_how_to_has_code():
    assert len(WITH_CODE) == len([page for page in PAGES if page.parent.name in ('tutorials', 'how_to')]) == 18


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_command_lines_parse(page, capsys):
    for words in command_lines(page):
        try:
            parser_of(words[0]).parse_args(words[1:])
        except SystemExit:
            pytest.fail(f'hrnet-mm {shlex.join(words)}: {capsys.readouterr().err}')


def test_command_lines_are_found():
    assert sum(len(list(command_lines(page))) for page in PAGES) >= 15


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_commands_and_options_in_sentences_exist(page):
    for span in re.findall(r'`hrnet-mm ([a-z][^`]*)`', without_blocks(page)):
        command, *words = span.split()
        known = options_of(parser_of(command))
        assert [word for word in words if word.startswith('--') and word not in known] == [], span


@pytest.mark.parametrize('page', PAGES, ids=name)
def test_links_lead_somewhere(page):
    links = re.findall(r'\]\(([^()#\s]+)', without_blocks(page))
    links = [link for link in links if '://' not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_is_short():
    assert len((ROOT / 'README.md').read_text().splitlines()) <= 120


def test_slides_are_named_where_they_are_numbered():
    numbered = [page for page in PAGES if re.search(r'[Ss]lides? \d', page.read_text())]
    assert len(numbered) >= 2
    zoo = ROOT / 'docs/model_zoo.md'
    assert [name(page) for page in numbered if page != zoo and 'model_zoo.md' not in page.read_text()] == []
    assert zoo.read_text().count('"Slide" means') == 1


def test_the_picture_of_the_network_is_fresh():
    spec = importlib.util.spec_from_file_location('draw_network', ROOT / 'tools/draw_network.py')
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.PICTURE.read_text() == tool.draw(), 'run python tools/draw_network.py'


def test_the_citation_names_this_version():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert citation['version'] == hrnet_mm.__version__
    assert {'cff-version', 'message', 'title', 'authors'} <= citation.keys()


def test_the_report_explains_every_engine():
    explained = re.findall(r'^\| `([\w-]+)` \|', (ROOT / 'docs/performance.md').read_text(), re.MULTILINE)
    assert explained == list(ENGINES)

"""Calls that the package must not contain, and actions that tests must not take."""

import ast
import socket
from pathlib import Path

import pytest

import hrnet_mm

FILES = sorted(Path(hrnet_mm.__file__).parent.rglob('*.py')) + sorted(
    (Path(__file__).parents[1] / 'tools').rglob('*.py')
)
FORBIDDEN_CALLS = {
    *('eval', 'exec', 'compile', '__import__'),
    *('os.system', 'os.popen', 'subprocess.getoutput', 'subprocess.getstatusoutput'),
    *('pickle.load', 'pickle.loads', 'pickle.Unpickler', 'marshal.load', 'marshal.loads', 'shelve.open', 'yaml.load'),
    *('torch.jit.load', 'torch.hub.load', 'joblib.load', 'numpy.fromregex'),
}
NUMPY_LOADS = {'np.load', 'numpy.load'}
ALLOWED = {
    # A batch from this process's own worker, in a message that Python's queue between them unpickles too.
    'engine/feed.py': ['pickle.loads'],
}


def findings(tree):
    """The forbidden calls in a program, by name and line."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if name in FORBIDDEN_CALLS or arguments.get('shell') == 'True':
            yield name, node.lineno
        if arguments.get('weights_only', 'True') != 'True' or (name in NUMPY_LOADS and 'allow_pickle' in arguments):
            yield name, node.lineno
        if name == 'torch.load' and 'weights_only' not in arguments:
            yield name, node.lineno


@pytest.mark.parametrize('path', FILES, ids=lambda path: '/'.join(path.parts[-3:]))
def test_nothing_that_runs_what_it_reads(path):
    found = [name for name, _ in findings(ast.parse(path.read_text(encoding='utf-8')))]
    assert found == ALLOWED.get('/'.join(path.parts[-2:]), [])


@pytest.mark.parametrize(
    'line',
    [
        'pickle.load(file)',
        'eval(text)',
        'subprocess.run(command, shell=True)',
        'torch.load(path)',
        'torch.load(path, weights_only=False)',
        'np.load(path, allow_pickle=True)',
    ],
)
def test_the_search_finds(line):
    assert len(list(findings(ast.parse(line)))) == 1


@pytest.mark.parametrize('address', [('192.0.2.1', 80), ('2001:db8::1', 80)])
def test_the_network_is_out_of_reach(address):
    family = socket.AF_INET6 if ':' in address[0] else socket.AF_INET
    with socket.socket(family) as one:
        with pytest.raises(RuntimeError, match='tests may not reach the network'):
            one.connect(address)
        with pytest.raises(RuntimeError, match='tests may not reach the network'):
            one.connect_ex(address)
    with pytest.raises(RuntimeError, match='tests may not reach the network'):
        socket.getaddrinfo('example.com', 80)


def test_this_machine_is_within_reach():
    with socket.create_server(('127.0.0.1', 0)) as server, socket.create_connection(server.getsockname(), timeout=10):
        connection, _ = server.accept()
        connection.close()

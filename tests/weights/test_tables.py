"""Tables of results: appended to, replaced by a column, or left alone."""

import pytest

from hrnet_mm.weights.tables import append_rows, read_rows, replace_rows, write_rows


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / 'made' / 'table.csv'
    assert read_rows(path) == []
    write_rows(path, [{'name': 'a', 'value': 1.5, 'note': 'x, "y"'}])
    assert read_rows(path) == [{'name': 'a', 'value': '1.5', 'note': 'x, "y"'}]
    assert [file.name for file in path.parent.iterdir()] == ['table.csv']


def test_rows_are_replaced_by_a_column(tmp_path):
    path = tmp_path / 'table.csv'
    replace_rows(path, [{'name': 'a', 'value': 1}, {'name': 'b', 'value': 2}], 'name')
    replace_rows(path, [{'name': 'a', 'value': 3}, {'name': 'a', 'value': 4}], 'name')
    assert [(row['name'], row['value']) for row in read_rows(path)] == [('b', '2'), ('a', '3'), ('a', '4')]


def test_rows_are_appended_under_one_header(tmp_path):
    path = tmp_path / 'table.csv'
    path.touch()
    for value in ('1', '2'):
        append_rows(path, [{'a': value}], ['a'])
    assert path.read_text() == 'a\n1\n2\n'
    with pytest.raises(ValueError, match="has the columns \\['a'\\]; expected \\['a', 'b'\\]"):
        append_rows(path, [{'a': 1, 'b': 2}], ['a', 'b'])
    assert path.read_text() == 'a\n1\n2\n'

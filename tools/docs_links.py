"""MkDocs hook: files of the checkout that a page links to become part of the site.

A page names code and configs by their paths from the page, as on GitHub: `[hrnet.py](../hrnet_mm/models/hrnet.py)`.
The site holds only docs/. Such a file is therefore copied to `source/` of the site: Markdown as a page, other files as
text. A link to a folder leads to its README.md, or becomes text if there is none. A broken link stays unchanged,
so that `mkdocs build --strict` reports it.
"""

import os
import re
from pathlib import Path

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r'\[([^][]*)\]\(([^()#\s]+)\)')
CODE = re.compile(r'^```.*?^```', re.MULTILINE | re.DOTALL)


def on_files(files, config):
    """Add the linked files of the checkout, and those that they link to in turn."""
    waiting = [Path(file.abs_src_path) for file in files.documentation_pages()]
    seen = set(waiting)
    while waiting:
        page = waiting.pop()
        for _, target in links(page.read_text(encoding='utf-8')):
            file = outside(page, target, config)
            if file is None or not file.is_file() or file in seen:
                continue
            seen.add(file)
            if file.suffix == '.md':
                waiting.append(file)
            files.append(File.generated(config, source(file), abs_src_path=str(file)))
    return files


def on_page_markdown(markdown, page, config, files: Files):
    """Point the links of a page at the copies."""
    path = Path(page.file.abs_src_path)

    def point(match):
        file = outside(path, match[2], config)
        if file is None or not file.exists():
            return match[0] if not page.file.src_uri.startswith('source/') else point_back(match)
        if file.is_dir():
            return match[1]
        return f'[{match[1]}]({os.path.relpath(source(file), Path(page.file.src_uri).parent)})'

    def point_back(match):
        target = (path.parent / match[2]).resolve()
        docs = Path(config.docs_dir)
        if not target.is_relative_to(docs):
            return match[0]
        return f'[{match[1]}]({os.path.relpath(target.relative_to(docs), Path(page.file.src_uri).parent)})'

    pieces, end = [], 0
    for code in CODE.finditer(markdown):
        pieces += [LINK.sub(point, markdown[end : code.start()]), code[0]]
        end = code.end()
    return ''.join([*pieces, LINK.sub(point, markdown[end:])])


def links(markdown):
    return LINK.findall(CODE.sub('', markdown))


def outside(page, target, config):
    """Return the target of a link if it is in the checkout but not in docs/."""
    if '://' in target or target.startswith(('/', 'mailto:')):
        return None
    file = (page.parent / target).resolve()
    if file.is_dir() and (file / 'README.md').is_file():
        file = file / 'README.md'
    return file if file.is_relative_to(ROOT) and not file.is_relative_to(config.docs_dir) else None


def source(file):
    """Return the path in the site of a file of the checkout."""
    path = file.relative_to(ROOT).as_posix()
    return f'source/{path}' if file.suffix == '.md' else f'source/{path}.txt'

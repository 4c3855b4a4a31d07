"""Write the tables of published results (hrnet_mm/weights/results.csv) and of measurements (tools/research/results).

They are in docs/model_zoo.md, in the configs' READMEs, metafiles and model index, and in docs/install.md, learn.md,
performance.md and tracking.md.

python tools/make_tables.py          # write them
python tools/make_tables.py --check  # only list stale files, and exit with 1 if there are any
"""

import argparse
import re
import statistics
import textwrap
from collections import Counter, defaultdict
from pathlib import Path

import yaml
from research.learn import LEARNED

from hrnet_mm.config.zoo import published_results
from hrnet_mm.weights.tables import read_rows

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / 'tools' / 'research' / 'results'
PAPERS = {
    'HRNet': ('Deep High-Resolution Representation Learning for Visual Recognition', '1908.07919'),
    'HRNet for pose': ('Deep High-Resolution Representation Learning for Human Pose Estimation', '1902.09212'),
}
FOLDERS = {
    'pose': ('Human pose estimation', 'HRNet for pose', 'Body 2D Keypoint'),
    'segmentation': ('Semantic segmentation', 'HRNet', 'Semantic Segmentation'),
    'detection': ('Object detection and instance segmentation', 'HRNet', 'Object Detection'),
    'classification': ('Image classification', 'HRNet', 'Image Classification'),
    'face': ('Face alignment', 'HRNet', 'Face 2D Keypoint'),
    'ablations': ('Ablations', 'HRNet', 'Ablation'),
}

POSES = {'tracking-simulated': 'truth made worse', 'tracking-network': 'td-hm_hrnetv1_people'}
SLIDES = (
    '"Slide" means a page of the slides of Jingdong Wang (Microsoft Research) on high-resolution representation',
    'learning. Values are in percent, as published. None was measured here. Baselines are configs of the libraries.',
)
WITHOUT_NUMBERS = (
    'Slides 48, 50, 52 to 54, 59, 61 to 65 and 67 have no numbers to reproduce: pictures, uses and leader boards.'
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true', help='write nothing; exit with 1 if a file is stale')
    check = parser.parse_args().check
    stale = [path for path, text in tables().items() if not path.exists() or path.read_text(encoding='utf-8') != text]
    for path in stale:
        print(f'{"stale" if check else "written"}: {path.relative_to(ROOT)}')
        if not check:
            path.write_text(tables()[path], encoding='utf-8')
    return int(check and bool(stale))


def tables():
    """Return the expected content of every file that this tool writes."""
    rows = published_results()
    files = {}
    for folder, (title, collection, task) in FOLDERS.items():
        own = [row for row in rows if row['config'].startswith(f'configs/{folder}/')]
        files[ROOT / 'configs' / folder / 'README.md'] = folder_readme(folder, title, own)
        files[ROOT / 'configs' / folder / 'metafile.yml'] = metafile(folder, collection, task, own)
    files[ROOT / 'model-index.yml'] = model_index()
    tracks = read_rows(MEASURED / 'tracking.csv')
    blocks = {
        'README.md': {'recipes': recipes(rows)},
        'docs/model_zoo.md': {'results': overview(rows)},
        'docs/install.md': {'matrix': cells(read_rows(MEASURED / 'matrix.csv'))},
        'docs/performance.md': {
            'operators': operators(read_rows(MEASURED / 'ops.csv')),
            'busy': beside_busy(read_rows(MEASURED / 'beside_busy.csv')),
            'peers': peers(read_rows(MEASURED / 'speed_peers.csv')),
            'int8': int8(read_rows(MEASURED / 'speed_peers.csv')),
            'int8-metrics': int8_metrics([*read_rows(MEASURED / 'int8.csv'), *read_rows(MEASURED / 'int8_avx2.csv')]),
            'training': training(read_rows(MEASURED / 'speed_training.csv')),
            'gpu': gpus(read_rows(MEASURED / 'gpu.csv')),
            **reading(read_rows(MEASURED / 'data_speed.csv')),
        },
        'docs/tutorials/own_images.md': {'soak': soaked(read_rows(MEASURED / 'config_soak.csv'))},
        'docs/how_to/confidence.md': {
            'calibration': calibrated(read_rows(MEASURED / 'calibration.csv')),
            'suggest': suggested(read_rows(MEASURED / 'suggest.csv')),
        },
        'docs/learn.md': {'learn': learned(read_rows(MEASURED / 'learn.csv'))},
        'docs/tracking.md': {name: tracked(tracks, poses) for name, poses in POSES.items()},
    }
    for name, contents in blocks.items():
        page = ROOT / name
        files[page] = page.read_text(encoding='utf-8')
        for block, lines in contents.items():
            begin, end = f'<!-- {block}:begin -->', f'<!-- {block}:end -->'
            before, _, rest = files[page].partition(begin)
            files[page] = '\n'.join([before + begin, *lines, end + rest.partition(end)[2]])
    return files


def soaked(rows):
    found = Counter(row['outcome'] for row in rows)
    text = (
        f'[config_soak.py](../../tools/research/config_soak.py) breaks {len(rows)} configs of the four libraries at '
        f'random: {found["found"]} are found, {found["harmless"]} are harmless, {found["limit"]} are such limits, and '
        f'{found["missed"]} are missed; a change counts as harmless if a short training and its test give equal losses '
        f'and metrics ([config_soak.csv](../../tools/research/results/config_soak.csv) has a row for '
        'each).'
    )
    return textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False)


def calibrated(rows):
    """The mean of the seeds, with the least and the greatest, on images that were never fitted on."""
    lines = ['| task | fitted on | before | after or coverage | lowest and highest | right |', '|---' * 6 + '|']
    for task in dict.fromkeys(row['task'] for row in rows):
        for fitted in ('validation', 'others'):
            some = [
                row
                for row in rows
                if (row['task'], row['fitted on'], row['measured on'], row['checkpoint'])
                == (task, fitted, 'held-out', 'best')
            ]
            kind = 'coverage' if some[0]['coverage'] else 'ECE after'
            found = [100 * float(row[kind]) for row in some]
            before = [100 * float(row['ECE before']) for row in some if row['ECE before']]
            right = statistics.mean(100 * float(row['correct']) for row in some)
            lines.append(
                f'| {task} | {"the validation part" if fitted == "validation" else "other images"} | '
                f'{f"ECE {statistics.mean(before):.1f}" if before else "-"} | '
                f'{"" if kind == "coverage" else "ECE "}{statistics.mean(found):.1f} | '
                f'{min(found):.1f} to {max(found):.1f} | {right:.1f} |'
            )
    return lines


def suggested(rows):
    values = {(row['seed'], row['chosen by']): float(row['top-1']) for row in rows}
    gains = [values[seed, 'suggest'] - values[seed, 'random'] for seed in dict.fromkeys(row['seed'] for row in rows)]
    mean = statistics.mean(gains)
    half = 2.776 * statistics.stdev(gains) / len(gains) ** 0.5  # Student's t of five seeds
    assert len(gains) == 5
    low, high = mean - half, mean + half
    verdict = 'helped' if low > 0 else 'was worse than random choice' if high < 0 else 'made no difference that shows'
    text = (
        f'On handwritten digits, 100 of which were labeled and 100 of which were chosen, `suggest` {verdict}: '
        f'top-1 changed by {mean:.1f} points against random choice (95 % interval {low:.1f} to {high:.1f}, five seeds).'
    )
    return textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False)


def cells(rows):
    lines = ['| Python | torch | numpy | libraries | libraries imported | their configs | shipped configs | tasks |']
    lines.append('|---' * 8 + '|')
    names = ('python', 'torch', 'numpy', 'libraries', 'imports', 'upstream', 'shipped', 'demo')
    return [*lines, *('| ' + ' | '.join(row[name] for name in names) + ' |' for row in rows)]


def operators(rows):
    lines = ['| operator | size | pass | Python, ms | compiled, ms | Python / compiled |', '|---' * 6 + '|']
    names = ('operator', 'size', 'pass', 'python_ms', 'compiled_ms', 'python/compiled')
    return [*lines, *('| ' + ' | '.join(row[name] or '-' for name in names) + ' |' for row in rows)]


def beside_busy(rows):
    """Return the table of commands beside busy processes, with the factors to the command alone."""
    seconds = defaultdict(dict)
    for row in rows:
        seconds[row['command'], row['setting']][row['busy']] = float(row['seconds'])
    return table(
        ('command', 'waiting threads', 'alone, s', 'beside one', 'beside two'),
        (
            (command, setting, f'{by["0"]:.1f}', *(f'{by[busy]:.1f} ({by[busy] / by["0"]:.1f} times)' for busy in '12'))
            for (command, setting), by in seconds.items()
        ),
    )


PEERS = ('eager', 'compile', 'openvino', 'onnxruntime', 'mnn', 'ncnn')
INT8 = ('ncnn', 'native', 'onnxruntime:int8', 'openvino:int8', 'native:int8')
TRAINED = ('plain', 'eager', 'compile', 'native', 'eager:bf16', 'compile:bf16')


def runs(rows, with_int8):
    """Return a caption for each machine, and its runs: of each, the row of the library and those of the engines."""
    machines = defaultdict(list)
    for row in rows:
        if row['against'].startswith(f'{row["model"]}@plain'):  # the library, with which a run begins
            machines[row['device']].append({'first': row})
        else:
            engine = row['engine'] if row['precision'] == 'fp32' else f'{row["engine"]}:{row["precision"]}'
            machines[row['device']][-1][engine] = row
    found = {}
    for device, all_runs in machines.items():
        chosen = [run for run in all_runs if ('native:int8' in run) == with_int8]
        if chosen:
            commits = dict.fromkeys(row['commit'] for run in chosen for row in run.values())
            caption = f'{device}, torch {chosen[0]["first"]["torch"]}, commit {", ".join(commits)}; ms:'
            found[caption] = chosen
    return found


def peers(rows):
    """Return a table for each machine, with a row for each run: its engines, and the native one beside the best."""
    head = ('network', 'threads', 'library', *PEERS, 'native', 'over the best', 'difference')
    return captioned(head, peer, runs(rows, with_int8=False))


def int8(rows):
    """Return the same for runs with eight bits, beside the fastest other engine of each precision."""
    head = ('network', 'threads', *INT8, 'over the best fp32', 'over the best int8', 'difference')
    return captioned(head, int8_peer, runs(rows, with_int8=True))


def training(rows):
    """Return the same for training steps, in milliseconds and by their ratio to the library's."""
    head = ('network, batch', 'threads', 'library', *TRAINED)
    return captioned(head, trained, runs(rows, with_int8=False))


def trained(run):
    first = run['first']
    times = (f'{float(run[n]["median_ms"]):.0f} ({float(run[n]["ratio"]):.2f})' if n in run else '-' for n in TRAINED)
    library = f'{first["model"]} {float(first["median_ms"]):.0f}'
    return f'{network_of(run)}, {first["batch"]}', first['threads'], library, *times


def captioned(head, row_of, machines):
    lines = []
    for caption, chosen in machines.items():
        lines += [caption, '', *table(head, map(row_of, chosen)), '']
    return lines[:-1]


def int8_peer(run):
    ours = run['native:int8']
    ms = {name: float(run[name]['median_ms']) for name in INT8 if name in run}
    best = (min(v for n, v in ms.items() if n.endswith(':int8') == b and not n.startswith('native')) for b in (0, 1))
    ratios = (f'{other / ms["native:int8"]:.2f}' for other in best)
    times = (f'{ms[name]:.0f}' if name in ms else '-' for name in INT8)
    return network_of(run), run['first']['threads'], *times, *ratios, f'{float(ours["difference"]):.0e}'


def int8_metrics(rows):
    """Return a table with a row for each metric: its value in fp32, and what each engine loses."""
    engines = dict.fromkeys((row['engine'], row['device']) for row in rows if row['engine'] != 'PyTorch')
    values = defaultdict(dict)
    for row in rows:
        key = row['task'], row['metric']
        values[key][row['engine'], row['device']] = row
        if row['engine'] == 'PyTorch':
            values[key].setdefault('fp32', row['value'])
    names = (f'{engine}{", AVX2" if "avx2" in device.partition("CAPABILITY")[2] else ""}' for engine, device in engines)
    lines = (
        (task, metric, by['fp32'], *(by[engine]['lost_points'] if engine in by else '-' for engine in engines))
        for (task, metric), by in values.items()
    )
    return table(('task', 'metric', 'fp32', *names), lines)


def peer(run):
    """Return the row of a run."""
    first, native = run['first'], run.get('native')
    others = [float(row['median_ms']) for name, row in run.items() if name != 'native']
    times = (f'{float(run[name]["median_ms"]):.0f}' if name in run else '-' for name in PEERS)
    ours = ('-', '-', '-')
    if native:
        ms = float(native['median_ms'])
        ratio = f'{min(others) / ms:.2f}' if 'ncnn' in run else '-'  # without the fastest of the others it says little
        ours = f'{ms:.0f}', ratio, f'{float(native["difference"]):.0e}'
    library = f'{first["model"]} {float(first["median_ms"]):.0f}'
    return network_of(run), first['threads'], library, *times, *ours


def network_of(run):
    model = next(row['model'] for name, row in run.items() if name != 'first')
    return f'{model}, {run["first"]["height"]}x{run["first"]["width"]}'


def reading(rows):
    """Return the tables of pipelines, of data loaders, and of the candidates of tools/research/data_speed.py."""
    runs = defaultdict(list)
    for row in rows:
        runs[row['run']].append(row)
    blocks = {'pipelines': [], 'loaders': [], 'candidates': []}
    for run in runs.values():
        kinds = defaultdict(list)
        for row in run:
            kinds[row['what']].append(row)
        if pipelines := {row['variant']: row for row in kinds['pipeline']}:
            elements = [row for row in kinds['element'] if row['variant'] == 'library']
            elements.sort(key=lambda row: -float(row['ms']))
            plain = pipelines['library']
            ratios = (pipelines[name]['ratio'] if name in pipelines else '-' for name in FASTER_ELEMENTS)
            costliest = ', '.join(f'{row["name"]} {float(row["ms"]):.1f}' for row in elements[:3])
            times = f'{float(plain["ms"]):.1f}', f'{float(plain["images_s"]):.0f}'
            blocks['pipelines'].append((Path(plain['config']).stem, plain['images'], *times, costliest, *ratios))
        if loaders := {(row['name'], row['variant'] == 'block_collate'): row for row in kinds['loader']}:
            cells = (
                f'{float(loaders[process, block]["ms"]):.2f}'
                for process in ('training', 'worker')
                for block in (False, True)
            )
            blocks['loaders'].append((Path(run[0]['config']).stem, *cells, loaders['training', True]['ratio']))
        for row in kinds['candidate']:
            name = row['images'] or 'two workers'
            blocks['candidates'].append((name, row['name'], f'{float(row["ms"]):.2f}', row['ratio'], row['difference']))
    one_core = ('config', 'images', 'ms an image', 'images/s on one core', 'costliest elements, ms')
    heads = {
        'pipelines': (*one_core, *FASTER_ELEMENTS),
        'loaders': ('config', 'training', 'with a block', 'worker', 'with a block', 'training: ratio'),
        'candidates': ('images', 'candidate', 'ms', 'times the first', 'largest difference'),
    }
    return {name: table(heads[name], lines) for name, lines in blocks.items()}


FASTER_ELEMENTS = ('ContiguousImage', 'ToBoxedMasks')


def gpus(rows):
    """Return a table for each GPU, of its last visit."""
    visits = defaultdict(list)
    for row in rows:
        visits[row['device'], row['date']].append(row)
    last = {device: visit for (device, _), visit in visits.items()}
    lines = [line for visit in last.values() for line in (*visited(visit), '')]
    return lines[:-1] or ['No GPU was measured with it yet.']


def visited(rows):
    """Return the table of a visit: the differences of every engine, and the time of each that was timed."""

    def key(row):
        return [row[name] for name in ('model', 'engine', 'precision', 'tf32', 'batch', 'height', 'width')]

    first, times = rows[0], [row for row in rows if row['step'] == 'time' and row['median_ms']]
    text = (
        f'{first["device"]}, driver {first["driver"]}, torch {first["torch"]}, {first["versions"]}; '
        f'{first["date"]}, commit {first["commit"] or "unknown"}:'
    )
    lines = []
    for row in rows:
        if row['step'] == 'check' or (row['step'] == 'network' and row['outcome'] != 'ok'):
            time = next((time for time in times if key(time) == key(row)), None)
            largest, rms, allowed = (
                f'{float(row[name]):.1e}' if row[name] else '-'
                for name in ('difference', 'rms_difference', 'tolerance')
            )
            lines.append(
                (
                    row['model'],
                    f'{row["batch"]} of {row["height"]}x{row["width"]}',
                    f'{row["engine"]}:{row["precision"]}' if row['engine'] else '-',
                    row['tf32'] or '-',
                    largest if row['outcome'] == 'ok' else f'{largest} ({row["outcome"]})',
                    rms,
                    allowed,
                    f'{float(time["median_ms"]):.2f}' if time else '-',
                    f'{float(time["ratio"]):.2f}' if time else '-',
                )
            )
    head = ('network', 'images', 'engine', 'TF32', 'largest difference', 'RMS', 'allowed', 'ms', 'times the first')
    return [*textwrap.wrap(text, 120), '', *table(head, lines)]


def folder_readme(folder, title, rows):
    lines = [
        f'# {title}',
        '',
        'Published results and the config that reproduces each. Metrics are in percent, parameters in millions and',
        'MACs in 2^30, as printed. "verified" lists what was checked here: `builds` (the model builds and',
        'every key is known), `trains` (one step and one prediction on sample files, shrunk), `params` and `MACs`',
        '(counted, equal as printed). "recipe" says whether the authors released it or parts of it are assumed, which',
        'the header of the config lists. No metric below was measured here, and no published weights were loaded. The',
        '[model zoo](../../docs/model_zoo.md) names the slides.',
        '',
    ]
    by_config = defaultdict(list)
    for row in rows:
        if not row['task'].startswith('cost_'):
            by_config[row['config']].append(row)
    lines += table(
        ('config', 'data', 'published', 'params', 'MACs', 'source', 'slide', 'recipe', 'verified'),
        (line for config in sorted(by_config) for line in config_lines(folder, config, by_config[config])),
    )
    others = sorted(set(config_files(folder)) - set(by_config))
    if others:
        lines += ['', "Without a row of the authors: a library's own recipe, or a width they did not publish.", '']
        lines += table(('config', 'expected'), ((link(folder, config), expected(config)) for config in others))
    notes = defaultdict(set)
    for row in (row for row in rows if row['note']):
        notes[row['note']].add(row['config'])
    if notes:
        lines += ['', '## Notes', '']
        for note, configs in sorted(notes.items(), key=lambda item: min(item[1])):
            lines.append(f'* {", ".join(link(folder, config) for config in sorted(configs))}: {note}')
    return '\n'.join(lines) + '\n'


def config_lines(folder, config, rows):
    for row in rows:
        yield (
            link(folder, config),
            f'{row["dataset"]} {row["split"]}',
            metrics(row, 3),
            row['params'],
            row['gimacs'],
            row['source'].partition(';')[0].rpartition('/')[2].replace(':README.md', ' README'),
            row['slide'],
            recipe_of(row),
            row['verified'],
        )


def table(head, lines):
    return [' | '.join(('', *head, '')).strip(), '|---' * len(head) + '|'] + [
        ' | '.join(('', *(cell.replace('|', '/') for cell in line), '')).strip() for line in lines
    ]


def link(folder, config):
    name = Path(config).stem
    return f'[{name}]({name}.py)' if config.startswith(f'configs/{folder}/') else config


def metrics(row, count):
    parts = [part for part in row['metrics'].split(';') if part]
    parts.sort(key=lambda part: not part.startswith('mIoU'))  # papers print it after the pixel accuracy
    shown = [part.replace('=', ' ') for part in parts][:count]
    return ', '.join(part.replace('_err', ' error').replace('_', ' ') for part in shown)


def config_files(folder):
    return [f'configs/{folder}/{path.name}' for path in sorted((ROOT / 'configs' / folder).glob('*.py'))]


def header(config):
    """Return the comment at the top of a config, as one line without its command."""
    lines = re.findall(r'^# (.*)$', (ROOT / config).read_text(encoding='utf-8'), re.MULTILINE)
    text = ' '.join(lines).partition(' Command: ')[0]
    return re.sub(r'(\w)- (?=\w)', r'\1-', text)


def expected(config):
    return header(config).partition(': ')[2]


def metafile(folder, collection, task, rows):
    title, number = PAPERS[collection]
    by_config = defaultdict(list)
    for row in rows:
        if not row['task'].startswith('cost_'):
            by_config[row['config']].append(row)
    name = f'HRNet {folder}'
    content = {
        'Collections': [
            {
                'Name': name,
                'Metadata': {'Architecture': ['HRNet']},
                'Paper': {'Title': title, 'URL': f'https://arxiv.org/abs/{number}'},
                'README': f'configs/{folder}/README.md',
            }
        ],
        'Models': [model_entry(name, task, config, by_config[config]) for config in config_files(folder)],
    }
    return '# Written by tools/make_tables.py.\n' + yaml.safe_dump(content, sort_keys=False, width=120)


def model_entry(collection, task, config, rows):
    entry = {'Name': Path(config).stem, 'In Collection': collection, 'Config': config}
    costs = next((row for row in rows if row['params'] and row['gimacs'] and not row['note']), None)
    if costs:
        # OpenMMLab's metafiles hold bare numbers: multiply-adds, and parameters.
        entry['Metadata'] = {
            'FLOPs': round(float(costs['gimacs']) * 2**30),
            'Parameters': round(float(costs['params']) * 1e6),
        }
    if rows:
        entry['Results'] = [
            {'Task': task, 'Dataset': f'{row["dataset"]} {row["split"]}', 'Metrics': numbers(row)} for row in rows
        ]
    weights = next((row['weights'] for row in rows if row['weights']), None)
    if weights:
        entry['Weights'] = weights
    return entry


def numbers(row):
    pairs = (part.partition('=') for part in row['metrics'].split(';') if part)
    return {name: float(value) for name, _, value in pairs if re.fullmatch(r'-?[\d.]+', value)}


def model_index():
    files = [f'configs/{folder}/metafile.yml' for folder in ('demo', 'learn', *FOLDERS)]
    return yaml.safe_dump({'Import': files}, sort_keys=False)


def recipe_of(row):
    """Return how much of a row's recipe its authors released: 'released', 'assumed' in parts, or 'never released'.

    A config whose header states no assumption has the released recipe.
    """
    if row['reason'].startswith('never released'):
        return 'never released'
    return 'assumed' if re.search(r'\bassum', header(row['config']), re.IGNORECASE) else 'released'


def recipes(rows):
    own = [row for row in rows if row['role'] in ('hrnet', 'ablation') and row['config']]
    kinds = Counter(map(recipe_of, [*own, *(row for row in rows if row['reason'].startswith('never released'))]))
    text = (
        f'Of {kinds.total()} published results of HRNet, {kinds["released"]} have a config with the released recipe, '
        f'{kinds["assumed"]} have one with assumptions, which its header lists, and the recipes of '
        f'{kinds["never released"]} were never released.'
    )
    return textwrap.wrap(text, 120)


def overview(rows):
    own = [row for row in rows if row['role'] == 'hrnet' and row['config']]
    counts = {folder: len(config_files(folder)) for folder in FOLDERS}
    lines = [
        f"{sum(counts.values())} configs hold the recipes of {len(own)} results that HRNet's authors published.",
        '',
        *recipes(rows),
        '',
    ]
    lines += table(
        ('folder', 'task', 'configs'),
        (
            (f'[{folder}](../configs/{folder}/README.md)', FOLDERS[folder][0], str(count))
            for folder, count in counts.items()
        ),
    )
    lines += ['', '## Never released', '', 'How these results were trained, or their data, is not public.', '']
    unreleased = [row for row in rows if row['reason'].startswith('never released')]
    lines += table(
        ('data', 'method', 'published', 'source', 'why'),
        (
            (
                f'{row["dataset"]} {row["split"]}',
                f'{row["method"]}, {row["arch"]}',
                metrics(row, 1),
                row['source'].partition(';')[0],
                row['reason'].partition(': ')[2] or row['reason'],
            )
            for row in unreleased
        ),
    )
    lines += ['', '## Results on the slides', '', *SLIDES, '']
    shown = [row for row in rows if row['slide'] and row['config'] and row['role'] in ('hrnet', 'competitor')]
    shown.sort(key=lambda row: [int(slide) for slide in row['slide'].split()])
    lines += table(
        ('slide', 'data', 'method', 'backbone', 'input, schedule', 'published', 'config'),
        (
            (
                row['slide'],
                f'{row["dataset"]} {row["split"]}',
                row['method'],
                row['arch'],
                ' '.join(part for part in (row['input'], row['schedule'].partition(' (')[0].partition(',')[0]) if part),
                metrics(row, 1),
                f'[{Path(row["config"]).stem}](../{row["config"]})'
                if row['config'].startswith('configs/')
                else f'`{row["config"].partition("::")[0]}::{Path(row["config"]).stem}`',
            )
            for row in shown
        ),
    )
    return [*lines, '', WITHOUT_NUMBERS]


def learned(rows):
    """Return the table of docs/learn.md, a line for each metric; only a config's first line has its name and cost."""
    lines = []
    for row in rows:
        first = not lines or row['name'] != rows[len(lines) - 1]['name']
        _, config, network, _ = LEARNED[row['name']]
        head = f'[{row["name"]}](../configs/learn/{config}), {network}' if first else ''
        cost = (row['iterations'], f'{float(row["train_seconds"]):.0f}') if first else ('', '')
        value, baseline = f'{float(row["value"]):.1f}', f'{float(row["baseline"]):.1f} {row["baseline_is"]}'
        lines.append(
            (
                head,
                f'{row["metric"]}{" (an error)" if row["is_error"] == "True" else ""}',
                value,
                row['target'],
                baseline,
                *cost,
            )
        )
    head = ('config', 'metric, in percent', 'value', 'reference', 'trivial baseline', 'iterations', 'training, s')
    return table(head, lines)


def tracked(rows, poses):
    """Return the table of docs/tracking.md, with the mean and standard deviation of each variant."""

    def cell(row, column, digits):
        mean, std = (round(float(row[name]), digits) + 0.0 for name in (column, f'{column}_std'))  # 0.0, and not -0.0
        return f'{mean:.{digits}f} ± {std:.{digits}f}'

    lines = [
        (
            'all' if row['every'] == '1' else f'every {row["every"]}th',
            row['variant'],
            cell(row, 'mAP', 1),
            cell(row, 'MOTA', 1),
            cell(row, 'MOTA_gain', 1) if float(row['MOTA_gain']) or float(row['MOTA_gain_std']) else '',
            cell(row, 'switches', 2),
            cell(row, 'missed', 1),
            cell(row, 'false_positives', 2),
        )
        for row in rows
        if row['poses'] == poses
    ]
    return table(('frames', 'variant', 'mAP', 'MOTA', 'gain of MOTA', 'switches', 'missed', 'false positives'), lines)


if __name__ == '__main__':
    raise SystemExit(main())

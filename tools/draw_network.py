"""Drawing of docs/network.svg: the branches, stages and exchange units of HRNet-W32, and its four readouts.

python tools/draw_network.py
"""

from pathlib import Path

from hrnet_mm.models import get_arch

PICTURE = Path(__file__).resolve().parents[1] / 'docs' / 'network.svg'
ARCH = 'w32'
LEFT, TOP, ROW, MODULE, UNIT, GAP = 118, 62, 62, 32, 26, 22
COLORS = ('#3949ab', '#00897b', '#f9a825', '#d84315')
READOUTS = (
    ('V1', 'finest map', 'pose'),
    ('V2', 'all maps at 1/4', 'segmentation, faces'),
    ('V2p', 'pyramid of V2', 'detection'),
    ('C', 'summed, pooled', 'classification'),
)


def draw():
    arch = get_arch(ARCH)
    body = [box(12, TOP, 88, 34, '#757575', 'stem, 1/4')]
    x, previous = LEFT, 1
    for number, stage in enumerate(arch.stages, 1):
        count, start = len(stage.num_channels), x
        if number > 1:
            body += [line(start - GAP, middle(previous - 1), start, middle(count - 1), COLORS[count - 1])]
        for _ in range(stage.num_modules):
            for branch in range(count):
                body += [box(x, TOP + branch * ROW, MODULE, 34, COLORS[branch], '')]
            x += MODULE
            if count > 1:
                body += [line(x, middle(a), x + UNIT, middle(b), COLORS[a]) for a in range(count) for b in range(count)]
                x += UNIT
        label = f'stage {number}' + (f': {stage.num_modules} modules' if stage.num_modules > 1 else '')
        body += [text((start + x) / 2, 40, label, size=15, weight='bold')]
        if number < 4:
            body += [line(x, middle(b), x + GAP, middle(b), COLORS[b]) for b in range(count)]
            x += GAP
        previous = count
    body += [line(100, middle(0), LEFT, middle(0), COLORS[0])]
    for branch, channels in enumerate(arch.out_channels):
        body += [text(x + 10, middle(branch) - 3, f'{channels} channels', 'start', 15, color=COLORS[branch])]
        body += [text(x + 10, middle(branch) + 14, f'1/{arch.strides[branch]} of the input', 'start', 15)]
    x += 136
    body += [text(x + 4, 40, 'readouts', 'start', 15, 'bold')]
    for row, (name, what, task) in enumerate(READOUTS):
        y = TOP + row * ROW
        body += [box(x, y, 44, 34, '#424242', name), text(x + 52, y + 14, what, 'start', 15)]
        body += [text(x + 52, y + 31, task, 'start', 15, color='#616161')]
    legend = f'HRNet-{ARCH.upper()}. A box is a branch of one module; crossing lines are an exchange unit.'
    width, height = x + 192, TOP + 4 * ROW + 20
    body += [text(12, height - 14, legend, 'start', 15, color='#616161')]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
    title = '<title>HRNet: parallel branches that exchange information after every module, and four readouts</title>'
    ground = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    return '\n'.join([head, title, ground, *body, '</svg>', ''])


def middle(branch):
    return TOP + branch * ROW + 17


def box(x, y, width, height, color, label):
    shape = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" fill="{color}"/>'
    return shape + (text(x + width / 2, y + height / 2 + 5, label, color='#ffffff') if label else '')


def line(x1, y1, x2, y2, color):
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{color}" stroke-width="1.6"/>'


def text(x, y, content, anchor='middle', size=13, weight='normal', color='#212121'):
    place = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}"'
    font = f'font-family="sans-serif" font-size="{size}" font-weight="{weight}"'
    return f'<text {place} {font} fill="{color}">{content}</text>'


if __name__ == '__main__':
    PICTURE.write_text(draw(), encoding='utf-8')

"""Write the demonstration's data to data/demo, as `hrnet-mm demo` does; a second call does nothing.

python tools/prepare/demo_data.py
"""

from pathlib import Path

from hrnet_mm.data import prepare_digits, prepare_faces, prepare_nuclei, prepare_people

for prepare in (prepare_nuclei, prepare_digits, prepare_people, prepare_faces):
    prepare(Path('data/demo'))

"""Sphinx configuration."""

import logging
import sys
import warnings
from pathlib import Path

import synth_replay

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(Path(__file__).parent))

from inventories import write_inventories  # noqa: E402

project = "synth_replay"
author = "The synth_replay authors"
copyright = "2026, the synth_replay authors"
release = synth_replay.__version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "sphinx-mathjax-offline",
    "myst_parser",
]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"synth_replay {release}"
exclude_patterns = [
    "_build",
    "tables",
    "gallery/**/*.ipynb",
    "gallery/**/*.py",
    "gallery/**/*.md5",
    "sg_execution_times.rst",
]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_mock_imports: list[str] = []
napoleon_use_ivar = True
nitpicky = False

# The host's own inventory where it can be reached, else the few names that these pages refer to
intersphinx_mapping = {name: (url, (None, str(path))) for name, (url, path) in write_inventories().items()}
intersphinx_timeout = 5

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples" / "gallery"),
    "gallery_dirs": "gallery",
    "filename_pattern": "plot_",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "capture_repr": (),
    "show_signature": False,
    "write_computation_times": False,
    "plot_gallery": True,
    "abort_on_example_error": True,
}
warnings.filterwarnings("ignore", category=UserWarning, message=".*FigureCanvasAgg.*")
logging.getLogger("matplotlib").setLevel(logging.WARNING)

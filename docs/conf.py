"""Sphinx configuration."""

import synth_replay

project = "synth_replay"
author = "The synth_replay authors"
copyright = "2026, the synth_replay authors"
release = synth_replay.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "myst_parser"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"synth_replay {release}"
exclude_patterns = ["_build", "tables"]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_mock_imports: list[str] = []
napoleon_use_ivar = True
nitpicky = False

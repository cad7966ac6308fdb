"""How the documentation is built: ``python -m sphinx -W docs build/docs``."""

from __future__ import annotations

import h5backends

project = "h5backends"
author = "The h5backends developers"
copyright = "2026, the h5backends developers"  # noqa: A001 - Sphinx wants this name
version = release = h5backends.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say it in words, with shapes and units
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_title = "h5backends"
html_static_path: list[str] = []

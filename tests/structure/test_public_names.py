"""One import path for each public name, and pages and examples that use no other."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
from collections import defaultdict

import pytest

from tests.structure.tree import (
    HOMES,
    PUBLIC_MODULES,
    ROOT,
    bindings,
    modules,
    origin,
    parsed,
    public_names,
    public_packages,
    python_files,
)

TWICE = {("synth_replay.generator.config", "GeneratorConfig")}  # named beside the generator and beside the presets
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "docs" / "howto").glob("*.md"))
DOTTED = re.compile(r"\b(?:synth_replay(?:_sb3|_d3rlpy|_torchrl|_visual)?)(?:\.[A-Za-z_]\w*)+")


def test_every_public_name_has_one_import_path():
    homes = defaultdict(list)
    for package in public_packages():
        for name in public_names(package):
            homes[origin(package, name)].append(f"{package}.{name}")
    assert not {thing: paths for thing, paths in homes.items() if len(paths) > 1 and thing not in TWICE}


@pytest.mark.parametrize("package", public_packages())
def test_what_a_package_exports_is_there(package):
    assert not set(public_names(package)) - set(bindings(package))


def is_public(module, name=None):
    """Whether ``import module`` or ``from module import name`` is a public path."""
    if module in PUBLIC_MODULES:
        return True
    if module not in public_packages():
        return False
    return name is None or name in public_names(module) or is_public(f"{module}.{name}")


def imported(tree):
    """Modules, with the name that is taken from them, that a syntax tree imports from our packages."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                yield from ((module, alias.name) for alias in names if module.partition(".")[0] in HOMES)
            case ast.Import(names=names):
                yield from ((alias.name, None) for alias in names if alias.name.partition(".")[0] in HOMES)


def private_imports(tree):
    return [f"{module} ({name})" for module, name in imported(tree) if not is_public(module, name)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_on_a_page_imports_public_names_only(page):
    blocks = re.findall(r"^( *)```python\n(.*?)^ *```", page.read_text(), flags=re.S | re.M)
    trees = [ast.parse(textwrap.dedent(code)) for _, code in blocks]
    assert not [fault for tree in trees for fault in private_imports(tree)]


@pytest.mark.parametrize("path", python_files("examples"), ids=lambda path: str(path.relative_to(ROOT)))
def test_an_example_imports_public_names_only(path):
    assert not private_imports(parsed(path))


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "architecture"], ids=lambda page: page.stem)
def test_a_page_names_public_paths_only(page):
    private = set()
    for path in DOTTED.findall(page.read_text()):
        parts = path.split(".")
        heads = (".".join(parts[:i]) for i in range(len(parts), 0, -1))
        module = next((head for head in heads if head in modules()), "")
        rest = parts[module.count(".") + 1 :]
        if not is_public(module, rest[0] if rest else None):
            private.add(path)
    assert not private - {"synth_replay.adapters"}  # the group of entry points


def test_importing_synth_replay_loads_no_torch():
    code = "import sys, synth_replay; print([m for m in ('torch', 'numpy', 'gymnasium') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""What the source tree says about itself, read without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOMES = {
    "synth_replay": ROOT,
    "synth_replay_sb3": ROOT / "adapters",
    "synth_replay_d3rlpy": ROOT / "adapters",
    "synth_replay_torchrl": ROOT / "adapters",
    "synth_replay_visual": ROOT / "pipelines",
}
SKIPPED = {"_build", "gallery", "generated", "__pycache__", "runs", "results"}
PUBLIC_MODULES = {
    "synth_replay.errors",
    "synth_replay_sb3.policies",  # its name is promised
}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = Function | ast.ClassDef | ast.Module


def python_files(*folders: str) -> list[Path]:
    """All Python files in folders of the repository."""
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def package_files() -> list[Path]:
    """All Python files of the import packages."""
    return [path for package, home in HOMES.items() for path in sorted((home / package).rglob("*.py"))]


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text())


def functions(path: Path) -> Iterator[Function]:
    """All functions and methods of a file, nested ones too."""
    return (node for node in ast.walk(parsed(path)) if isinstance(node, Function))


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Line number and text of each docstring of a file."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text


def module_name(path: Path) -> str:
    """The dotted name under which a file of the packages is imported."""
    home = next(HOMES[part] for part in path.relative_to(ROOT).parts if part in HOMES)
    parts = path.relative_to(home).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    """All modules and packages: dotted name and file."""
    return {module_name(path): path for path in package_files()}


@cache
def bindings(module: str) -> dict[str, tuple[str, str] | None]:
    """The names of a module: from which module they are imported under which name, or None for its own."""
    found: dict[str, tuple[str, str] | None] = {}
    for node in ast.walk(parsed(modules()[module])):
        match node:
            case ast.ImportFrom(module=str(source), names=names, level=0):
                found |= {alias.asname or alias.name: (source, alias.name) for alias in names}
            case ast.Import(names=names):
                found |= {alias.asname or alias.name.partition(".")[0]: None for alias in names}
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                found.setdefault(name, None)
    return found


@cache
def public_names(module: str) -> tuple[str, ...]:
    """``__all__`` of a module, empty if it has none."""
    for node in parsed(modules()[module]).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                return tuple(ast.literal_eval(value))
    return ()


def public_packages() -> list[str]:
    """All packages that export names."""
    return [name for name, path in modules().items() if path.name == "__init__.py" and public_names(name)]


def origin(module: str, name: str) -> tuple[str, str]:
    """The module in which an exported name is defined, and its name there."""
    source = bindings(module).get(name)
    while source and source[0] in modules():
        module, name = source
        source = bindings(module).get(name)
    return module, name


def text_files() -> Iterator[Path]:
    """All files of text that may name a module or a path; the changelog tells of old names and is exempt."""
    suffixes = {".py", ".md", ".toml", ".yml", ".yaml", ".rst", ".j2", ".cff", ".txt"}
    roots = {"Makefile", ".pre-commit-config.yaml"} | {path.name for path in ROOT.iterdir() if path.suffix in suffixes}
    yield from (ROOT / name for name in sorted(roots - {"CHANGELOG.md"}))
    for folder in (".github", "adapters", "benchmarks", "docs", "examples", "pipelines", "synth_replay", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and not SKIPPED & set(path.relative_to(ROOT).parts[1:-1]):
                yield path
    yield from (path for path in (ROOT / "examples" / "gallery").glob("*.*") if path.suffix in suffixes)

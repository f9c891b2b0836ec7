import ast
import doctest
import importlib
import importlib.metadata
import pkgutil
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import lastlayer
from lastlayer.cli import program

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = sorted(module.name for module in pkgutil.iter_modules(lastlayer.__path__) if module.ispkg)
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(lastlayer.__path__, "lastlayer.")
    if not module.name.endswith("__main__")
)
README_SNIPPETS = re.findall(r"^```python\n(.*?)^```", (REPOSITORY / "README.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("statement", ["import lastlayer", "import lastlayer; dir(lastlayer)", "import lastlayer.cli"])
def test_importing_costs_next_to_nothing(statement):
    heavy = {"numba", "sklearn", "polars", "torch", "scipy", "rich"}
    program = f"{statement}; import sys; print(*({heavy!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_help_pages_and_workers_need_neither_scikit_learn_nor_an_optimizer():
    pytest.importorskip("ray")
    modules = [f"lastlayer.cli.{name}" for name in program._COMMANDS]
    code = f"""if True:
    import importlib, sys
    for name in {[*modules, "lastlayer.ray.shard_worker"]}:
        importlib.import_module(name)
        unwanted = {{"sklearn", "scipy.optimize"}} & set(sys.modules)
        assert not unwanted, (name, unwanted)
    """
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_nothing_but_the_torch_folder_imports_torch_and_nothing_onnx():
    """One after the other in one process: the first that does is the one that is printed."""
    names = ["lastlayer.functions", "lastlayer.losses", "lastlayer.metrics", "lastlayer.estimators"]
    program = f"""if True:
    import importlib, sys
    for name in {names}:
        importlib.import_module(name)
        unwanted = {{"torch", "onnx"}} & set(sys.modules)
        assert not unwanted, (name, unwanted)
    """
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_public_names_are_sorted_there_and_documented():
    assert lastlayer.__all__ == sorted(lastlayer.__all__)
    assert set(lastlayer.__all__) <= set(dir(lastlayer))
    for name in lastlayer.__all__:
        assert getattr(lastlayer, name).__doc__, name


@pytest.mark.parametrize("package", ["lastlayer", "lastlayer.estimators", "lastlayer.ray"])
def test_type_checkers_see_the_same_names_from_the_same_homes(package):
    lazy = importlib.import_module(package)
    folder = Path(lazy.__file__).parent
    imports = [
        node for node in ast.parse((folder / "__init__.pyi").read_text()).body if isinstance(node, ast.ImportFrom)
    ]
    seen = {alias.asname: f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    assert seen == {name: ".".join(filter(None, [package, home, name])) for name, home in lazy._HOME.items()}
    # Python would show a module of a name's own name in its place.
    modules = {path.stem for path in folder.iterdir()}
    assert {name for name, home in lazy._HOME.items() if home and name in modules} == set()


def test_the_distribution_is_typed():
    assert (Path(lastlayer.__file__).parent / "py.typed").is_file()


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'lastlayer' has no attribute 'softmacks'"):
        _ = lastlayer.softmacks


def test_version_is_that_of_the_distribution():
    assert lastlayer.__version__ == importlib.metadata.version("lastlayer")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_exports_what_its_init_imports_and_nothing_else(package):
    module = importlib.import_module(f"lastlayer.{package}")
    exported = getattr(module, "__all__", [])
    for name in exported:
        getattr(module, name)  # some are imported on first use
    public = {
        name
        for name, value in vars(module).items()
        # A submodule of the same name as its function is replaced by it in the package.
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert len(exported) == len(set(exported))  # their order is ruff's business
    assert set(exported) == public
    for name in exported:
        assert getattr(module, name).__doc__, name


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.failed == 0


@pytest.mark.parametrize("snippet", README_SNIPPETS)
def test_examples_in_the_readme(snippet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if ">>>" in snippet:
        test = doctest.DocTestParser().get_doctest(snippet, {}, "README.md", "README.md", 0)
        assert doctest.DocTestRunner().run(test).failed == 0
    else:
        exec(compile(snippet, "README.md", "exec"), {})


@pytest.mark.parametrize("page", sorted((REPOSITORY / "docs").glob("*.md")), ids=lambda page: page.name)
def test_examples_in_the_docs(page):
    result = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0


def test_imports_go_only_up_the_layers():
    command = Path(sys.executable).with_name("lint-imports")
    if not command.exists():
        pytest.skip("import-linter is not installed")
    result = subprocess.run([command, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_every_source_file_has_its_test_or_a_line_that_says_where():
    table = re.findall(r"^\| (`.*`) \| (`.*`) \|$", (REPOSITORY / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    listed = {name for sources, _ in table for name in re.findall(r"`(.*?)`", sources)}
    for _, places in table:
        assert all((REPOSITORY / place).exists() for place in re.findall(r"`(.*?)`", places)), places
    source = REPOSITORY / "src" / "lastlayer"
    files = {path.relative_to(source) for path in source.rglob("*.py") if path.name != "__init__.py"}
    untested = {
        str(path)
        for path in files
        if not any(
            (REPOSITORY / "tests" / path.parent / f"test_{name}.py").exists()
            for name in (path.stem, path.stem.removeprefix("_"))
        )
    }
    assert untested == listed


def test_prose_fits_its_lines():
    pages = [path for folder in (".", "docs", "decisions") for path in (REPOSITORY / folder).glob("*.md")]
    assert len(pages) > 10
    for page in pages:
        for number, line in enumerate(page.read_text().splitlines(), 1):
            assert len(line) <= 120 or line.startswith("|"), f"{page.name}:{number}"

# What developers and CI run. `just check` is the whole of it.

python := env("PYTHON", ".venv/bin/python")
bin := parent_directory(python)

# The tests start hundreds of programs: none of them shall compile the sources anew.
export PYTHONDONTWRITEBYTECODE := ""

# List the recipes.
default:
    @just --list

# Everything that CI runs.
check: lint types architecture test

# Style and format.
lint:
    {{ bin }}/ruff check .
    {{ bin }}/ruff format --check .

# Two strict type checkers.
types:
    {{ bin }}/mypy
    {{ bin }}/basedpyright --pythonpath {{ python }}

# Who may import whom.
architecture:
    {{ bin }}/lint-imports

# The tests, in two processes with a file at a time each: many wait for a broker. Further arguments go to pytest.
test *arguments:
    {{ bin }}/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder -m "not ordeal" {{ arguments }}

# The tests that break everything in turn, one after the other: the bounds of recovery are times.
ordeals *arguments:
    {{ bin }}/python -m pytest -m ordeal -s {{ arguments }}

# Tests with branch coverage.
coverage:
    {{ bin }}/python -m pytest --cov --cov-report=term-missing:skip-covered

# Reformat and fix what can be fixed.
fix:
    {{ bin }}/ruff check --fix .
    {{ bin }}/ruff format .

# Pin what the next installation takes.
pin:
    {{ bin }}/uv pip compile --universal --python-version 3.11 --all-extras --no-annotate --no-header \
        --no-emit-index-url pyproject.toml -o constraints.txt

# Measure against named peers, such as `just bench --only kernels`.
bench *arguments:
    {{ bin }}/python benchmarks {{ arguments }}

# Measure detection quality on the corpora beside the checkout, and write its page.
quality *arguments:
    {{ bin }}/python benchmarks/quality.py {{ arguments }} > docs/quality.md.new
    mv docs/quality.md.new docs/quality.md

# Measure false-alert rates of every detector, and write their page.
calibration *arguments:
    {{ bin }}/python benchmarks/calibration.py {{ arguments }} > docs/calibration.md.new
    mv docs/calibration.md.new docs/calibration.md

# Random faults under traffic for minutes (30), reproducible by seed.
soak *arguments:
    cd tests && {{ absolute_path(bin) }}/python -m soak {{ arguments }}

"""The JSON Schema and the reference page of flows are those of the models."""

from __future__ import annotations

from pathlib import Path

from pynomaly.application.spec.page import flow_page
from pynomaly.application.spec.schema import schema_text

ROOT = Path(__file__).parents[2]


def test_schema_file_is_current() -> None:
    """The committed JSON Schema is what the models give."""
    committed = (ROOT / "flows" / "schema" / "flow.schema.json").read_text()
    assert committed == schema_text(), (
        "flows/schema/flow.schema.json must be current: "
        "python -m pynomaly.application.spec.schema > flows/schema/flow.schema.json"
    )


def test_reference_page_is_current() -> None:
    """The committed page of keys is what the models give."""
    committed = (ROOT / "docs" / "flow-reference.md").read_text()
    assert committed == flow_page(), (
        "docs/flow-reference.md must be current: python -m pynomaly.application.spec.page > docs/flow-reference.md"
    )


def test_reference_page_links_to_its_own_headings() -> None:
    """Every link of the page leads somewhere."""
    import re

    page = flow_page()
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^## (.+)$", page, re.MULTILINE)}
    assert set(re.findall(r"\(#([^)]+)\)", page)) <= headings

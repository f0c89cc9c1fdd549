"""Which version this is."""

from __future__ import annotations

from pathlib import Path


def version() -> str:
    """The number of the installed package, or of the folder that this runs from."""
    from importlib.metadata import PackageNotFoundError  # noqa: PLC0415 - most commands need no number
    from importlib.metadata import version as installed  # noqa: PLC0415

    try:
        return installed("countersign")
    except PackageNotFoundError:  # run from its folder, not installed
        import tomllib  # noqa: PLC0415

        project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])

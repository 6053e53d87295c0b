"""Types of what comes in with a request: bounded, so that nothing odd reaches the database."""

from __future__ import annotations

from typing import Annotated

from litestar.params import PathParameter, QueryParameter

LARGEST_ID = 2**63 - 1

RunId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]
ProjectId = Annotated[int, PathParameter(ge=1, le=LARGEST_ID)]
SectionName = Annotated[str, PathParameter(max_length=30)]
ChosenProject = Annotated[int, QueryParameter(name="project", ge=0, le=LARGEST_ID)]
PageNumber = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]
SearchText = Annotated[str, QueryParameter(name="q", max_length=200)]
AfterEvent = Annotated[int, QueryParameter(name="after", ge=0, le=LARGEST_ID)]
Before = Annotated[int, QueryParameter(name="before", ge=0, le=2**31 - 1)]

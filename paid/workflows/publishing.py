"""Publishing within a run's rounds: what is refused, and can be mended, goes back to the agent."""

from __future__ import annotations

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from paid import queues
    from paid.contracts import (
        EndInput,
        KeptWork,
        PublishInput,
        PullRequest,
        RunInput,
        RunStatus,
        TurnResult,
        Workspace,
    )
    from paid.workflows.steps import do, step

MOST_REFUSALS = 2
"""So often in a row an agent is paid to mend what hinders its work from being published."""


class Publishing:
    """What one run's workflow knows of its attempts to publish."""

    def __init__(self, run: RunInput) -> None:
        self._run_id = run.run_id
        self._refusals: list[PullRequest] = []
        self._last: tuple[str, str] | None = None

    @property
    def feedback_id(self) -> int | None:
        """What the agent is to mend; None when nothing was refused."""
        return self._refusals[-1].feedback_id if self._refusals else None

    async def publish(self, workspace: Workspace, head_sha: str, queue: str) -> EndInput | None:
        """The run's end; None when it was refused for what the agent can mend, and may."""
        given = PublishInput(self._run_id, workspace, head_sha)
        answer = await do("create_pull_request", given, PullRequest, queues.PUBLISH, queue)
        if answer.feedback_id is None:
            return EndInput(self._run_id, RunStatus.COMPLETED)
        if workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError  # an activity that ends in spite of a cancel swallows it
        unmoved = self._is_unmoved(head_sha, answer.message)
        if unmoved and workflow.patched("same-refusal"):
            self._refusals.append(answer)
            return self.refusal()
        return self._note(answer)

    def _is_unmoved(self, head_sha: str, message: str) -> bool:
        """Whether the agent was told of this refusal, and left its commit as it was."""
        before, self._last = self._last, (head_sha, message)
        return self._last == before

    def not_taken(self, turn: TurnResult) -> EndInput | None:
        """The same for a turn whose commits could not even be taken out of its workspace."""
        return self._note(PullRequest(0, "", turn.feedback_id, turn.code, turn.message))

    def _note(self, refusal: PullRequest) -> EndInput | None:
        self._refusals.append(refusal)
        return self.refusal() if len(self._refusals) > MOST_REFUSALS else None

    async def publish_kept(self, run: RunInput, queue: str) -> EndInput:
        """Publish what was kept of a failed run: there is no agent to whom it could go back."""
        kept = await step("restore_work", run, KeptWork, queues.PUBLISH, queue)
        end = await self.publish(kept.workspace, kept.head_sha, queue) or self.refusal()
        assert end is not None  # noqa: S101 - what is not published was refused
        return end

    def begin_anew(self) -> None:
        """Refusals before a round whose checks failed do not count: other things are mended now."""
        self._refusals.clear()
        self._last = None

    def refusal(self) -> EndInput | None:
        """The end that the last refusal means; None when nothing was refused."""
        if not self._refusals:
            return None
        last = self._refusals[-1]
        return EndInput(self._run_id, RunStatus.FAILED, last.code, last.message)

"""Activities with the real ones' names, whose answers a test decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from temporalio import activity

from paid.contracts import (
    EndInput,
    HostSlot,
    KeptWork,
    PublishInput,
    PullRequest,
    RunEnd,
    RunInput,
    RunPlan,
    RunStatus,
    TurnEnd,
    TurnInput,
    TurnResult,
    VerifyInput,
    VerifyResult,
    Workspace,
)

HEAD = "a" * 40
BASE = "b" * 40


class FakeRun:
    """The activities of one run. `answers` replaces what an activity does, by its name."""

    def __init__(self, task_queue: str, **answers: Callable[[Any], Any]) -> None:
        self.task_queue = task_queue
        self.answers = answers
        self.calls: list[str] = []
        self.turns: list[TurnInput] = []
        self.ends: list[EndInput] = []
        self.open_pull_request: PullRequest | None = None

    def all(self) -> list[Callable[..., Any]]:
        return [
            self.check_budget,
            self.announce,
            self.provision_container,
            self.create_worktree,
            self.restore_work,
            self.run_agent,
            self.verify,
            self.create_pull_request,
            self.end_run,
            self.release_container,
            self.cleanup_worktree,
            self.report_end,
        ]

    async def _answer(self, name: str, given: Any, usual: Any) -> Any:
        self.calls.append(name)
        if name not in self.answers:
            return usual
        answer = self.answers[name](given)
        return await answer if asyncio.iscoroutine(answer) else answer

    @activity.defn
    async def check_budget(self, given: RunInput) -> RunPlan:
        return await self._answer("check_budget", given, RunPlan(allowed=True, has_checks=True))

    @activity.defn
    async def announce(self, given: RunInput) -> None:
        await self._answer("announce", given, None)

    @activity.defn
    async def provision_container(self, given: RunInput) -> HostSlot:
        return await self._answer("provision_container", given, HostSlot("here", self.task_queue))

    @activity.defn
    async def create_worktree(self, given: RunInput) -> Workspace:
        usual = Workspace(given.run_id, "volume", BASE, "paid/issue-1-1")
        return await self._answer("create_worktree", given, usual)

    @activity.defn
    async def restore_work(self, given: RunInput) -> KeptWork:
        usual = KeptWork(Workspace(given.run_id, "", BASE, "paid/issue-1-1"), HEAD)
        return await self._answer("restore_work", given, usual)

    @activity.defn
    async def run_agent(self, given: TurnInput) -> TurnResult:
        self.turns.append(given)
        usual = TurnResult(TurnEnd.FINISHED, HEAD, 100 * given.turn, f"digest {given.turn}", "ok")
        return await self._answer("run_agent", given, usual)

    @activity.defn
    async def verify(self, given: VerifyInput) -> VerifyResult:
        return await self._answer("verify", given, VerifyResult(passed=True))

    @activity.defn
    async def create_pull_request(self, given: PublishInput) -> PullRequest:
        found = await self._answer(
            "create_pull_request", given, PullRequest(7, "http://forge/pull/7")
        )
        if found.feedback_id is None:
            self.open_pull_request = found
        return found

    @activity.defn
    async def end_run(self, given: EndInput) -> RunEnd:
        self.ends.append(given)
        status = RunStatus.COMPLETED if self.open_pull_request else given.status
        return await self._answer("end_run", given, RunEnd(status, self.open_pull_request))

    @activity.defn
    async def release_container(self, given: RunInput) -> None:
        await self._answer("release_container", given, None)

    @activity.defn
    async def cleanup_worktree(self, given: RunInput) -> None:
        await self._answer("cleanup_worktree", given, None)

    @activity.defn
    async def report_end(self, given: RunInput) -> None:
        await self._answer("report_end", given, None)

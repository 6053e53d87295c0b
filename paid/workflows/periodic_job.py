"""A job whose time has come: it is put in the outbox, and the job runner does it."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from paid import queues


@dataclass(frozen=True)
class PeriodicJob:
    """The name of the actor that does it."""

    actor: str


@dataclass(frozen=True)
class EnqueueInput:
    """A job and its key: one for each time that the schedule fires, however often it is tried."""

    actor: str
    key: str


@workflow.defn(name="PeriodicJobWorkflow")
class PeriodicJobWorkflow:
    """Started by a Temporal Schedule."""

    @workflow.run
    async def run(self, job: PeriodicJob) -> None:
        """Enqueue the job, once."""
        await workflow.execute_activity(
            "enqueue_job",
            EnqueueInput(job.actor, key=workflow.info().workflow_id),
            **queues.options(queues.QUICK),
        )

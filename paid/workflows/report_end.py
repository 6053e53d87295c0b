"""The last word on GitHub about a run whose own workflow cannot say it any more."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from paid import queues
    from paid.contracts import RunInput


@workflow.defn(name="ReportEndWorkflow")
class ReportEndWorkflow:
    """Started by the reconciler, once for a run that it has ended."""

    @workflow.run
    async def run(self, run: RunInput) -> None:
        """Labels and comment tell how the run ended."""
        await workflow.execute_activity("report_end", run, **queues.options(queues.GITHUB))

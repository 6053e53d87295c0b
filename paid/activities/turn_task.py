"""What the container of a turn is told: the prompt, the agent's command line, its limits."""

from __future__ import annotations

from paid.activities.commit_words import left_over
from paid.activities.parts import Host
from paid.activities.task_text import Ask, ask_of
from paid.activities.turn_state import TurnState
from paid.agents import registry
from paid.agents.protocol import Turn
from paid.containers.contract import StepSpec
from paid.containers.task import Task
from paid.store import runs


def spec_of(host: Host, turn: TurnState) -> StepSpec:
    """The container of a turn's agent; what it is asked goes on record with the prompt's hash."""
    facts, given = turn.facts, turn.given
    agent = registry.get(facts.run.agent)
    absent = host.mirrors.absent(turn.hold.project_id, turn.workspace.base_sha)
    with host.database.session() as session:
        ask: Ask = ask_of(session, facts, given, turn.workspace, absent, continues=agent.continues)
        runs.say(
            session, facts.run, "agent.prompt", template=ask.template, sha256=ask.sha256,
            stripped=list(ask.findings),
        )  # fmt: skip
    invocation = agent.invoke(
        Turn(
            prompt=ask.prompt,
            model=facts.run.model,
            session_id=ask.session_id,
            argv=tuple(facts.policy.agent_command),
        )
    )
    task = Task(
        mode="agent",
        argv=invocation.argv,
        stdin=invocation.stdin,
        env=invocation.env,
        files=invocation.files,
        branch=turn.workspace.branch,
        base_sha=turn.workspace.base_sha,
        timeout_seconds=given.max_seconds,
        commit_message=left_over(facts, given.turn),
        trusted_paths=agent.config_paths,
        gateway=True,
        litter=agent.litter,
    )
    return host.spec(facts, "agent", given.turn, task, volume=turn.workspace.volume)

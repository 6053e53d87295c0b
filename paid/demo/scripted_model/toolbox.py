"""How an action is done with the tools that an agent declared: its shell, its editor, its patch.

Nothing here asks which agent it is; the declared tools and their schemas decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from paid.demo.scripted_model.actions import Action, Edit, Run, Write
from paid.demo.scripted_model.conversation import Ask, Json, Tool

SHELLS = (
    "exec_command",
    "shell_command",
    "shell",
    "local_shell",
    "Bash",
    "bash",
    "run_shell_command",
    "execute_bash",
)
EDITORS = ("Edit", "edit", "replace")
READERS = ("Read", "read", "read_file")
WRITERS = ("Write", "write", "write_file")
FOLDER = re.compile(
    r"(?:<cwd>|[Ww]orking directory:?\**|cwd:|current directory is|directory:)\s*`?(/[^\s<`,]*)"
)
DEFAULT_FOLDER = "/workspace/tree"

ToolCall = tuple[str, Json | str]


@dataclass(frozen=True)
class Toolbox:
    """The declared tools, and the folder that the agent says it works in."""

    tools: dict[str, Tool]
    folder: str = DEFAULT_FOLDER

    @classmethod
    def of(cls, ask: Ask) -> Toolbox:
        """Read the declared tools; most agents name their folder in a prompt."""
        texts = (entry.text for entry in ask.entries if entry.role in ("system", "user"))
        folders = [found[1] for text in texts for found in FOLDER.finditer(text)]
        folder = folders[0].rstrip("/.") if folders else DEFAULT_FOLDER
        return cls({tool.name: tool for tool in ask.tools}, folder or DEFAULT_FOLDER)

    @property
    def usable(self) -> bool:
        """Whether there is a shell; everything can be done with one."""
        return self._first(SHELLS) is not None

    def calls(self, action: Action) -> Iterator[ToolCall]:
        """The calls that do the action, in order; each waits for the result of the one before."""
        if isinstance(action, Run):
            yield self._shell(action.command, action.purpose)
        elif self._patches(action):
            yield "apply_patch", patch(action)
        elif isinstance(action, Edit):
            yield from self._edit(action)
        else:
            yield from self._write(action)

    def _patches(self, action: Edit | Write) -> bool:
        tool = self.tools.get("apply_patch")
        return tool is not None and tool.freeform and (isinstance(action, Edit) or action.fresh)

    def _edit(self, action: Edit) -> Iterator[ToolCall]:
        editor, reader = self._first(EDITORS), self._first(READERS)
        if editor is None or reader is None:
            yield self._shell(edit_command(action), f"Edit {action.path}")
            return
        path = f"{self.folder}/{action.path}"
        # Editors refuse a file that was not read before.
        yield reader.name, _filled(reader, {"path": path})
        change = {"path": path, "old": action.old, "new": action.new}
        yield editor.name, _filled(editor, change)

    def _write(self, action: Write) -> Iterator[ToolCall]:
        writer = self._first(WRITERS)
        # Writers refuse a file that is there and was not read before.
        if writer is None or not action.fresh:
            yield self._shell(write_command(action), f"Write {action.path}")
            return
        path = f"{self.folder}/{action.path}"
        yield writer.name, _filled(writer, {"path": path, "content": action.content})

    def _shell(self, command: str, purpose: str) -> ToolCall:
        tool = self._first(SHELLS)
        if tool is None:
            raise ValueError("no shell among the declared tools")
        return tool.name, _filled(tool, {"command": command, "purpose": purpose})

    def _first(self, names: tuple[str, ...]) -> Tool | None:
        return next((self.tools[name] for name in names if name in self.tools), None)


MEANINGS = {
    "cmd": "command",
    "command": "command",
    "description": "purpose",
    "instruction": "purpose",
    "explanation": "purpose",
    "file_path": "path",
    "filePath": "path",
    "absolute_path": "path",
    "path": "path",
    "old_string": "old",
    "oldString": "old",
    "new_string": "new",
    "newString": "new",
    "content": "content",
}
"""What the parameters of popular agents' tools are for."""


def _filled(tool: Tool, values: Json) -> Json:
    """Arguments for the tool's own parameter names; a required one unknown here gets a filler."""
    arguments: Json = {}
    for name, schema in tool.properties.items():
        meaning = MEANINGS.get(name, "")
        if meaning in values and (name in tool.required or meaning != "purpose"):
            arguments[name] = _typed(schema, values[meaning])
        elif name in tool.required:
            arguments[name] = _filler(schema, values)
    return arguments


def _typed(schema: Json, value: str) -> str | list[str]:
    return ["bash", "-c", value] if schema.get("type") == "array" else value


def _filler(schema: Json, values: Json) -> object:
    fillers: dict[str, object] = {"boolean": False, "integer": 0, "number": 0, "array": []}
    if schema.get("enum"):
        return schema["enum"][0]
    return fillers.get(str(schema.get("type")), values.get("purpose", ""))


def edit_command(action: Edit) -> str:
    """A shell command that edits: Python is in every image, and quotes nothing here."""
    return (
        "python3 - <<'END_OF_EDIT'\n"
        "from pathlib import Path\n"
        f"path = Path({action.path!r})\n"
        f"old = {action.old!r}\n"
        f"new = {action.new!r}\n"
        "text = path.read_text()\n"
        "assert text.count(old) == 1, 'the place to edit is not there'\n"
        "path.write_text(text.replace(old, new))\n"
        "END_OF_EDIT"
    )


def write_command(action: Write) -> str:
    """A shell command that writes a file whole."""
    folder = action.path.rpartition("/")[0]
    make = f"mkdir -p {folder} && " if folder else ""
    return f"{make}cat > {action.path} <<'END_OF_FILE'\n{action.content}END_OF_FILE"


def patch(action: Edit | Write) -> str:
    """The patch language of codex."""
    if isinstance(action, Write):
        body = "".join(f"+{line}\n" for line in action.content.splitlines())
        return f"*** Begin Patch\n*** Add File: {action.path}\n{body}*** End Patch"
    old = "".join(f"-{line}\n" for line in action.old.splitlines())
    new = "".join(f"+{line}\n" for line in action.new.splitlines())
    return f"*** Begin Patch\n*** Update File: {action.path}\n@@\n{old}{new}*** End Patch"

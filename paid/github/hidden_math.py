"""Formulas, which GitHub draws, and in which text can be hidden.

`$\\phantom{…}$` is blank on the page, and a colour may be that of the page. GitHub's page "Writing
mathematical expressions" has the forms: `$…$`, `$`…`$`, `$$…$$` and a block of the language `math`.
"""

from __future__ import annotations

import re

from paid.github.hidden_characters import Note

_MAY_HIDE = re.compile(
    r"\\(?:[hv]?phantom|color|textcolor|colorbox|fcolorbox|label|def|let|newcommand|renewcommand"
    r"|mathchoice|[rl]lap|math[rlc]lap|smash|style|class|cssId|href|tiny|scriptscriptstyle)\b"
    r"|(?<!\\)%"
)
"""What hides, or makes too small to be read, some of a formula."""
_FORMULA = re.compile(
    r"(?P<kept>\\[!-/:-@\[-`{-~])|(?P<formula>\$\$.+?\$\$|\$`[^`]+`\$"
    r"|(?<![\w$])\$(?![\s$])[^$\n]+?(?<!\s)\$(?![\w${(/]))"
    r"|(?P<code>(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)|`+)",
    re.DOTALL,
)
_FENCE = re.compile(r"[^`~\n]*(?:`{3,}|~{3,})[ \t]*math\b", re.IGNORECASE)
FORMULA = "[formula]"


def without_hidden_formulas(text: str, note: Note) -> str:
    """A paragraph without formulas that may hide some of their text; all others stay."""
    if "$" not in text or not _MAY_HIDE.search(text):
        return text
    return _FORMULA.sub(lambda match: _formula(match, note), text)


def without_hidden_block(block: str, note: Note) -> str:
    """The block of code as it is; in a formula that may hide text, FORMULA instead of its lines."""
    first, _, rest = block.partition("\n")
    if not _FENCE.match(block) or not _MAY_HIDE.search(rest):
        return block
    note("formula that may hide text", rest)
    lines = rest.splitlines(keepends=True)
    closing = lines[-1] if lines and re.match(r"[ \t>]*(?:`{3,}|~{3,})", lines[-1]) else ""
    return f"{first}\n{FORMULA}\n{closing}"


def _formula(match: re.Match[str], note: Note) -> str:
    formula = match["formula"]
    if formula is None or not _MAY_HIDE.search(formula):
        return match[0]
    note("formula that may hide text", formula)
    return FORMULA

"""Tags that GitHub's page drops, with words in them that a model reads.

A tag of a name that HTML has not (`<delete-all-tests>`) is on no page, and neither is what a
browser forgives in a block of HTML: attributes of closing tags, quotes without a name, comments
that only begin like one.
"""

from __future__ import annotations

import re

from paid.github.hidden_characters import Note

_KNOWN = (
    "a|abbr|address|article|aside|audio|b|bdi|bdo|big|blockquote|br|button|canvas|caption|center|"
    "cite|code|col|colgroup|data|datalist|dd|del|details|dfn|dialog|div|dl|dt|em|embed|fieldset|"
    "figcaption|figure|font|footer|form|h[1-8]|head|header|hr|html|body|i|iframe|img|input|ins|kbd|"
    "label|legend|li|link|main|map|mark|math|menu|meta|meter|nav|noembed|noframes|noscript|object|"
    "ol|optgroup|option|output|p|picture|plaintext|pre|progress|q|rp|rt|ruby|s|samp|script|section|"
    "select|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|template|"
    "textarea|tfoot|th|thead|time|title|tr|track|tt|u|ul|var|video|wbr|xmp"
)
UNKNOWN_TAG = rf"</?(?!(?i:{_KNOWN})[\s/>])[A-Za-z][A-Za-z0-9-]*\s*/?>"
"""As CommonMark has them in a line of text, without attributes: those go first."""
_IN_CELLS = re.compile(
    rf"\\.|(?<!`)(?P<ticks>`+)(?!`)[^|\n]*?(?<!`)(?P=ticks)(?!`)|(?P<unknown>{UNKNOWN_TAG})"
)
_IN_BLOCK = re.compile(
    rf"(?P<bogus></[^A-Za-z>][^>]*>|(?:<[?!]|[\1\2])[^>]*>)"
    r"|<(?P<tag>/?[A-Za-z][^\s/>]*)(?!\s*/?>)(?P<rest>[\s/][^>]*)>"
    rf"|(?P<unknown></?(?!(?i:{_KNOWN})[\s/>])[A-Za-z][^\s/>]*\s*/?>)"
)
"""As browsers read a block of HTML; the marks are those of `hidden_markup`."""


def without_unknown_tags(cells: str, note: Note) -> str:
    """Lines of a table without such tags; its code stays, which cannot leave a cell."""
    return _IN_CELLS.sub(lambda match: _gone(match, note), cells)


def without_unseen_tags(block: str, note: Note) -> str:
    """A block of HTML with tags of HTML's own names, and nothing in them.

    No tag ends behind the last `>`, where each `<` would be looked for one in vain.
    """
    end = block.rfind(">") + 1
    return _IN_BLOCK.sub(lambda match: _gone(match, note), block[:end]) + block[end:]


def _gone(match: re.Match[str], note: Note) -> str:
    found = match.groupdict()
    if found.get("tag"):
        note("HTML attributes", found["rest"].strip())
        return f"<{found['tag']}>"
    if found.get("bogus"):
        note("HTML comment", match[0])
        return ""
    if found["unknown"]:
        note("unknown HTML tag", match[0])
        return ""
    return match[0]

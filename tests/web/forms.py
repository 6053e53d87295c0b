"""What a browser would send for a form that nobody touched: what the form shows."""

from __future__ import annotations

from html.parser import HTMLParser


def fields_of(page: str, action: str) -> dict[str, str]:
    """The fields of the form whose action has this text in it, without the page's own token."""
    reader = _Reader(action)
    reader.feed(page)
    return {name: text for name, text in reader.found.items() if name != "csrf_token"}


class _Reader(HTMLParser):
    def __init__(self, action: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._action = action
        self._inside = False
        self._select = ""
        self._taking = ""
        """The field that the text which comes next is the value of."""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self._inside = self._action in given["action"]
        if not self._inside:
            return
        if tag == "select":
            self._select = given["name"]
        elif tag == "textarea" or (tag == "option" and "selected" in given):
            name = given["name"] if tag == "textarea" else self._select
            self.found[name] = given.get("value", "")
            self._taking = "" if "value" in given else name
        elif tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self.found[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("option", "textarea"):
            self._taking = ""

    def handle_data(self, data: str) -> None:
        if self._taking:
            self.found[self._taking] += data

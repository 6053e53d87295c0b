"""From a text such as "1h 30m" to seconds."""

UNITS = {"s": 1, "m": 60, "h": 3600}


def parse(text: str) -> int:
    """Return the seconds in a span; raise ValueError on anything that is not one."""
    total = 0
    for part in text.split():
        number, unit = part[:-1], part[-1:]
        if unit not in UNITS or not number.isdigit():
            raise ValueError(f"not a span: {text!r}")
        total = int(number) * UNITS[unit]
    return total

"""From seconds to words such as "1 hour 30 minutes"."""


def humanize(seconds: int) -> str:
    """Return the span in words, the largest unit first."""
    hours = seconds // 3600
    minutes = seconds % 3600 // 60
    rest = seconds % 60
    words = []
    if hours == 1:
        words.append("1 hour")
    elif hours > 1:
        words.append(f"{hours} hours")
    if minutes == 1:
        words.append("1 minute")
    elif minutes > 1:
        words.append(f"{minutes} minutes")
    if rest == 1:
        words.append("1 second")
    elif rest > 1:
        words.append(f"{rest} seconds")
    return " ".join(words) or "0 seconds"

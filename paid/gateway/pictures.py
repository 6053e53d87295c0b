"""How long and narrow a picture is, by its bytes: Gemini 2 counts each in tiles.

Google's page on images: the tiles are two thirds of the shorter side, and 258 tokens each. So a
picture of 400 by 40,000 points, two kilobytes when it is empty, costs 78,000 tokens.
"""

from __future__ import annotations

TILES_A_UNIT = 23
"""They cost less than `estimate.MEDIA_TOKENS`."""
_SEGMENTS = frozenset({0xC4, 0xCC, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})
_SIZES = frozenset(range(0xC0, 0xD0)) - _SEGMENTS
_IN_WEBP = {b"VP8X": (12, 24, 24, 1), b"VP8 ": (14, 14, 16, 0), b"VP8L": (9, 14, 14, 1)}
"""Where the sides begin, how many bits one has, where the second begins, and how much less than the
truth they say."""


def most_units(raw: bytes) -> int | None:
    """What it costs at most, in units of MEDIA_TOKENS; None when its size cannot be told."""
    sides = _sides(raw)
    if sides is None:
        return None
    tile = max(1, min(sides) * 2 // 3)
    tiles = -(-sides[0] // tile) * -(-sides[1] // tile)
    return max(1, -(-tiles // TILES_A_UNIT))


def _sides(raw: bytes) -> tuple[int, int] | None:
    if raw.startswith(b"\x89PNG"):
        return int.from_bytes(raw[16:20]), int.from_bytes(raw[20:24])
    if raw.startswith(b"GIF8"):
        return int.from_bytes(raw[6:8], "little"), int.from_bytes(raw[8:10], "little")
    if raw.startswith(b"RIFF"):
        return _of_webp(raw[12:30])
    return _of_jpeg(raw) if raw.startswith(b"\xff\xd8") else None


def _of_webp(chunk: bytes) -> tuple[int, int] | None:
    """Three kinds, each with its sides in a place and a width of its own."""
    if chunk[:4] not in _IN_WEBP:
        return None
    place, bits, second, less = _IN_WEBP[chunk[:4]]
    packed, mask = int.from_bytes(chunk[place:], "little"), (1 << bits) - 1
    return (packed & mask) + less, (packed >> second & mask) + less


def _of_jpeg(raw: bytes) -> tuple[int, int] | None:
    """Its size is in a segment behind others, such as a camera's notes."""
    place = 2
    while place + 9 <= len(raw) and raw[place] == 0xFF:
        kind = raw[place + 1]
        if kind == 0xFF:
            place += 1  # readers pass over these
        elif kind in _SIZES:
            high, wide = raw[place + 5 : place + 7], raw[place + 7 : place + 9]
            sides = int.from_bytes(wide), int.from_bytes(high)
            return sides if all(sides) else None  # without a height, it comes at the end
        elif kind in _SEGMENTS:
            place += 2 + int.from_bytes(raw[place + 2 : place + 4])
        else:
            return None
    return None

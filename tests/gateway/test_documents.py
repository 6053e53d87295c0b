"""Pictures and documents that are sent along: bounded by what they are, not by their bytes."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paid.gateway.estimate import (
    MAGNIFIED_MEDIA_TOKENS,
    MEDIA_TOKENS,
    MOST_PICTURES,
    OVERHEAD_TOKENS,
    Ask,
)
from paid.gateway.pdf import PAGE_TOKENS, most_tokens
from paid.gateway.prices import Prices
from paid.gateway.routes import find_route
from tests.gateway.conftest import ANTHROPIC, CHAT, GEMINI, RESPONSES
from tests.gateway.test_conversation import FIRST, ask, item, part, read, said, user

PNG = base64.b64encode(b"\x89PNG" + bytes(300_000)).decode()
PICTURES: list[tuple[str, dict[str, Any], int]] = [
    (ANTHROPIC, user({"type": "image", "source": {"type": "base64", "media_type": "image/png",
                                                  "data": PNG}}), 1),
    (CHAT, user({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}), 2),
    (RESPONSES, said({"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}), 2),
    (RESPONSES, item({"type": "computer_call_output", "call_id": "c", "output": {
        "type": "computer_screenshot", "image_url": f"data:image/png;base64,{PNG}"}}), 2),
    (GEMINI, part({"inlineData": {"mimeType": "image/png", "data": PNG}}), 1),
    (GEMINI, part({"inline_data": {"mime_type": "image/png", "data": PNG}}), 1),
]  # fmt: skip


@pytest.mark.parametrize(("path", "members", "units"), PICTURES)
def test_a_picture_is_reserved_for_as_a_picture_and_not_by_its_bytes(
    path: str, members: dict[str, Any], units: int, tmp_path: Any
) -> None:
    body = json.dumps(FIRST[path] | members).encode()
    for found in (read(path, body), read(path, body, step=65_536)):
        assert (found.media, found.reads_unseen) == (units, "")
        vendor = find_route("POST", path).vendor
        tariff = Prices(tmp_path / "prices.json").tariff(vendor, found.model)
        bound = found.input_tokens(tariff)
        assert units * MEDIA_TOKENS <= bound < units * MEDIA_TOKENS + OVERHEAD_TOKENS + 1000


@pytest.mark.parametrize(
    ("model", "price", "tokens"),
    [
        ("ft:gpt-4o-mini-2024-07-18:org::id", None, 48_169),
        ("openai/gpt-4o-mini", {"input_mtok": 0.15, "output_mtok": 0.6}, 48_169),
        ("qwen-vl-max", {"input_mtok": 0.8, "output_mtok": 3.2}, 16_384),
    ],
)
def test_a_picture_that_costs_more_by_another_name_is_reserved_for(
    tmp_path: Path, model: str, price: Any, tokens: int
) -> None:
    """Alibaba's page on Qwen-VL: up to 16,384 tokens a picture."""
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"models": {model: price} if price else {}}))
    shown = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    found = read(CHAT, json.dumps(FIRST[CHAT] | user(*[shown] * 4)).encode())
    assert found.input_tokens(Prices(file).tariff("openai", model)) >= 4 * tokens


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int) -> bytes:
    rows = (b"\0" + bytes((width + 7) // 8)) * height
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def jpeg(width: int, height: int, notes: int = 0) -> bytes:
    note = b"\xff\xe1" + struct.pack(">H", 2 + notes) + bytes(notes)
    size = b"\xff\xc2\0\x11\x08" + struct.pack(">HH", height, width) + bytes(12)
    return b"\xff\xd8" + note + size + b"\xff\xda" + bytes(100)


def webp(kind: bytes, sizes: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + kind + bytes(4) + sizes + bytes(100)


LONG = {
    "png": png(400, 40_000),
    "a wide png": png(40_000, 400),
    "jpeg": jpeg(400, 40_000, 20_000),
    "webp": webp(b"VP8X", bytes(4) + (399).to_bytes(3, "little") + (39_999).to_bytes(3, "little")),
}


def inline(kind: str, data: bytes) -> dict[str, Any]:
    encoded = base64.b64encode(data).decode()
    return part({"inlineData": {"mimeType": f"image/{kind}", "data": encoded}})


@pytest.mark.parametrize("name", LONG)
def test_a_long_and_narrow_picture_has_many_tiles_with_gemini(name: str) -> None:
    """258 tokens for each tile of two thirds of the shorter side: Google's page on images."""
    found = ask(GEMINI, inline(name.split()[-1], LONG[name]))
    assert found.reads_unseen == ""
    assert 302 * 258 <= found.media * MEDIA_TOKENS < 302 * 258 + 2 * MEDIA_TOKENS


USUAL = {
    "png": png(1920, 1080),
    "jpeg": jpeg(3024, 4032, 30_000),
    "a padded jpeg": jpeg(600, 400).replace(b"\xff\xc2", b"\xff\xff\xff\xc2"),
    "webp": webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 1280, 2000)),
    "a lossless webp": webp(b"VP8L", b"\x2f" + (639 | 479 << 14).to_bytes(4, "little")),
}


@pytest.mark.parametrize("name", USUAL)
def test_a_usual_picture_is_one_with_gemini(name: str) -> None:
    assert ask(GEMINI, inline(name.split()[-1], USUAL[name])).media == 1


def test_a_picture_whose_size_cannot_be_told_may_be_long() -> None:
    assert ask(GEMINI, inline("jpeg", jpeg(400, 40_000)[:6] + bytes(3000))).reads_unseen
    for lie in (jpeg(400, 0), b"\xff\xd8\xff\x01" + jpeg(9, 9)[2:], webp(b"ALPH", b"")):
        kind = "jpeg" if lie[:1] == b"\xff" else "webp"
        assert ask(GEMINI, inline(kind, lie)).reads_unseen
    odd = base64.b64encode(png(8, 8)).decode().rstrip("=") + "A" * 8
    odd = odd[: len(odd) // 4 * 4 - 3]
    assert ask(GEMINI, part({"inlineData": {"mimeType": "image/png", "data": odd}})).reads_unseen


def test_a_long_picture_is_one_in_a_long_body_too() -> None:
    data = png(400, 40_000) + bytes(2_000_000)
    found = read(GEMINI, json.dumps(inline("png", data)).encode(), step=65_536)
    assert (found.reads_unseen, found.media) == ("", 14)


def pdf(pages: int = 3, *, more: str = "", text: str = "Tell me about it. " * 40) -> bytes:
    """A plain one, with its text packed as programs pack it."""
    shown = zlib.compress(f"BT /F1 12 Tf ({text}) Tj ET".encode())
    head = b"<< /Length %d /Filter /FlateDecode >>" % len(shown)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % more.encode(),
        b"<< /Type /Pages /Count %d /Kids [%s] >>"
        % (pages, b" ".join(b"%d 0 R" % (3 + 2 * n) for n in range(pages))),
    ]
    for number in range(pages):
        objects.append(b"<< /Type /Page /Parent 2 0 R /Contents %d 0 R >>" % (4 + 2 * number))
        objects.append(head + b"\nstream\n" + shown + b"\nendstream")
    body = b"".join(
        b"%d 0 obj\n%b\nendobj\n" % (number, each) for number, each in enumerate(objects, 1)
    )
    return b"%PDF-1.7\n" + body + b"trailer << /Root 1 0 R >>\n%%EOF"


def document(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    encoded = base64.b64encode(data).decode()
    source = {"type": "base64", "media_type": "application/pdf", "data": encoded}
    address = f"data:application/pdf;base64,{encoded}"
    return [
        (ANTHROPIC, user({"type": "document", "source": source})),
        (CHAT, user({"type": "file", "file": {"filename": "a.pdf", "file_data": address}})),
        (RESPONSES, said({"type": "input_file", "filename": "a.pdf", "file_data": address})),
        (RESPONSES, said({"type": "input_file", "filename": "a.pdf", "file_data": encoded})),
        (GEMINI, part({"inlineData": {"mimeType": "application/pdf", "data": encoded}})),
        (GEMINI, part({"inlineData": {"mimeType": "application\\/pdf", "data": encoded}})),
    ]


@pytest.mark.parametrize("kind", range(6))
@pytest.mark.parametrize("pages", [1, 12])
def test_a_documents_pages_and_letters_are_counted(kind: int, pages: int) -> None:
    path, members = document(pdf(pages))[kind]
    found = ask(path, members)
    assert found.reads_unseen == ""
    letters = 720 * pages
    assert pages * PAGE_TOKENS + letters <= found.document_tokens
    assert found.document_tokens < pages * PAGE_TOKENS + 4 * letters


@pytest.mark.parametrize("kind", [1, 2])
def test_a_documents_pages_are_pictures_to_gpt_4o_mini(kind: int, tmp_path: Path) -> None:
    """OpenAI puts a picture of each page in, and this model's cost up to 48,169 tokens."""
    path, members = document(pdf(60))[kind]
    found = ask(path, {"model": "gpt-4o-mini"} | members)
    tariff = Prices(tmp_path / "prices.json").tariff("openai", "gpt-4o-mini")
    assert 60 * 48_169 <= found.input_tokens(tariff) < 100 * 50_000 + tariff.context_window


def test_earlier_pictures_are_beyond_the_window_of_gpt_4o_mini_too(tmp_path: Path) -> None:
    tariff = Prices(tmp_path / "prices.json").tariff("openai", "gpt-4o-mini")
    goes_on = {"model": "gpt-4o-mini", "input": "x", "previous_response_id": "resp_1"}
    unknown = ask(RESPONSES, goes_on)
    known = replace(unknown, earlier_tokens=20 * 48_169)
    assert known.input_tokens(tariff) >= 20 * 48_169
    assert unknown.input_tokens(tariff) >= MOST_PICTURES * MAGNIFIED_MEDIA_TOKENS
    assert replace(unknown, earlier_tokens=9000).input_tokens(tariff) < 12_000


def test_a_document_is_known_by_its_bytes_and_its_name_may_be_escaped() -> None:
    encoded = base64.b64encode(pdf(2)).decode()
    source = {"type": "base64", "media_type": "application/pdf", "data": encoded}
    block = json.dumps(user({"type": "document", "source": source}))[1:-1]
    block = block.replace("n/pdf", "n\\/pdf").replace('"data"', '"d\\u0061ta"')
    assert ask(ANTHROPIC, block).document_tokens > 2 * PAGE_TOKENS
    lie = {"type": "base64", "media_type": "image/png", "data": encoded}
    assert ask(ANTHROPIC, user({"type": "image", "source": lie})).document_tokens > 2 * PAGE_TOKENS


HIDDEN = {
    "a line feed in front": b"\n",
    "spaces in front": b" " * 65,
    "a picture in front": base64.b64decode(PNG)[:600],
    "a thousand bytes in front": bytes(1000),
}


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("lie", ["image/png", "text/plain", "image/webp", "application/json"])
def test_a_document_is_never_taken_for_what_it_is_called(name: str, lie: str) -> None:
    data = base64.b64encode(HIDDEN[name] + pdf(1)).decode()
    for begin in ("", " " * 65, "\n" * 3000):
        source = {"type": "base64", "media_type": lie, "data": begin + data}
        address = f"data:{lie};base64,{begin}{data}"
        for path, members in [
            (ANTHROPIC, user({"type": "document", "source": source})),
            (CHAT, user({"type": "file", "file": {"filename": "a.pdf", "file_data": address}})),
            (RESPONSES, said({"type": "input_file", "filename": "a.pdf", "file_data": address})),
            (GEMINI, part({"inlineData": {"mimeType": lie, "data": begin + data}})),
        ]:
            found = ask_once(path, members)
            assert found.reads_unseen or found.document_tokens > PAGE_TOKENS


NO_PICTURES = [
    b"RIFF0000WAVEfmt ",
    b"ID3\x03",
    b"\x00\x00\x00 ftypisom",
    b"PK\x03\x04",
    b"a,b\n" * 9,
]


@pytest.mark.parametrize("data", NO_PICTURES)
def test_what_has_no_head_of_a_picture_is_none(data: bytes) -> None:
    encoded = base64.b64encode(data).decode()
    found = ask(GEMINI, part({"inlineData": {"mimeType": "image/png", "data": encoded}}))
    assert found.reads_unseen
    address = f"data:image/png;base64,{PNG[:400]}"
    file = {"type": "input_file", "filename": "a.pdf", "file_data": address}
    assert ask(RESPONSES, said(file)).reads_unseen, "another kind by its name"


def test_a_picture_that_is_called_a_text_is_none() -> None:
    lie = {"mimeType": "text/plain", "data": PNG[:400]}
    assert ask(GEMINI, part({"inlineData": lie})).reads_unseen


BOMB = zlib.compress(bytes(64 << 20))
UNCLEAR = {
    "encrypted": pdf(more="/Encrypt 9 0 R"),
    "hidden names": pdf().replace(b"/Type /Page ", b"/Type /P#61ge "),
    "one text on all its pages": pdf().replace(b"/Contents 6 0 R", b"/Contents 4 0 R"),
    "one page many times": pdf().replace(b"[3 0 R", b"[3 0 R 3 0 R"),
    "an unknown packing": pdf().replace(b"/FlateDecode", b"/LZWDecode"),
    "a bomb": b"%PDF-1.7\n1 0 obj\n<< /Filter /FlateDecode >>\nstream\n" + BOMB + b"\nendstream",
    "no end": b"%PDF-1.7\n1 0 obj\n<< >>\nstream\nabc",
    "a thousand pages and more": pdf(1001),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_a_document_that_cannot_be_bounded_may_fill_the_window(name: str) -> None:
    for path, members in document(UNCLEAR[name])[:3]:
        assert ask_once(path, members).reads_unseen


def ask_once(path: str, members: dict[str, Any]) -> Ask:
    return read(path, json.dumps(FIRST[path] | members).encode())


MADE_UP = {
    "lists without an end": b"/Kids[" * 400_000,
    "contents without an end": b"/Contents[" * 200_000,
    "a long number": b"/Kids [" + b"1" * 900_000 + b"]",
    "names and names": b"1 0 obj\n<< >>\nstream\n" + b"/a" * 900_000 + b"\nendstream",
    "brackets": b"1 0 obj\n<< >>\nstream\n" + b"(<" * 900_000 + b") Tj\nendstream",
    "a long filter": b"1 0 obj\n<< /" + b"a" * 4000 + b">>\nstream\n\nendstream" * 400,
    "mappings": b"1 0 obj\n<< >>\nstream\nbeginbfchar" + b"<0> <" * 300_000 + b"\nendstream",
    "a coding that is slow": b"1 0 obj\n<< /ASCII85Decode >>\nstream\n" + b"z" * 3_000_000
    + b"\nendstream",
}  # fmt: skip


@pytest.mark.parametrize("name", MADE_UP)
def test_a_made_up_document_holds_nobody_up(name: str) -> None:
    """With expressions that go back, each of these took minutes or for ever."""
    most_tokens(b"%PDF-1.7\n" + MADE_UP[name])


@given(st.binary(max_size=200), st.integers(0, 2))
def test_no_bytes_break_the_look_into_a_document(junk: bytes, place: int) -> None:
    whole = pdf(2)
    cut = len(whole) * place // 3
    path, members = document(whole[:cut] + junk + whole[cut:])[0]
    ask_once(path, members)


def test_a_long_picture_and_a_long_document_in_a_long_body_are_seen_too() -> None:
    """Pictures are left out of what is kept, documents are kept while there is room."""
    picture = base64.b64encode(b"\x89PNG" + bytes(3_000_000)).decode()
    letters = "x" * 900_000
    pages = base64.b64encode(pdf(3) + bytes(300_000)).decode()
    source = {"type": "base64", "media_type": "image/png", "data": picture}
    paper = {"type": "base64", "media_type": "application/pdf", "data": pages}
    members = user(
        {"type": "image", "source": source},
        {"type": "text", "text": letters},
        {"type": "document", "source": paper},
        {"type": "image", "source": source},
    )
    body = json.dumps(FIRST[ANTHROPIC] | members).encode()
    found = read(ANTHROPIC, body, step=65_536)
    assert (found.media, found.reads_unseen) == (2, "")
    assert found.document_tokens > 3 * PAGE_TOKENS
    assert found.input_bytes == len(body) - 2 * len(picture) - len(pages)
    assert found == read(ANTHROPIC, body, step=1_000_003)


def test_many_pictures_and_papers_in_one_long_message_have_room() -> None:
    """Each is short enough to be kept, and together they are not: then they are left out."""
    picture = base64.b64encode(b"\x89PNG" + bytes(45_000)).decode()
    source = {"type": "base64", "media_type": "image/png", "data": picture}
    paper = {"type": "base64", "media_type": "application/pdf"}
    paper["data"] = base64.b64encode(pdf(2)).decode()
    parts = [{"type": "image", "source": source}] * 100
    body = json.dumps(
        FIRST[ANTHROPIC] | user(*parts, {"type": "document", "source": paper}, *parts)
    ).encode()
    for step in (50_000, 3_000_001):
        found = read(ANTHROPIC, body, step=step)
        assert (found.media, found.reads_unseen) == (200, "")
        assert found.document_tokens > 2 * PAGE_TOKENS
        assert found.input_bytes == len(body) - 200 * len(picture) - len(paper["data"])

"""Ways of hiding a secret in a file or text, and honest texts that look a little like it.

A hiding is a function of the secret. `OWN` are for a secret of Paid's; `ANYBODYS` work for a key
of anybody's, of which nothing is known but its shape.
"""

from __future__ import annotations

import base64
import bz2
import codecs
import gzip
import io
import lzma
import textwrap
import zipfile
import zlib
from collections.abc import Callable
from urllib.parse import quote

Hiding = Callable[[bytes], bytes]


def each(shape: str, between: str = "") -> Hiding:
    """Every byte by a format."""
    return lambda raw: between.join(shape.format(byte) for byte in raw).encode()


def charset(name: str, mark: bytes = b"") -> Hiding:
    def hide(raw: bytes) -> bytes:
        return mark + f"the key: {raw.decode()} and häuser\n".encode(name)

    return hide


def zipped(raw: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"<w:t>" + raw + b"</w:t>" + b"filling " * 50)
    return file.getvalue()


def xxd(raw: bytes) -> bytes:
    raw = b"some bytes before it " + raw
    lines = []
    for at in range(0, len(raw), 16):
        part = raw[at : at + 16]
        pairs = " ".join(part[n : n + 2].hex() for n in range(0, len(part), 2))
        shown = "".join(chr(byte) if 32 < byte < 127 else "." for byte in part)
        lines.append(f"{at:08x}: {pairs:<39}  {shown}")
    return "\n".join(lines).encode()


def uuencoded(raw: bytes) -> bytes:
    lines = [codecs.encode(raw[at : at + 45], "uu") for at in range(0, len(raw), 45)]
    return b"begin 644 key\n" + b"".join(line.split(b"\n", 1)[1].split(b"\n")[0] + b"\n"
                                         for line in lines) + b"`\nend\n"  # fmt: skip


def zipped_by_lzma(raw: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.txt", b"the key " + raw)
    return file.getvalue()


def small_window(raw: bytes) -> bytes:
    machine = zlib.compressobj(wbits=9)
    return machine.compress(b"the key " + raw) + machine.flush()


def png_text(raw: bytes) -> bytes:
    chunk = b"zTXtComment\0\0" + zlib.compress(raw)
    return b"\x89PNG\r\n\x1a\n" + len(chunk).to_bytes(4, "big") + chunk + b"\0\0\0\0IEND"


def b64(raw: bytes) -> bytes:
    return base64.b64encode(raw)


def grouped(text: bytes, size: int, between: bytes = b" ") -> bytes:
    return between.join(text[at : at + size] for at in range(0, len(text), size))


def cut(between: bytes) -> Hiding:
    return lambda raw: raw[:20] + between + raw[20:]


def folded(text: bytes, width: int, begin: str = "") -> bytes:
    return "\n".join(begin + line for line in textwrap.wrap(text.decode(), width)).encode()


ANYBODYS: dict[str, Hiding] = {
    "as it is": lambda raw: b"key = " + raw,
    "behind a minus": lambda raw: b"- uses the key " + raw,
    "behind three minuses": lambda raw: b"--- " + raw,
    "behind two minuses and a plus": lambda raw: b"--\n+" + raw,
    "escaped for Markdown": lambda raw: raw.replace(b"_", b"\\_").replace(b"-", b"\\-"),
    "in a JSON string": lambda raw: b'{"key": "' + raw + b'"}',
    "UTF-16 little-endian": charset("utf-16-le"),
    "UTF-16 big-endian": charset("utf-16-be"),
    "UTF-16 with a mark": charset("utf-16"),
    "UTF-16 big-endian with a mark": charset("utf-16-be", b"\xfe\xff"),
    "UTF-32 little-endian": charset("utf-32-le"),
    "UTF-32 big-endian": charset("utf-32-be"),
    "UTF-32 with a mark": charset("utf-32"),
    "UTF-8 with a mark": charset("utf-8-sig"),
    "EBCDIC": lambda raw: raw.decode().encode("cp037"),
    "full-width letters": lambda raw: "".join(chr(0xFEE0 + b) for b in raw).encode(),
    "invisible characters between": lambda raw: "\u200b".join(raw.decode()).encode(),
    "soft hyphens between": lambda raw: "\u00ad".join(raw.decode()).encode(),
    "control characters between": lambda raw: b"\x01".join(raw[n : n + 1] for n in range(len(raw))),
    "one DEL within": lambda raw: raw[:10] + b"\x7f" + raw[10:],
    "colours of a terminal between": lambda raw: b"\x1b[0m".join(
        raw[n : n + 1] for n in range(len(raw))
    ),
    "base64": b64,
    "base64 behind other letters": lambda raw: b64(b"password: " + raw + b" thanks"),
    "base64 for addresses": lambda raw: base64.urlsafe_b64encode(b"\xff\xfe>" + raw),
    "base64 without its end": lambda raw: b64(raw).rstrip(b"="),
    "base64 that begins in a word": lambda raw: b"x" + b64(raw),
    "base64 behind an equals sign, as if of mail": lambda raw: b"key=" + b64(b"\x0b" + raw),
    "base64 in lines of 19": lambda raw: grouped(b64(b"the key is " + raw), 19, b"\n"),
    "base64 in lines of 16": lambda raw: grouped(b64(b"the key is " + raw), 16, b"\n"),
    "base64 in lines of 20": lambda raw: folded(b64(b"the key is " + raw), 20),
    "base64 in lines of 76, as mail": lambda raw: folded(b64(b"x" * 50 + raw), 76),
    "base64 in a comment": lambda raw: folded(b64(b"the key is " + raw), 24, "# "),
    "base64 in quoted lines": lambda raw: (
        b'"' + folded(b64(raw), 24).replace(b"\n", b'"\n"') + b'"'
    ),
    "base64 in a data address": lambda raw: b"url(data:text/plain;base64," + b64(raw) + b")",
    "base64 twice": lambda raw: b64(b64(raw)),
    "base64 three times": lambda raw: b64(b64(b64(raw))),
    "base64 of UTF-16": lambda raw: b64(raw.decode().encode("utf-16-le")),
    "base32": base64.b32encode,
    "base32 in small letters": lambda raw: base64.b32encode(raw).lower(),
    "hex": lambda raw: raw.hex().encode(),
    "HEX": lambda raw: raw.hex().upper().encode(),
    "hex of base64": lambda raw: b64(raw).hex().encode(),
    "base64 of hex": lambda raw: b64(raw.hex().encode()),
    "hex with colons": lambda raw: raw.hex(":").encode(),
    "hex with dots": lambda raw: raw.hex(".").encode(),
    "hex with underlines": lambda raw: raw.hex("_").encode(),
    "hex with bars": lambda raw: raw.hex("|").encode(),
    "hex behind an equals sign": lambda raw: b"key=" + raw.hex().encode(),
    "hex by fours": lambda raw: grouped(raw.hex().encode(), 4),
    "hex by eights": lambda raw: grouped(raw.hex().encode(), 8),
    "hex in quotes": each("'{:02x}'", ", "),
    "words of 32 bits": lambda raw: b"0x" + grouped(raw.hex().encode(), 8, b", 0x"),
    "hex with blanks": lambda raw: raw.hex(" ").encode(),
    "an array of 0x numbers": each("0x{:02x}", ", "),
    "a dump of xxd": xxd,
    "decimal numbers": each("{}", ", "),
    "decimal numbers with dashes": each("{}", "-"),
    "decimal numbers in brackets": each("[{}]", " "),
    "chr() of numbers": each("chr({})", "+"),
    "octal numbers of Python": each("0o{:o}", ", "),
    "octal numbers of C": each("0{:o}", ", "),
    "zeros and ones": each("{:08b}", " "),
    "URL-encoded throughout": each("%{:02X}"),
    "URL-encoded where need be": lambda raw: quote(
        raw.decode().replace("_", "%5F"), safe="%"
    ).encode(),
    "quoted-printable": each("={:02X}"),
    "quoted-printable in small letters": each("={:02x}"),
    "quoted-printable of base64": lambda raw: each("={:02x}")(b64(raw)),
    "a quoted-printable line's end": lambda raw: raw[:9] + b"=\n" + raw[9:],
    "\\x escapes": each("\\x{:02x}"),
    "\\u escapes": each("\\u{:04x}"),
    "\\x{} escapes": each("\\x{{{:02x}}}"),
    "%u escapes": each("%u{:04x}"),
    "JSON within JSON": lambda raw: raw.replace(b"_", b"\\\\u005f"),
    "JSON within JSON throughout": each("\\\\u{:04x}"),
    "URL-encoded twice": each("%25{:02X}"),
    "URL-encoded twice where need be": lambda raw: raw.replace(b"_", b"%255F"),
    "HTML entities of entities": lambda raw: raw.replace(b"_", b"&amp;#95;"),
    "escapes of style sheets": each("\\{:02x} "),
    "a long escape of style sheets": lambda raw: raw.replace(b"_", b"\\00005f "),
    "an entity's other name": lambda raw: raw.replace(b"_", b"&UnderBar;"),
    "an accent on every letter": lambda raw: "".join(chr(b) + "\u0301" for b in raw).encode(),
    "letters with accents": lambda raw: raw.replace(b"a", "\u00e1".encode()),
    "Unicode's invisible letters": lambda raw: "".join(chr(0xE0000 + b) for b in raw).encode(),
    "strings that are put together": cut(b'" + "'),
    "strings beside one another": cut(b"'\n    '"),
    "a shell's line that goes on": cut(b"\\\n"),
    "where a browser may break": cut(b"<wbr>"),
    "an empty element within": cut(b"<b></b>"),
    "an empty emphasis within": cut(b"****"),
    "a comment of HTML within": cut(b"<!-- -->"),
    "octal escapes": each("\\{:03o}"),
    "HTML entities": each("&#{};"),
    "HTML entities in hex": each("&#x{:x};"),
    "ascii85 in its brackets": lambda raw: base64.a85encode(raw, adobe=True),
    "uuencode": uuencoded,
    "gzip": gzip.compress,
    "gzip behind other bytes": lambda raw: b"\0\1header" + gzip.compress(raw),
    "base64 of gzip": lambda raw: b64(gzip.compress(raw)),
    "hex of gzip": lambda raw: gzip.compress(raw).hex().encode(),
    "gzip twice": lambda raw: gzip.compress(gzip.compress(raw)),
    "base64 of gzip of base64": lambda raw: b64(gzip.compress(b64(raw))),
    "zlib": zlib.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda raw: lzma.compress(raw, format=lzma.FORMAT_ALONE),
    "lzma with its largest preset": lambda raw: lzma.compress(
        raw, format=lzma.FORMAT_ALONE, preset=9
    ),
    "a zip archive": zipped,
    "a zip archive by LZMA": zipped_by_lzma,
    "zlib with a small window": small_window,
    "a picture's comment": png_text,
    "in a binary file": lambda raw: b"\0\1\2\xff" + raw + b"\0",
    "behind three million bytes": lambda raw: b"y" * 3_000_000 + b" " + raw + b" " + b"z" * 200_000,
    "gzip behind two million bytes": lambda raw: b"y" * 2_000_000 + gzip.compress(raw),
}
OWN: dict[str, Hiding] = {
    "reversed": lambda raw: raw[::-1],
    "base64 of it reversed": lambda raw: b64(raw[::-1]),
    "rot13": lambda raw: codecs.encode(raw.decode(), "rot13").encode(),
    "other case": lambda raw: raw.swapcase(),
    "blanks between": lambda raw: b" ".join(raw[n : n + 1] for n in range(len(raw))),
    "five letters a line": lambda raw: b"\n".join(raw[n : n + 5] for n in range(0, len(raw), 5)),
    "pieces in quotes": lambda raw: b'"' + raw[:9] + b'" + "' + raw[9:] + b'"',
    "pieces with dots": lambda raw: raw[:9] + b"..." + raw[9:],
    "pieces in comments of two lines": lambda raw: b"# " + raw[:9] + b"\n# " + raw[9:],
    "base85": base64.b85encode,
    "ascii85": base64.a85encode,
    "base32hex": base64.b32hexencode,
    "hex, two digits a line": lambda raw: "\n".join(f"{byte:02x}" for byte in raw).encode(),
    "octal numbers": each("{:o}", " "),
    "JavaScript's character codes": lambda raw: b"fromCharCode(%b)" % each("{}", ",")(raw),
}  # fmt: skip

HONEST: dict[str, bytes] = {
    "Amazon's example key": b"aws_access_key_id = AKIA" + b"IOSFODNN7EXAMPLE\n",
    "Amazon's other example key": b"AKIA" + b"I44QH8DHBEXAMPLE",
    "GitHub's example token": b"token=gho_" + b"16C7e42F292c6912E7710c838347Ae178B4a&x=y",
    "a token that is left open": b"GITHUB_TOKEN=ghp_" + b"x" * 36,
    "a key that is left open": b"OPENAI_API_KEY=sk-" + b"x" * 48,
    "an Anthropic key that is left open": b"sk-ant-" + b"X" * 40,
    "Google's example key": b"key=AIza" + b"SyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe",
    "a token in the alphabet's order": b"ghp_" + b"1234567890abcdefghijklmnopqrstuvwxyz",
    "a token of sixteen digits twice": b"ghp_" + b"0123456789abcdef" * 2 + b"0123",
    "a key in the alphabet's order": b"AKIA" + b"ABCDEFGHIJKLMNOP",
    "a Slack token in order": b"xoxb-" + b"123456789012-123456789012-abcdefghijklmnopqrstuvwx",
    "a Slack token to fill in": b"SLACK_BOT_TOKEN=xoxb-" + b"your-slack-bot-token-here",
    "a GitLab token to fill in": b"GITLAB=glpat-" + b"your-gitlab-token-goes-here",
    "an Anthropic key to fill in": b"KEY=sk-ant-" + b"api03-your-anthropic-api-key-goes-here",
    "the address of an article": b"/news/sk-" + b"hynix-to-build-a-new-plant-in-2024-says-chief",
    "a task of a project": b"task-proj-" + b"12-move-the-data-base-to-the-new-machine-by-2025",
    "classes of a style sheet": b".sk-circle-fading-very-long-name-of-a-class-of-style {}",
    "names of classes in a list": b'["sk-circle", "sk-circle1", "sk-circle2", "sk-circle-fade"]',
    "an element of a style sheet": b"a:before { content: '\\201C \\f101'; width: 5em }",
    "assignments that look like mail": b"a=0a; b=10; c=20; d=30; e=40; f=50; key=deadbeef",
    "UUIDs in a table": b"550e8400-e29b-41d4-a716-446655440000 | 1b4e28ba-2fa1-11d2-883f\n" * 40,
    "an address of IPv6": b"2001:0db8:85a3:0000:0000:8a2e:0370:7334",
    "tasks with long names": b"task-force-alpha-bravo-charlie-delta-echo-foxtrot-golf-1",
    "hashes of a lock file": b"sha512-" + b64(bytes(range(64))) + b"\nsha256:" + b"0f" * 32,
    "a commit's name": b"fixes 4e269660c8b0a1f2d3e4f5a6b7c8d9e0f1a2b3c4",
    "a public key": b"-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n",
    "a certificate": b"-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG\n",
    "a picture as data": b"data:image/png;base64," + b64(bytes(range(256)) * 40),
    "a table of numbers": b"\n".join(b"%d, %d" % (n, n * 7 % 200) for n in range(99)),
    "Chinese": "机密信息请勿外泄,谢谢合作。".encode() * 200,
    "Chinese in UTF-16": ("机密信息请勿外泄,谢谢合作。" * 200).encode("utf-16"),
    "packed numbers": gzip.compress(bytes(range(256)) * 100),
    "a pattern for keys": rb"re.compile(r'ghp_[A-Za-z0-9]{36}|AKIA[A-Z2-7]{16}')",
    "a UUID": b"id: 123e4567-e89b-12d3-a456-426614174000",
    "a JSON file with escapes": rb'{"text": "caf\u00e9 \u00fc \\n\\t \"quoted\""}',
    "a regular expression": rb"^(?:[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/]+)*)$",
    "words": b"the quick brown fox jumps over the lazy dog\n" * 500,
    "no byte at all": b"",
}  # fmt: skip

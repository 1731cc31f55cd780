"""What a file is, by what is in it; its name only says which kind of text.

>>> kind("notes.md", b"# Notes")
'text/markdown'
>>> kind("notes.md", b"%PDF-1.7")
'application/pdf'
>>> kind("holiday.md", bytes([0x89]) + b"PNG")
Traceback (most recent call last):
...
odoo.addons.steward_knowledge.kernel.filetypes.Refused: It is a picture (PNG).
"""

import io
import zipfile

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PDF = "application/pdf"
TEXTS = {
    "md": "text/markdown",
    "markdown": "text/markdown",
    "rst": "text/x-rst",
    "html": "text/html",
    "htm": "text/html",
    "xhtml": "text/html",
    "csv": "text/csv",
    "txt": "text/plain",
    "text": "text/plain",
    "": "text/plain",
}
MAGIC = (
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\x1f\x8b", "a packed archive"),
    (b"Rar!", "a packed archive"),
    (b"7z\xbc\xaf", "a packed archive"),
    (b"\xd0\xcf\x11\xe0", "an Office file of the old kind; save it as docx"),
    (b"\x00\x00\x01\x00", "a picture"),
    (b"ID3", "a sound"),
    (b"OggS", "a sound or a film"),
    (b"SQLite format 3", "a database"),
)
OFFICE = {
    "xl": "a spreadsheet; save it as csv",
    "ppt": "a presentation; save it as pdf",
}
HEAD = 8192  # bytes that are looked at


class Refused(ValueError):
    """A file that cannot be read as a document; the sentence says what it is."""


def kind(name: str, content: bytes) -> str:
    """Return the content type of a file.

    :raises Refused: when it is none of those that can be read
    """
    if not content.strip():
        raise Refused("It is empty.")
    if content.startswith(b"PK\x03\x04"):
        return _packed(content)
    if b"%PDF-" in content[:1024]:
        return PDF
    for magic, what in MAGIC:
        if content.startswith(magic):
            raise Refused(f"It is {what}.")
    _check_text(content)
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    try:
        return TEXTS[ending]
    except KeyError:
        raise Refused(
            f"Files that end in .{ending[:20]} are not read; md, rst, html, txt, csv,"
            " pdf and docx are."
        ) from None


def _packed(content: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            folders = {name.partition("/")[0] for name in archive.namelist()[:10_000]}
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise Refused("It is a packed archive, and broken.") from None
    if "word" in folders and "[Content_Types].xml" in folders:
        return DOCX
    what = next((what for name, what in OFFICE.items() if name in folders), None)
    raise Refused(f"It is {what or 'a packed archive'}.")


def _check_text(content: bytes) -> None:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return  # UTF-16 says so itself
    head = content[:HEAD]
    strange = sum(byte < 9 or (13 < byte < 32 and byte != 27) for byte in head)
    if b"\x00" in head or strange > len(head) / 50:
        raise Refused("It is no text, and nothing else that can be read.")

"""Where the numbers come from: the model, the data, the command."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from lastlayer.report.markup import escaped
from lastlayer.report.numbers_as_text import size
from lastlayer.report.shell import Section

# Bytes of a file that is read a second time for its digest, at most.
_MOST = 1 << 30
_PIECE = 1 << 20


@dataclass(frozen=True)
class FileFingerprint:
    """A file by its name, its size in bytes and the SHA-256 of its bytes; None where it was not worked out."""

    name: str
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Provenance:
    """What a page says of how its numbers were made, all of it optional.

    Attributes:
      title: what was evaluated, such as the name of the model's file.
      model: pairs of a name and a value.
      data: pairs of a name and a value.
      files: the data files.
      decision: the rule by which the model decides, in words, a paragraph each.
      threshold: of confidence, below which the rule says "don't know"; where the slider begins.
      command: what was typed.
      made: when, as text.
    """

    title: str = ""
    model: tuple[tuple[str, str], ...] = ()
    data: tuple[tuple[str, str], ...] = ()
    files: tuple[FileFingerprint, ...] = ()
    decision: tuple[str, ...] | None = None
    threshold: float | None = None
    command: str | None = None
    made: str | None = None

    @property
    def heading(self) -> str:
        """What the page is called."""
        return f"Evaluation of {self.title}" if self.title else "Evaluation"


def fingerprint(path: str | os.PathLike[str]) -> FileFingerprint:
    """That of a file; of one above 1 GiB the size alone, of what is no regular file the name alone."""
    name, file = os.fspath(path), Path(path)
    if not file.is_file():
        return FileFingerprint(name)
    length = file.stat().st_size
    if length > _MOST:
        return FileFingerprint(name, length)
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while piece := content.read(_PIECE):
            digest.update(piece)
    return FileFingerprint(name, length, digest.hexdigest())


def closing_sections(provenance: Provenance, version: str) -> list[Section]:
    """What a page ends with: the decision rule, where there is one, and lists of names, values, files, the command."""
    origin = Section("origin", "Origin", _origin(provenance, version))
    if provenance.decision is None:
        return [origin]
    words = "".join(f"<p>{escaped(text, 1000)}</p>" for text in provenance.decision)
    return [Section("decision", "Decision rule", words), origin]


def _origin(provenance, version):
    parts = []
    for heading, pairs in (("Model", provenance.model), ("Data", provenance.data)):
        if pairs:
            parts.append(f"<h3>{heading}</h3>{_pairs(pairs)}")
    if provenance.files:
        parts.append(f'<ul class="files">{"".join(map(_file, provenance.files))}</ul>')
    if provenance.command is not None:
        parts.append(f'<h3>Command</h3><pre tabindex="0"><code>{escaped(provenance.command, 4000)}</code></pre>')
    made = "" if provenance.made is None else f", {escaped(provenance.made)}"
    parts.append(f'<p class="made">lastlayer {escaped(version)}{made}</p>')
    return "".join(parts)


def _pairs(pairs):
    entries = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(value, 400)}</dd>" for name, value in pairs)
    return f'<dl class="pairs">{entries}</dl>'


def _file(entry):
    length = "" if entry.bytes is None else f", {size(entry.bytes)}"
    digest = "" if entry.sha256 is None else f"<br><code>SHA-256 {entry.sha256}</code>"
    return f"<li>{escaped(entry.name, 300)}{length}{digest}</li>"

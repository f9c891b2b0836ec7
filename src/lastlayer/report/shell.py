"""The page around the sections: one HTML file that loads nothing, by its own policy."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lastlayer.report.markup import embedded, escaped


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
      name: its anchor, a word.
      title: its heading.
      content: HTML.
      about: HTML of a sentence or two under the heading.
    """

    name: str
    title: str
    content: str
    about: str = ""


def page(title: str, lead: str, sections: list[Section], data: Any = None) -> str:
    """A whole HTML document.

    Args:
      title: text.
      lead: text, what stands under the title.
      sections: in their order.
      data: what the script works on, of what JSON can hold.
    """
    style, script = stylesheet(), _part("page.js")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    links = "".join(f'<li><a href="#{section.name}">{section.title}</a></li>' for section in sections[1:])
    body = "".join(map(_section, sections))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{escaped(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f'<header><h1>{escaped(title)}</h1><p class="lead">{escaped(lead, 1000)}</p>'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>\n<main>\n{body}\n</main>\n'
        f'<script type="application/json" id="data">{embedded(data)}</script>\n<script>{script}</script>\n'
        "</body>\n</html>\n"
    )


def stylesheet() -> str:
    """The style of the page, which other pages begin theirs with."""
    return _part("page.css")


def figure(caption: str, content: str) -> str:
    """A chart or a table under its name."""
    return f"<figure><figcaption>{caption}</figcaption>{content}</figure>"


def _section(section):
    about = f'<p class="about">{section.about}</p>' if section.about else ""
    return (
        f'<section id="{section.name}" aria-labelledby="{section.name}-title"><h2 id="{section.name}-title">'
        f"{section.title}</h2>{about}{section.content}</section>\n"
    )


@cache
def _part(name):
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _hash(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

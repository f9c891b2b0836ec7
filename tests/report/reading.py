"""A page read back: is it well-formed, what does it load, what do its tables and numbers say."""

import json
from html.parser import HTMLParser

VOID = {"meta", "br", "input", "hr", "link", "img", "base"}


class Page(HTMLParser):
    """Tags that close in the order they opened, the attributes of each, the texts of cells and outputs."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.rows, self.outputs, self.text = [], [], [], {}, []
        self.embedded = None
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append((tag, attributes))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open and self.open[-1][0] == "script":
            if self.open[-1][1].get("type") == "application/json":
                self.embedded = json.loads(data)
            return
        if self.open and self.open[-1][0] == "style":
            return
        self.text.append(data)
        if any(tag in ("td", "th") for tag, _ in self.open):
            self.rows[-1][-1] += data
        for _, attributes in self.open:
            if "data-out" in attributes:
                self.outputs[attributes["data-out"]] = data

    def row(self, name, place=0):
        """The cells of the row number `place` that begins with `name`."""
        return [row for row in self.rows if row and row[0] == name][place]

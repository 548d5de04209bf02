"""The frame of a page that needs nothing else: contents, style, script, and a policy that lets the browser obey only these."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template

_HEADING = re.compile(r'<h([23]) id="([^"]*)">(.*?)</h\1>')


def whole(title: str, *, head: str, body: str, foot: str = "") -> str:
    """The HTML of a page: `head` above the contents, which lead to the headings in `body`, and `foot` below it.

    Only the title is escaped here.
    """
    style, script = _ours("report.css"), _ours("report.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    return Template(_ours("report.html")).substitute(
        title=escape(title),
        policy=policy,
        style=style,
        script=script,
        head=head,
        contents=contents(body),
        body=body,
        foot=foot,
    )


def contents(body: str) -> str:
    """Links to the sections of a body, and below each to the headings in it that have a name; nothing where there are none."""
    sections: dict[str, list[str]] = {}
    for level, anchor, text in _HEADING.findall(body):
        link = f'<a href="#{anchor}">{text}</a>'
        if level == "2":
            inner = sections[link] = []
        else:
            inner.append(link)
    if not sections:
        return ""
    return f'<nav aria-label="Contents">{_links([link + _links(inner) for link, inner in sections.items()])}</nav>'


def _links(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>" if items else ""


def _ours(name: str) -> str:
    return resources.files("study.analysis").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """How a policy names the one inline text that it allows."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"

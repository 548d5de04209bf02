"""Small pieces of HTML. Every text that comes in is escaped here, and nowhere else."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

_MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}
_LONG = 40
"""A cell of more characters may be broken into lines."""
_SPELLED = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def paragraph(text: str, *, kind: str = "") -> str:
    """A paragraph, of a CSS class if `kind` names one."""
    return f'<p class="{escape(kind)}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def bullets(items: Iterable[str]) -> str:
    """A list of sentences."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def code(text: str) -> str:
    """Lines to be copied."""
    return f"<pre><code>{escape(text)}</code></pre>"


def definitions(pairs: Mapping[str, str]) -> str:
    """Names with their values."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in pairs.items()) + "</dl>"


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    text_columns: Sequence[int] = (0,),
    caption: str = "",
    anchor: str = "",
) -> str:
    """A table that scrolls sideways where it is too wide; all columns but `text_columns` are aligned to the right.

    The first cell of a row is its heading. A name that is given to it, `anchor`, is for scripts and links.
    """

    def cell(place: int, text: str, tag: str) -> str:
        words = ["text"] * (place in text_columns) + ["long"] * (len(text) > _LONG)
        kind = " ".join(words)
        kind = f' class="{kind}"' if kind else ""
        return f"<{tag}{kind}>{escape(text)}</{tag.partition(' ')[0]}>"

    head = "".join(cell(place, text, "th scope=col") for place, text in enumerate(header))
    body = "".join(
        f"<tr>{''.join(cell(place, text, 'td' if place else 'th scope=row') for place, text in enumerate(row))}</tr>\n"
        for row in rows
    )
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    name = f' id="{escape(anchor)}"' if anchor else ""
    label = escape(caption or ", ".join(text for text in header if text))
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{label}">'
        f"<table{name}>{told}<thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>"
    )


def data(anchor: str, content: Any) -> str:
    """JSON for the page's script, spelled so that nothing in it can end the element that holds it or be read as markup."""
    told = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_SPELLED)
    return f'<script type="application/json" id="{escape(anchor)}">{told}</script>'


def image(path: Path, *, alt: str) -> str:
    """A picture, carried in the page itself."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<img alt="{escape(alt)}" src="data:{_MEDIA[path.suffix]};base64,{data}">'


def figure(picture: str, *, caption: str) -> str:
    """A picture on a white card with its caption."""
    return f'<figure><div class="card">{picture}</div><figcaption>{escape(caption)}</figcaption></figure>'


def heading(text: str, *, anchor: str) -> str:
    """A heading within a section that the page's contents lead to."""
    return f'<h3 id="{escape(anchor)}">{escape(text)}</h3>'


def section(title: str, *parts: str) -> str:
    """A section under its heading, which the page's contents lead to; nothing at all if it has no parts."""
    body = "\n".join(part for part in parts if part)
    anchor = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    if not body:
        return ""
    return f'<section aria-labelledby="{anchor}">\n<h2 id="{anchor}">{escape(title)}</h2>\n{body}\n</section>'


def folded(title: str, body: str) -> str:
    """A part that opens at a click."""
    return f"<details><summary>{escape(title)}</summary>{body}</details>"

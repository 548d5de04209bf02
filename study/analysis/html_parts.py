"""Small pieces of HTML. Every text that comes in is escaped here, and nowhere else."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

_MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}


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


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, text_columns: Sequence[int] = (0,)) -> str:
    """A table that scrolls sideways where it is too wide; all columns but `text_columns` are aligned to the right."""

    def cells(row: Sequence[str], tag: str) -> str:
        shown = (
            f"<{tag}{' class=text' if place in text_columns else ''}>{escape(text)}</{tag}>"
            for place, text in enumerate(row)
        )
        return f"<tr>{''.join(shown)}</tr>"

    body = "".join(cells(row, "td") for row in rows)
    return f'<div class="wide"><table><thead>{cells(header, "th")}</thead><tbody>{body}</tbody></table></div>'


def image(path: Path, *, alt: str) -> str:
    """A picture, carried in the page itself."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<img alt="{escape(alt)}" src="data:{_MEDIA[path.suffix]};base64,{data}">'


def figure(picture: str, *, caption: str) -> str:
    """A picture on a white card with its caption."""
    return f'<figure><div class="card">{picture}</div><figcaption>{escape(caption)}</figcaption></figure>'


def section(title: str, *parts: str) -> str:
    """A section under its heading; nothing at all if it has no parts."""
    body = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""


def folded(title: str, body: str) -> str:
    """A part that opens at a click."""
    return f"<details><summary>{escape(title)}</summary>{body}</details>"

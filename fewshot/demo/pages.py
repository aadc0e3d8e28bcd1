"""The one page of the demo: text, style and script in one file, so that nothing else is fetched."""

import base64
import hashlib
import html
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Page:
    """html: the page; policy: the Content-Security-Policy that lets in its own parts only."""

    html: str
    policy: str


def demo_page(title: str) -> Page:
    """The page, with a title of the model."""
    folder = files("fewshot.demo") / "page"
    text, style, script = (
        (folder / name).read_text("utf-8") for name in ("page.html", "style.css", "script.js")
    )
    text = text.replace("{{title}}", html.escape(title))
    text = text.replace("{{style}}", style).replace("{{script}}", script)
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    return Page(text, policy)


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"

"""The page itself: HTML with its style and its scripts, which need no other request."""

from __future__ import annotations

import secrets
from pathlib import Path

PAGE_FOLDER = Path(__file__).with_name("page")
SCRIPT_NAMES = ("elements.js", "forms.js", "jobs.js", "lists.js", "main.js")
NONCE_MARK, STYLE_MARK, SCRIPT_MARK = "{{nonce}}", "{{style}}", "{{script}}"


def read_page() -> tuple[bytes, str]:
    """(page, nonce): only scripts and styles with the nonce are executed."""
    nonce = secrets.token_urlsafe(16)
    style = (PAGE_FOLDER / "page.css").read_text(encoding="utf-8")
    script = "\n".join((PAGE_FOLDER / name).read_text(encoding="utf-8") for name in SCRIPT_NAMES)
    page = (PAGE_FOLDER / "page.html").read_text(encoding="utf-8").replace(NONCE_MARK, nonce)
    return page.replace(STYLE_MARK, style).replace(SCRIPT_MARK, script).encode(), nonce


def page_headers(nonce: str) -> dict[str, str]:
    """Headers with which the page loads nothing from elsewhere, and no other page can contain it."""
    sources = (
        "default-src 'none'",
        f"script-src 'nonce-{nonce}'",
        f"style-src 'nonce-{nonce}'",
        "img-src 'self' data:",
        "media-src 'self'",
        "connect-src 'self'",
        *(f"{name} 'none'" for name in ("base-uri", "form-action", "frame-ancestors")),
    )
    return {"Content-Security-Policy": "; ".join(sources)}

"""Give each page of a built site a content policy: only the site's own files, and the scripts inside it.

Those are allowed by their hashes. Styles inside are allowed, as notebooks' outputs have them.
"""

import base64
import hashlib
import html
import re
from collections.abc import Iterator
from pathlib import Path

SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.DOTALL | re.IGNORECASE)
EMPTY = re.compile(
    r'<script src="data:text/javascript,">\s*</script>\s*'
)  # mkdocs-jupyter's, in place of MathJax
NO_CODE = re.compile(r"""type=["']?(application/(ld\+)?json|text/x-mathjax-config)""")
ENCODING = '<meta charset="utf-8">'
POLICY = (
    "default-src 'self'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'"
)


def policy_of(page: str) -> str:
    """Return the policy of a page."""
    inside = [body for attributes, body in SCRIPT.findall(page) if _is_code_inside(attributes)]
    hashes = sorted({f"'sha256-{_sha256(body)}'" for body in inside})
    return POLICY.format(hashes=" ".join(hashes)).replace("  ", " ").replace(" ;", ";")


def _is_code_inside(attributes: str) -> bool:
    return "src=" not in attributes and not NO_CODE.search(attributes)


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def add_policies(site: Path) -> Iterator[str]:
    """Add a policy to each page that has none; yield a problem where a tag has a handler, which it blocks."""
    for path in sorted(site.rglob("*.html")):
        text = EMPTY.sub("", path.read_text(encoding="utf-8"))
        if "Content-Security-Policy" in text:
            continue
        policy = html.escape(policy_of(text))
        meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        # Behind the declaration of the encoding, which is in the first 1024 bytes, and before every script.
        path.write_text(text.replace(ENCODING, ENCODING + meta, 1), encoding="utf-8")
        if handler := re.search(r"<[a-z][^>]*\son[a-z]+=", text):
            yield f"{path.relative_to(site)}: the policy blocks the handler in {handler[0][:80]}"

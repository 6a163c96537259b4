"""What an exported page of the Atlas holds."""

import base64
import json
import re
import zlib
from typing import Any


def data_of(page: str) -> dict[str, Any]:
    """Return a page's data as its script reads them: a long description is unpacked, bytes stay packed."""
    found = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    packed = data.pop("plain", None)
    if packed is not None:
        data |= json.loads(zlib.decompress(base64.b85decode(packed.replace(".", "<"))))
    return data

"""Names that the configuration refers to."""

from collections.abc import Iterable

from seunet.runtime.errors import UserError
from seunet.settings.messages import format_value, suggestion


def check_known(path: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise UserError for the first name that is not known."""
    for name in names:
        if name not in known:
            raise UserError(f"{path}: {format_value(name)} is not known{suggestion(name, known)}")

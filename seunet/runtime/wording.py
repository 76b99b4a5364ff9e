"""Numbers of things in sentences: 1 file is, 2 files are."""


def counted(number: int, what: str) -> str:
    """Return "1 file", "2 files", …."""
    return f"{number} {what}{'s' * (number != 1)}"


def be(number: int) -> str:
    """Return "is" for one thing, else "are"."""
    return "is" if number == 1 else "are"


def have(number: int) -> str:
    """Return "has" for one thing, else "have"."""
    return "has" if number == 1 else "have"

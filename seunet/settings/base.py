"""What all settings share: strict types, no unknown keys, and the kinds of texts and lists that they are made of."""

import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, model_validator
from pydantic_core import PydanticCustomError

from seunet.settings.messages import format_value, one_line, suggestion, yaml_hint

T = TypeVar("T")


class Settings(BaseModel):
    """A mapping of the configuration. The text below a key describes it, in the reference and in the JSON schema.

    Types are strict (3.0 is no whole number, "1" no number), numbers finite, and unknown keys refused.
    """

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def refuse_unknown_keys(cls, value: Any) -> Any:
        """Refuse the first key that is not one of the class, and name the nearest that is."""
        for key in value if isinstance(value, dict) else ():
            if key not in cls.model_fields:
                raise mistake(f": unknown key{suggestion(key, cls.model_fields)}", key)
        return value

    def non_defaults(self, *keys: str) -> dict[str, Any]:
        """Return what differs from the defaults, of some keys or of all, as plain values that YAML could hold.

        A rule of the workflow has it as a parameter. Since defaults are left out, a new key changes no parameter, so
        it runs nothing again.
        """
        return self.model_dump(mode="json", include=set(keys) or None, exclude_defaults=True)


def mistake(text: str, *inside: Any) -> PydanticCustomError:
    """Return an error whose text follows the path of the value, or the path of what lies `inside` it."""
    parts = [part if isinstance(part, int) else one_line(str(part)) for part in inside]
    return PydanticCustomError("mistake", "{text}", {"text": one_line(text), "inside": parts})


def matching(pattern: str, words: str) -> AfterValidator:
    """Return an annotation that refuses texts which do not match a pattern; `words` describe it."""

    def validate(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise mistake(f": {format_value(text)} is not allowed here ({words})")
        return text

    return AfterValidator(validate)


def names_matching(pattern: str, words: str) -> BeforeValidator:
    """Return an annotation that refuses mappings with a key which is no text or does not match a pattern."""

    def validate(value: Any) -> Any:
        for name in value if isinstance(value, dict) else ():
            if not isinstance(name, str):
                raise mistake(f": the name {format_value(name)} is not a text{yaml_hint(name, ['a text'])}")
            if not re.fullmatch(pattern, name):
                raise mistake(f": the name {format_value(name)} is not allowed ({words})")
        return value

    return BeforeValidator(validate)


def refuse_repetition(value: Any) -> Any:
    """Refuse a list in which an entry stands twice."""
    for i, entry in enumerate(value if isinstance(value, list) else ()):
        if entry in value[:i]:
            raise mistake(f": {format_value(entry)} stands there twice; name each once")
    return value


def kind(value: Any) -> str:
    """Return the tag of the branch of a union that a value belongs to: mapping, list or value."""
    return "mapping" if isinstance(value, dict | Settings) else "list" if isinstance(value, list) else "value"


ONE_LINE = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+"
WHAT_ONE_LINE = "one line of printable text"
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
WHAT_NAME = "part of file names: letters, digits, dot, dash and underscore"


def schema(**entries: Any) -> Any:
    """Return an annotation that adds entries to the JSON schema: what only Python checks."""
    return Field(json_schema_extra=entries)


OneLine = Annotated[str, Field(min_length=1), matching(ONE_LINE, WHAT_ONE_LINE), schema(pattern=f"^{ONE_LINE}$")]
Label = Annotated[OneLine, Field(max_length=60)]
Named = Annotated[dict[str, T], names_matching(NAME, WHAT_NAME), schema(propertyNames={"pattern": f"^{NAME}$"})]
Options = Annotated[dict[str, Any], names_matching(ONE_LINE, WHAT_ONE_LINE)]
Distinct = Annotated[list[T], BeforeValidator(refuse_repetition), schema(uniqueItems=True)]
Unique = Annotated[Distinct[T], Field(min_length=1)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]

# A key that may be absent, without a default: Maybe[str] = None. null is taken, to undo the key of an earlier file.
ABSENT = "absent"
Maybe = Annotated[T | None, ABSENT]

# For a union of several kinds of values, so that the errors are those of the kind that was written:
# size: Annotated[Annotated[int, Tag("value")] | Annotated[list[int], Tag("list")], BY_KIND]
BY_KIND = Discriminator(kind)

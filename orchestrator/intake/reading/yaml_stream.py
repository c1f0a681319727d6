# ruff: noqa: ANN401 - libyaml's events have no types, and their values are any JSON scalar
"""YAML as events, without what makes YAML surprising.

Only JSON's own literals are typed, and only unquoted: `0172`, `NO`, `1_000`, `~` stay the text they look like. Anchors,
aliases, tags, merge keys, directives and further documents are refused. libyaml's event parser is driven directly:
nothing is composed, so a document costs the memory of its largest item whatever its length.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

import yaml
from yaml._yaml import CParser

from orchestrator.domain.messages.mistake import Mistake, Mistakes
from orchestrator.intake.reading.parse_events import (
    END_ARRAY,
    END_MAP,
    MAP_KEY,
    SCALAR,
    START_ARRAY,
    START_MAP,
    ParsedEvent,
    bad_number,
)
from orchestrator.intake.reading.plain_yaml import meaning, take_plain
from orchestrator.intake.reading.text import NO_NEWLINE, MalformedTextError, Text
from orchestrator.intake.reading.yaml_slips import slip

_NOT_YAML = Mistake("is not YAML", "check its quotes, brackets and indents")


class YamlEvents:
    """The events of one YAML document."""

    def __init__(self, text: Text, mistakes: Mistakes) -> None:
        self._text = text
        self._mistakes = mistakes
        self._parser: Any = None
        self._event: Any = None
        self._ahead: deque[Any] = deque()
        """Taken from the parser, and not yielded yet."""
        self._error: Exception | None = None
        """What the parser raised behind them."""
        self._seen_document = False
        self._merging = False  # the next value is that of a merge key, which is reported

    @property
    def line(self) -> int:
        return self._event.start_mark.line + 1 if self._event is not None else 1

    def values(self, levels: int) -> Iterator[bytes]:
        """The values of the list that the events are in; see `Events.values`."""
        while not self._ahead and self._error is None:
            self._text.mark = self._text.position
            seen: list[Any] = []
            try:
                seen.append(self._parser.get_event())
                plain = take_plain(self._parser.get_event, seen, levels)
            except (yaml.YAMLError, MalformedTextError) as error:
                plain, self._error = None, error
            if plain is None:
                self._ahead.extend(seen)
            else:
                yield plain

    def __iter__(self) -> Iterator[ParsedEvent]:
        try:
            self._parser = CParser(self._text)
            yield from self._parse()
        except yaml.MarkedYAMLError as error:
            raise self._worded(error) from error
        except yaml.YAMLError as error:
            raise self._text.error or MalformedTextError(_NOT_YAML) from error
        if not self._text.ends_in_newline:
            raise MalformedTextError(Mistake(*NO_NEWLINE, line=self._text.line))

    def _parse(self) -> Iterator[ParsedEvent]:
        scalar, alias = yaml.ScalarEvent, yaml.AliasEvent
        start_map, end_map = yaml.MappingStartEvent, yaml.MappingEndEvent
        start_array, end_array = yaml.SequenceStartEvent, yaml.SequenceEndEvent
        expects_key: list[bool | None] = []  # for each open container: None in a list, else whether a key comes next
        next_is_key: bool | None = None
        while (event := self._next_event()) is not None:
            self._event = event
            kind = event.__class__
            if kind is end_map or kind is end_array:
                next_is_key = expects_key.pop()
                yield (END_MAP if kind is end_map else END_ARRAY), None
            elif next_is_key:
                yield MAP_KEY, self._key(event)
                next_is_key = False
                continue
            elif kind is scalar:
                yield SCALAR, self._scalar(event)
            elif kind is start_map or kind is start_array:
                self._refuse_extras(event)
                yield (START_MAP if kind is start_map else START_ARRAY), None
                expects_key.append(next_is_key)
                next_is_key = True if kind is start_map else None
                continue
            elif kind is alias:
                if not self._merging:
                    self._mistakes.add("aliases (`*name`) are refused", "write the value again", line=self.line)
                self._merging = False
                yield SCALAR, None
            else:
                self._frame(event)
                continue
            if next_is_key is False:
                next_is_key = True

    def _next_event(self) -> Any:
        if self._ahead:
            return self._ahead.popleft()
        if self._error is not None:
            raise self._error
        return self._parser.get_event()

    def _frame(self, event: Any) -> None:
        """The start and the end of streams and documents."""
        if not isinstance(event, yaml.DocumentStartEvent):
            return
        if event.version or event.tags:
            self._mistakes.add("directives (`%...`) are refused", "remove the line", line=1)
        if self._seen_document:
            message = "a second document begins (`---`)"
            raise MalformedTextError(Mistake(message, "drop each document as its own file", line=self.line))
        self._seen_document = True

    def _key(self, event: Any) -> str:
        if event.__class__ is not yaml.ScalarEvent:
            message = "a key must be text" if event.__class__ is not yaml.AliasEvent else "aliases are refused"
            raise MalformedTextError(Mistake(message, "write `key: value`", line=self.line))
        if event.anchor or event.tag:
            self._refuse_extras(event)
        value: str = event.value
        if value == "<<" and not event.style:
            self._mistakes.add("merge keys (`<<`) are refused", "write it out, or use `template`", line=self.line)
            self._merging = True
        return value

    def _scalar(self, event: Any) -> Any:
        if event.anchor or event.tag:
            self._refuse_extras(event)
        if event.style:
            return event.value
        try:
            return meaning(event.value)
        except (ValueError, ArithmeticError):
            raise bad_number(self.line) from None

    def _refuse_extras(self, event: Any) -> None:
        if event.anchor:
            self._mistakes.add(f"anchors (`&{event.anchor}`) are refused", "write the value again", line=self.line)
        if event.tag:
            self._mistakes.add("tags (`!...`) are refused", "quote what is text; the rest needs no tag", line=self.line)

    def _worded(self, error: yaml.MarkedYAMLError) -> MalformedTextError:
        if self._text.error:
            return self._text.error
        problem = error.problem or ""
        mark = error.problem_mark or error.context_mark
        if mark is None:
            return MalformedTextError(_NOT_YAML)
        line = mark.line + 1
        found = slip(problem, line, mark.column + 1, self._text.line_at(line), self._text.line_at(line - 1))
        message = f"is not YAML: {found.what}" + (f" at column {found.column}" if found.column else "")
        opened = error.context_mark
        if opened is not None and opened.line < mark.line and "quoted scalar" in (error.context or ""):
            message += f"; a quote opens on line {opened.line + 1}"
        return MalformedTextError(Mistake(message, found.remedy, line=found.line))

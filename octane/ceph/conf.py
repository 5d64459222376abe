"""ceph.conf: read, changed and written as Ceph itself reads it, with comments and order kept.

A comment begins with ``#`` or ``;``, a backslash at the end of a line joins it with the next, blanks and underscores in
names are the same, of two values the last counts, and a section may occur more than once. What releases differ in is
read as any of them does, and written so that all understand it: Firefly takes a ``#`` in quotes for itself and settings
before the first section for global ones; Ceph 16.2.15 refuses both, and takes apostrophes for quotes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from octane.errors import BadInput

GLOBAL = "global"
QUOTES, ESCAPE, COMMENT = "\"'", "\\", "#;"


@dataclass(frozen=True)
class Line:
    """``raw`` is as it was written, line breaks within it too; ``key`` is "" where there is no setting."""

    raw: str
    key: str = ""
    value: str = ""


@dataclass(frozen=True)
class Section:
    """``header`` is as it was written, "" for what stands before any section, which is global."""

    name: str
    header: str
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Conf:
    sections: tuple[Section, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the sections, each once."""
        return tuple(dict.fromkeys(one.name for one in self.sections))

    def values(self, section: str) -> dict[str, str]:
        """{name: value} of a section that may not be there, names with underscores."""
        lines = (line for one in self.sections if one.name == section for line in one.lines)
        return {line.key: line.value for line in lines if line.key}

    def get(self, section: str, key: str) -> str | None:
        return self.values(section).get(name(key))

    def of(self, daemon: str, key: str) -> str | None:
        """What counts for a daemon or client such as "osd.3": its own section, that of its kind, the global one."""
        found = (self.get(section, key) for section in (daemon, daemon.partition(".")[0], GLOBAL))
        return next((value for value in found if value is not None), None)

    def put(self, section: str, values: Mapping[str, str | None]) -> Conf:
        """With VALUES in SECTION; None takes a setting away, and what is as it was is not written again."""
        wanted = {name(key): value for key, value in values.items()}
        kept = tuple(_put(one, wanted) if one.name == section else one for one in self.sections)
        new = tuple(
            _line(key, value) for key, value in wanted.items() if value is not None and key not in self.values(section)
        )
        return _append(Conf(kept), section, new) if new else Conf(kept)

    def rename(self, section: str, to: str) -> Conf:
        return Conf(
            tuple(replace(one, name=to, header=f"[{to}]") if one.name == section else one for one in self.sections)
        )


def name(key: str) -> str:
    """KEY as Ceph knows it: "mon host" is "mon_host"."""
    return "_".join(key.split())


def parse(text: str) -> Conf:
    """:raises BadInput: naming a line that is neither a section, nor a setting, nor a comment"""
    sections = [Section(GLOBAL, "")]
    for number, raw in _logical_lines(text):
        said = _without_comment(raw.replace("\\\n", "")).strip()
        if said.startswith("["):
            sections.append(Section(_section(said, number), raw))
        else:
            last = sections[-1]
            sections[-1] = replace(last, lines=(*last.lines, _read(raw, said, number)))
    return Conf(tuple(one for one in sections if one.header or one.lines))


def render(conf: Conf) -> str:
    parts = [
        part
        for one in conf.sections
        for part in (*([one.header] if one.header else []), *(line.raw for line in one.lines))
    ]
    return "".join(f"{part}\n" for part in parts)


def items(value: str) -> tuple[str, ...]:
    """Of a list with commas, semicolons or blanks between; what is in brackets is one item, as in
    "[v2:10.0.0.1:3300,v1:10.0.0.1:6789] 10.0.0.2"."""
    found, depth = [""], 0
    for letter in value:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if not depth and (letter in ",;" or letter.isspace()):
            found.append("")
        else:
            found[-1] += letter
    return tuple(item for item in found if item)


def hosts(value: str) -> tuple[str, ...]:
    """The hosts of a ``mon_host``, each once, without protocols, ports and nonces."""
    parts = (part for item in items(value) for part in _vector(item))
    return tuple(dict.fromkeys(_host(part) for part in parts))


def _vector(item: str) -> Iterable[str]:
    """The addresses of "[v2:...,v1:...]"; "[fd00::1]:6789" is an address and no vector."""
    return items(item[1:-1]) if item.startswith(("[v1:", "[v2:")) else (item,)


def _host(address: str) -> str:
    plain = address.removeprefix("v1:").removeprefix("v2:").partition("/")[0]
    if plain.startswith("["):
        return plain[1:].partition("]")[0]
    return plain.partition(":")[0] if plain.count(":") == 1 else plain


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number of the first line, lines that a backslash joins)."""
    joined: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        joined.append(line)
        if not line.endswith(ESCAPE):
            yield number - len(joined) + 1, "\n".join(joined)
            joined = []
    if joined:
        yield text.count("\n") + 1, "\n".join(joined).rstrip(ESCAPE)


def _without_comment(line: str) -> str:
    quoted, escaped, value = "", False, line.partition("=")[2].lstrip()
    # Elsewhere an apostrophe is one.
    quotes = value[:1] if value[:1] in QUOTES else ""
    for place, letter in enumerate(line):
        if letter in COMMENT and not quoted and not escaped:
            return line[:place]
        if quotes and letter == quotes and not escaped:
            quoted = "" if quoted else letter
        escaped = letter == ESCAPE and not escaped
    return line


def _section(said: str, number: int) -> str:
    if not said.endswith("]") or said.count("[") != 1:
        raise BadInput(f"line {number} of ceph.conf begins a section and does not end it: {said}; repair the file")
    return said[1:-1].strip()


def _read(raw: str, said: str, number: int) -> Line:
    key, equals, value = said.partition("=")
    if not said:
        return Line(raw)
    if not equals or not key.strip():
        # What stands there may be a secret.
        raise BadInput(
            f"line {number} of ceph.conf is neither a section, nor a setting, nor a comment; repair the file"
        )
    return Line(raw, name(key), _plain(value.strip()))


def _plain(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in QUOTES:
        value = value[1:-1]
    found, escaped = "", False
    for letter in value:
        escaped = letter == ESCAPE and not escaped
        found += "" if escaped else letter
    return found


def _written(value: str) -> str:
    escaped = "".join(f"{ESCAPE}{letter}" if letter in ESCAPE + COMMENT + '"' else letter for letter in value)
    # Unquoted, a backslash at the end would join the next line.
    needs_quotes = value != value.strip() or any(letter in value for letter in ESCAPE + QUOTES)
    return f'"{escaped}"' if needs_quotes else escaped


def _line(key: str, value: str) -> Line:
    return Line(f"{key} = {_written(value)}", key, value)


def _put(section: Section, wanted: Mapping[str, str | None]) -> Section:
    return replace(section, lines=tuple(_changed(section.lines, wanted)))


def _changed(lines: Iterable[Line], wanted: Mapping[str, str | None]) -> Iterator[Line]:
    for line in lines:
        value = wanted.get(line.key, line.value)
        if value is not None:
            yield line if value == line.value else _line(line.key, value)


def _append(conf: Conf, section: str, new: tuple[Line, ...]) -> Conf:
    """NEW at the end of the last SECTION, before the blank lines there; of a new one where there is none."""
    places = [place for place, one in enumerate(conf.sections) if one.name == section]
    if not places:
        return Conf((*conf.sections, Section(section, f"[{section}]", new)))
    last = conf.sections[places[-1]]
    end = len(last.lines)
    while end and not last.lines[end - 1].raw.strip():
        end -= 1
    grown = replace(last, lines=(*last.lines[:end], *new, *last.lines[end:]))
    return Conf((*conf.sections[: places[-1]], grown, *conf.sections[places[-1] + 1 :]))

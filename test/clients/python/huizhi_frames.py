"""Checks frames against the tables of docs/protocol.md. It parses the page, so page and golden vectors must agree."""

import json
import re
import unicodedata

from huizhi_wire import BadFrame

MAX_INTEGER = 2**53 - 1


def is_id(text):
    """1-255 code points of letters, marks, numbers, punctuation, symbols and inner spaces, in NFC."""
    if not 1 <= len(text) <= 255 or text != text.strip(" ") or unicodedata.normalize("NFC", text) != text:
        return False
    return all(char == " " or unicodedata.category(char)[0] in "LMNPS" for char in text)


class Page:
    def __init__(self, text):
        # Python's `re` knows no Unicode categories, and no pattern can test for normalization form C.
        self.types = {
            name: is_id if name == "id" else re.compile(pattern.strip("`")).fullmatch
            for name, pattern in self.rows(text, "types")
        }
        self.up = self.tables(text, "up")
        self.down = self.tables(text, "down")
        self.closes = {name.strip("`"): int(code) for code, name, *_ in self.rows(text, "closes")}

    @staticmethod
    def rows(text, region):
        block = re.search(rf"<!-- generated:{re.escape(region)} -->(.*?)<!-- /generated -->", text, re.S).group(1)
        lines = [line.strip()[1:-1] for line in block.splitlines() if line.startswith("|")]
        cells = [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)] for line in lines]
        return cells[2:]

    def tables(self, text, side):
        names = re.findall(rf"<!-- generated:{side} (\w+) -->", text)
        return {name: [(f.strip("`"), t, r == "yes") for f, t, r in self.rows(text, f"{side} {name}")] for name in names}

    def read(self, table, raw, of_client):
        """The fields of the table, as the server reads them (of_client) or as the server must send them."""
        frame = {}
        for field, kind, required in table:
            value = raw.get(field)
            if value is None and required and "." not in field:
                raise BadFrame("badField")
            if value is not None:
                frame[field] = self.value(kind, value, of_client)
        for field, kind, required in table:
            outer, _, inner = field.partition(".")
            if inner and outer in frame and required:
                self.value(kind, frame[outer].get(inner), of_client)
        return frame

    def value(self, kind, value, of_client):
        literals = re.findall(r'`("[^`]*")`', kind)
        if literals:
            return self.checked(value in [json.loads(literal) for literal in literals], value)
        if kind == "array of `normal` frames":
            return [self.read(self.down["normal"], item, of_client) for item in value]
        if kind.startswith("array of "):
            return self.items(kind, value, of_client)
        name, _, bounds = kind.partition(", ")
        if name in self.types:
            value = as_text(value) if of_client else value
            return self.checked(isinstance(value, str) and bool(self.types[name](value)), value)
        if name == "string":
            value = as_text(value) if of_client else value
            return self.checked(isinstance(value, str) and within(len(value), bounds), value)
        if name in ("count", "integer"):
            value = as_integer(value) if of_client else value
            least, most = (0, MAX_INTEGER) if name == "count" else limits_of(bounds)
            return self.checked(type(value) is int and least <= value <= most, value)
        kinds = {"object": dict, "boolean": bool, "number": (int, float)}
        return self.checked(isinstance(value, kinds[name]), value)

    def items(self, kind, value, of_client):
        item, _, bounds = kind[len("array of ") :].partition(", ")
        self.checked(isinstance(value, list) and within(len(value), bounds), value)
        return [self.value(item, one, of_client) for one in value]

    @staticmethod
    def checked(good, value):
        if not good:
            raise BadFrame("badField")
        return value


def limits_of(bounds):
    numbers = [int(number) for number in re.findall(r"\d+", bounds)]
    if bounds.startswith("at most"):
        return 0, numbers[0]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (-MAX_INTEGER, MAX_INTEGER)


def within(size, bounds):
    least, most = limits_of(bounds)
    return least <= size <= most


def as_text(value):
    return str(value) if type(value) is int and abs(value) <= MAX_INTEGER else value


def as_integer(value):
    return int(value) if isinstance(value, str) and re.fullmatch(r"0|[1-9][0-9]{0,15}", value) else value


def read_up(page, raw, first):
    """Returns the type of a client's frame and its fields. Raises BadFrame."""
    kind = raw.get("messageType")
    if kind is None:
        is_login = first and raw.get("versionCode") is not None and raw.get("fromUserID") is not None
        if not is_login and raw.get("beatID") is None:
            raise BadFrame("badField")
        kind = "login" if is_login else "beat"
    elif not isinstance(kind, str) or kind not in page.up or kind == "beat":
        raise BadFrame("unsupported")
    frame = page.read(page.up[kind], raw, of_client=True)
    if kind in ("normal", "history"):
        target = "toUserID" if frame["chatType"] == "userChat" else "groupID"
        if target not in frame:
            raise BadFrame("badField")
    if kind == "normal" and frame["contenType"] in ("tip", "repeal"):
        raise BadFrame("unsupported")
    if kind == "normal" and frame["contenType"] == "text":
        text = frame["content"].get("text")
        if not isinstance(text, str) or not text:
            raise BadFrame("badField")
    return kind, frame

"""The four modes of the wire as docs/protocol.md describes them: bytes in, frames out, no socket and no clock.

A decoder reads frames of a server. With `of="client"` it checks frames of a client, as a server does.
"""

import base64
import hashlib
import json
import math
import os
import re
import struct

MAX_EMPTY_LINES = 1000
MAX_FRAGMENTS = 64
MAX_INTEGER = 2**53 - 1
MAX_LEVELS = 16
BYTES_FROM_SERVER = 1024 * 1024


class BadFrame(Exception):
    """Invalid bytes or an invalid frame. `name` is the error's name. A decoder that raises it must not be reused."""

    def __init__(self, name):
        super().__init__(name)
        self.name = name


class Refused(str):
    """Replaces a complete client frame with refused content. Holds the name of the error; the stream continues."""


# Methods of RFC 9110, PATCH, and the first bytes of HTTP/2.
HTTP_METHODS = b"GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH PRI".split()


def mode_of(beginning):
    """The name in MODES, "http", None (an unknown protocol), or "undecided" while more bytes are needed."""
    words = {b"{": "lines", b"HZ": "hz", b"beatID": "base64", b"YmVhdElE": "base64"}
    words.update((method + b" ", "http") for method in HTTP_METHODS)
    if re.match(rb"e[w-z0-9+/]", beginning):
        return "base64"
    if beginning == b"e":
        return "undecided"
    for word, mode in words.items():
        if beginning.startswith(word):
            return mode
    return "undecided" if any(word.startswith(beginning) for word in words) else None


class Decoder:
    def __init__(self, limit=BYTES_FROM_SERVER, of="server"):
        self.limit, self.of_server = limit, of == "server"
        self.held = b""

    def push(self, data):
        """Yields each frame that these bytes complete: an object, an array of objects, or Refused. Raises BadFrame."""
        raise NotImplementedError

    def frame(self, body):
        try:
            value = json.loads(body.decode("utf-8"), parse_constant=self.no_constant)
        except (ValueError, RecursionError):
            raise BadFrame("badFrame") from None
        is_batch = self.of_server and isinstance(value, list) and all(isinstance(item, dict) for item in value)
        if not isinstance(value, dict) and not is_batch:
            raise BadFrame("badFrame")
        problem = None if self.of_server else self.problem_of(value, 1)
        return Refused(problem) if problem else value

    @staticmethod
    def no_constant(name):
        raise ValueError(name)

    def problem_of(self, value, level):
        if isinstance(value, str):
            return "badText" if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return None if math.isfinite(value) and abs(value) <= MAX_INTEGER else "badField"
        if not isinstance(value, (dict, list)):
            return None
        if level > MAX_LEVELS:
            return "tooDeep"
        if "__proto__" in value and isinstance(value, dict):
            return "badField"
        inside = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        return next((problem for item in inside if (problem := self.problem_of(item, level + 1))), None)


class JsonLines(Decoder):
    empty = 0

    def push(self, data):
        self.held += data
        while True:
            line, end, rest = self.held.partition(b"\n")
            if not end:
                break
            self.held = rest
            line = line[:-1] if line.endswith(b"\r") else line
            if len(line) > self.line_limit():
                raise BadFrame("frameTooLarge")
            if line:
                self.empty = 0
                yield self.line(line)
                continue
            self.empty += 1
            if self.empty > MAX_EMPTY_LINES:
                raise BadFrame("badFrame")
        # One extra byte may be the CR of a CRLF.
        if len(self.held) > self.line_limit() + 1:
            raise BadFrame("frameTooLarge")

    def line_limit(self):
        return self.limit

    def line(self, line):
        return self.frame(line)

    @staticmethod
    def encode(text):
        return text.encode() + b"\n"


class Base64Lines(JsonLines):
    PUBLISHED_BEAT = (b"YmVhdElE", b"YmVhdElECg", b"YmVhdElECg==", b"YmVhdElEDQo", b"YmVhdElEDQo=")

    def line_limit(self):
        return (self.limit + 2 + 2) // 3 * 4

    def line(self, line):
        if not re.match(rb"[eW][w-z0-9+/]" if self.of_server else rb"e[w-z0-9+/]", line):
            return self.bare_heartbeat(line)
        padded = line if b"=" in line else line + b"=" * (-len(line) % 4)
        if len(padded) % 4 or not re.fullmatch(rb"[A-Za-z0-9+/]+={0,2}", padded):
            raise BadFrame("badFrame")
        body = base64.b64decode(padded)
        body = body[:-2] if body.endswith(b"\r\n") else body[:-1] if body.endswith(b"\n") else body
        if len(body) > self.limit:
            raise BadFrame("frameTooLarge")
        return self.frame(body)

    def bare_heartbeat(self, line):
        if self.of_server or not re.fullmatch(rb"[A-Za-z0-9+/=._:@-]{1,64}", line):
            raise BadFrame("badFrame")
        return {"beatID": "beatID" if line in self.PUBLISHED_BEAT else line.decode()}

    @staticmethod
    def encode(text):
        return base64.b64encode(text.encode()) + b"\n"


class HzFrames(Decoder):
    HEADER = struct.Struct(">2sBBHI")
    FRAME, BATCH = 1, 2

    def push(self, data):
        self.held += data
        while len(self.held) >= self.HEADER.size:
            magic, version, kind, flags, length = self.HEADER.unpack_from(self.held)
            kinds = (self.FRAME, self.BATCH) if self.of_server else (self.FRAME,)
            if magic != b"HZ" or version != 1 or kind not in kinds or flags or not length:
                raise BadFrame("badFrame")
            if length > self.limit:
                raise BadFrame("frameTooLarge")
            end = self.HEADER.size + length
            if len(self.held) < end:
                return
            body, self.held = self.held[self.HEADER.size : end], self.held[end:]
            frame = self.frame(body)
            if isinstance(frame, list) != (kind == self.BATCH):
                raise BadFrame("badFrame")
            yield frame

    @classmethod
    def encode(cls, text):
        body = text.encode()
        kind = cls.BATCH if text.startswith("[") else cls.FRAME
        return cls.HEADER.pack(b"HZ", 1, kind, 0, len(body)) + body


class WebSocketFrames(Decoder):
    """The stream after the upgrade. `answers` holds control frames to write: pongs, and the echo of a close."""

    GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    CONTINUATION, TEXT, CLOSE, PING, PONG = 0x0, 0x1, 0x8, 0x9, 0xA
    FINAL, RESERVED, MASKED = 0x80, 0x70, 0x80

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.answers = b""
        self.mask = None  # of control frames, for the vectors; random otherwise
        self.closed = None  # (code or None, reason)
        self.message = None  # the pieces of a message that has begun
        self.pieces = 0

    def push(self, data):
        self.held += data
        while self.closed is None:
            piece = self.next_piece()
            if piece is None:
                return
            final, opcode, payload = piece
            if opcode >= self.CLOSE:
                self.control(opcode, payload)
                continue
            self.message += payload
            if final:
                whole, self.message = self.message, None
                yield self.frame(whole)

    def next_piece(self):
        if len(self.held) < 2:
            return None
        final, opcode, length = self.held[0] & self.FINAL, self.held[0] & 0x0F, self.held[1] & 0x7F
        size = {126: 2, 127: 8}.get(length, 0)
        self.check_header(final, opcode, length)
        mask_at = 2 + size
        start = mask_at + (0 if self.of_server else 4)
        if len(self.held) < mask_at:
            return None
        length = int.from_bytes(self.held[2:mask_at], "big") if size else length
        if size and length < (126 if size == 2 else 65536):
            raise BadFrame("badFrame")
        if opcode < self.CLOSE and len(self.message or b"") + length > self.limit:
            raise BadFrame("frameTooLarge")
        if len(self.held) < start + length:
            return None
        mask, payload = self.held[mask_at:start], self.held[start : start + length]
        self.held = self.held[start + length :]
        if opcode < self.CLOSE:
            self.pieces = 1 if opcode == self.TEXT else self.pieces + 1
            self.message = b"" if opcode == self.TEXT else self.message
            if self.pieces > MAX_FRAGMENTS:
                raise BadFrame("badFrame")
        return final, opcode, masked_by(mask, payload) if mask else payload

    def check_header(self, final, opcode, length):
        is_control = opcode >= self.CLOSE
        bad = self.held[0] & self.RESERVED or bool(self.held[1] & self.MASKED) == self.of_server
        bad = bad or opcode not in (self.CONTINUATION, self.TEXT, self.CLOSE, self.PING, self.PONG)
        bad = bad or (is_control and (not final or length > 125))
        bad = bad or (not is_control and (opcode == self.CONTINUATION) != (self.message is not None))
        if bad:
            raise BadFrame("badFrame")

    def control(self, opcode, payload):
        if opcode == self.PING:
            self.answers += self.control_frame(self.PONG, payload)
        elif opcode == self.CLOSE:
            code = int.from_bytes(payload[:2], "big") if payload else None
            is_sent = code is None or (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999
            if len(payload) == 1 or not is_sent:
                raise BadFrame("badFrame")
            self.closed = code, payload[2:].decode()
            self.answers += self.control_frame(self.CLOSE, payload)

    def control_frame(self, opcode, payload):
        head = bytes([self.FINAL | opcode, len(payload)])
        if not self.of_server:
            return head + payload
        mask = self.mask or os.urandom(4)
        return bytes([head[0], self.MASKED | head[1]]) + mask + masked_by(mask, payload)

    def close_frame(self, code, name):
        return self.control_frame(self.CLOSE, struct.pack(">H", code) + name.encode())

    @classmethod
    def encode(cls, text, mask=None):
        body, mask = text.encode(), mask or os.urandom(4)
        size = len(body)
        head = bytes([cls.FINAL | cls.TEXT, cls.MASKED | min(size, 125)])
        if size > 125:
            head = struct.pack(">BBH", cls.FINAL | cls.TEXT, cls.MASKED | 126, size)
        if size > 65535:
            head = struct.pack(">BBQ", cls.FINAL | cls.TEXT, cls.MASKED | 127, size)
        return head + mask + masked_by(mask, body)

    @classmethod
    def accept(cls, key):
        return base64.b64encode(hashlib.sha1(key.encode() + cls.GUID).digest()).decode()

    @classmethod
    def upgrade(cls, connection, host):
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /ws HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket"]
        lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", "", ""]
        connection.sendall("\r\n".join(lines).encode())
        answer = b""
        # The server writes nothing after its answer until the login.
        while not answer.endswith(b"\r\n\r\n"):
            data = connection.recv(4096)
            if not data:
                raise OSError("closed during the upgrade")
            answer += data
        status, *headers = answer.decode("latin-1").split("\r\n")
        if status.split(" ")[1] != "101" or headers_of(headers).get("sec-websocket-accept") != cls.accept(key):
            raise OSError(f"no WebSocket: {status}")


def headers_of(lines):
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def masked_by(mask, payload):
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


MODES = {"lines": JsonLines, "base64": Base64Lines, "hz": HzFrames, "websocket": WebSocketFrames}

"""A small Huizhi client that uses only what docs/protocol.md tells. Python 3.8 or newer, standard library only.

    python3 huizhi_client.py --host 127.0.0.1 --port 7443 --ca ca.pem --user alice --token eyJ… --device phone \
        conversation --to bob --send "hi" --send "are you there?" --expect 2

What happens is printed as one JSON object per line. The exit code is 0 when everything sent is settled and everything
expected has been received, receipted and confirmed.

    python3 huizhi_client.py vectors libs/protocol/fixtures     runs the golden vectors through this decoder
"""

import argparse
import base64
import hashlib
import json
import math
import os
import pathlib
import random
import re
import socket
import ssl
import struct
import sys
import time
import uuid

MAX_EMPTY_LINES = 1000
MAX_INTEGER = 2**53 - 1
LEVELS_FROM_SERVER = 20
BYTES_FROM_SERVER = 1024 * 1024


class BadFrame(Exception):
    def __init__(self, name):
        super().__init__(name)
        self.name = name


class Decoder:
    """Bytes in, frames out. With the defaults for what a server sends; most golden vectors are what a client may send."""

    def __init__(self, limit=BYTES_FROM_SERVER, levels=LEVELS_FROM_SERVER, arrays=True):
        self.limit, self.levels, self.arrays = limit, levels, arrays
        self.held = b""

    def frame(self, body):
        try:
            value = json.loads(body.decode("utf-8"), parse_constant=self.no_constant)
        except RecursionError:
            raise BadFrame("tooDeep") from None
        except ValueError:
            raise BadFrame("badFrame") from None
        if not isinstance(value, dict) and not (self.arrays and isinstance(value, list)):
            raise BadFrame("badFrame")
        self.inspect(value, 1)
        return value

    @staticmethod
    def no_constant(name):
        raise ValueError(name)

    def inspect(self, value, level):
        if isinstance(value, str):
            if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
                raise BadFrame("badText")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            if not math.isfinite(value) or abs(value) > MAX_INTEGER:
                raise BadFrame("badField")
        elif isinstance(value, (dict, list)):
            if level > self.levels:
                raise BadFrame("tooDeep")
            for name in value if isinstance(value, dict) else ():
                if name == "__proto__":
                    raise BadFrame("badField")
                self.inspect(name, level)
            for item in value.values() if isinstance(value, dict) else value:
                self.inspect(item, level + 1)


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
    def line_limit(self):
        return (self.limit + 2 + 2) // 3 * 4

    def line(self, line):
        if not re.match(rb"[eW][w-z0-9+/]" if self.arrays else rb"e[w-z0-9+/]", line):
            if not re.fullmatch(rb"[A-Za-z0-9+/=._:@-]{1,64}", line):
                raise BadFrame("badFrame")
            return {"beatID": line.decode()}
        padded = line if len(line) % 4 == 0 or b"=" in line else line + b"=" * (-len(line) % 4)
        if not re.fullmatch(rb"[A-Za-z0-9+/]*={0,2}", padded) or len(padded) % 4:
            raise BadFrame("badFrame")
        try:
            body = base64.b64decode(padded, validate=True)
        except ValueError:
            raise BadFrame("badFrame") from None
        body = body[:-2] if body.endswith(b"\r\n") else body[:-1] if body.endswith(b"\n") else body
        if len(body) > self.limit:
            raise BadFrame("frameTooLarge")
        return self.frame(body)

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
            kinds = (self.FRAME, self.BATCH) if self.arrays else (self.FRAME,)
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
    """Text messages are frames. What else the server sends is its goodbye, and a pong for who pings."""

    GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    TEXT, CLOSE, PONG = 0x81, 0x88, 0x8A

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.pongs = []
        self.closed = None  # (code, reason)

    def push(self, data):
        self.held += data
        while len(self.held) >= 2:
            first, length = self.held[0], self.held[1]
            size = {126: 2, 127: 8}.get(length, 0)
            start = 2 + size
            if len(self.held) < start:
                return
            if size:
                length = int.from_bytes(self.held[2:start], "big")
            if length > self.limit:
                raise BadFrame("frameTooLarge")
            if len(self.held) < start + length:
                return
            payload, self.held = self.held[start : start + length], self.held[start + length :]
            if first == self.TEXT:
                yield self.frame(payload)
            elif first == self.PONG:
                self.pongs.append(payload)
            elif first == self.CLOSE:
                self.closed = int.from_bytes(payload[:2], "big"), payload[2:].decode()
            else:
                raise BadFrame("badFrame")

    @classmethod
    def encode(cls, text, mask=None):
        body, mask = text.encode(), mask or os.urandom(4)
        size = len(body)
        if size < 126:
            head = struct.pack(">BB", cls.TEXT, 0x80 | size)
        elif size < 65536:
            head = struct.pack(">BBH", cls.TEXT, 0x80 | 126, size)
        else:
            head = struct.pack(">BBQ", cls.TEXT, 0x80 | 127, size)
        return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(body))

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
        # Nothing comes behind it before the login.
        while not answer.endswith(b"\r\n\r\n"):
            data = connection.recv(4096)
            if not data:
                raise OSError("closed during the upgrade")
            answer += data
        status, *headers = answer.decode("latin-1").split("\r\n")
        values = {name.lower(): value.strip() for name, _, value in (header.partition(":") for header in headers)}
        if status.split(" ")[1] != "101" or values.get("sec-websocket-accept") != cls.accept(key):
            raise OSError(f"no WebSocket: {status}")


MODES = {"lines": JsonLines, "base64": Base64Lines, "hz": HzFrames, "websocket": WebSocketFrames}


class Stopped(Exception):
    """The server said not to reconnect, or refused the login for good."""


class Client:
    """One device. Single-threaded: `step` reads what has come and does what is due."""

    def __init__(self, host, port, user, token, device, ca=None, plain=False, mode=JsonLines, report=lambda event: None):
        self.host, self.port, self.user, self.token, self.device = host, port, user, token, device
        self.ca, self.plain, self.mode, self.report = ca, plain, mode, report
        self.socket = None
        self.unsettled = {}  # clientMsgID -> frame, in the order of sending
        self.written = set()  # of the unsettled: on their way on this connection
        self.seen = {}  # messageID -> inboxSeq, until confirmed
        self.messages = []
        self.receipts = {}  # clientMsgID -> what settled it
        self.held_back = {}  # target -> (when to send again, how long to wait the next time)
        self.last_entry = 0
        self.confirmed = 0
        self.receipting = True
        self.wait = 1.0
        self.told_to_wait = None  # seconds, by the last close
        self.reconnect_at = 0.0
        self.disconnected()

    # --- the connection

    def disconnected(self):
        if self.socket:
            self.socket.close()
        self.socket = None
        self.logged_in_at = None
        self.decoder = self.mode()
        self.limits = {"unansweredSends": 1}
        self.heartbeat = 20.0
        self.written.clear()
        self.held_back.clear()

    def connect(self):
        raw = socket.create_connection((self.host, self.port), timeout=10)
        if not self.plain:
            context = ssl.create_default_context(cafile=self.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            raw = context.wrap_socket(raw, server_hostname=self.host)
        self.socket = raw
        if self.mode is WebSocketFrames:
            self.mode.upgrade(raw, f"{self.host}:{self.port}")
        self.heard_at = self.beat_at = time.monotonic()
        login = {"messageType": "login", "fromUserID": self.user, "deviceID": self.device, "versionCode": 2}
        self.write({**login, "deviceType": "python", **({"token": self.token} if self.token else {})})

    def cut(self):
        """The network is gone, without a word."""
        self.disconnected()
        self.reconnect_at = 0.0
        self.report({"event": "cut"})

    def lost(self, why):
        now = time.monotonic()
        if self.logged_in_at and now - self.logged_in_at > 30:
            self.wait = 1.0
        self.disconnected()
        own, told = random.uniform(0, self.wait), self.told_to_wait
        first = self.wait == 1.0
        self.reconnect_at = now + (own if told is None else told if first else max(own, told))
        self.told_to_wait = None
        self.wait = min(2 * self.wait, 30.0)
        self.report({"event": "lost", "why": why})

    def write(self, frame):
        self.socket.sendall(self.mode.encode(json.dumps(frame, ensure_ascii=False, separators=(",", ":"))))

    def step(self, patience=0.2):
        try:
            if self.socket is None:
                time.sleep(min(patience, max(0.0, self.reconnect_at - time.monotonic())))
                if time.monotonic() < self.reconnect_at:
                    return
                self.connect()
            self.do_what_is_due()
            self.read(patience)
        except (OSError, BadFrame) as error:
            self.lost(repr(error))

    def read(self, patience):
        self.socket.settimeout(patience)
        try:
            data = self.socket.recv(65536)
        except (socket.timeout, ssl.SSLWantReadError):
            return
        finally:
            if self.socket:
                self.socket.settimeout(10)
        if not data:
            raise OSError("the server has closed")
        for frame in self.decoder.push(data):
            self.heard_at = time.monotonic()
            self.on_frame(frame)
            if self.socket is None:
                return

    def do_what_is_due(self):
        now = time.monotonic()
        if now - self.heard_at > 3 * self.heartbeat:
            raise OSError("nothing was heard")
        if self.logged_in_at is None:
            return
        if now - self.beat_at >= self.heartbeat:
            self.beat_at = now
            self.write({"beatID": str(int(now))})
        self.write_sends(now)

    # --- what comes

    def on_frame(self, frame):
        if isinstance(frame, list):
            self.receive(frame, "batch")
            return
        handle = {
            "loginReceipt": self.on_login,
            "normal": lambda one: self.receive([one], "live"),
            "normalReceipt": self.on_settled,
            "invalidReceipt": self.on_settled,
            "error": self.on_error,
            "receiptConfirm": self.on_confirm,
            "close": self.on_close,
        }.get(frame.get("messageType"))
        if handle:
            handle(frame)

    def on_login(self, frame):
        self.report({"event": "login", **frame})
        if frame["code"] != 0:
            if 1000 <= frame["code"] < 2000:
                raise Stopped(frame.get("name"))
            raise OSError(frame.get("name"))
        self.logged_in_at = time.monotonic()
        self.heartbeat = frame["heartbeat"]
        self.limits = frame["limits"]
        self.last_entry = frame["inboxSeq"]
        self.confirmed = max(self.confirmed, frame["inboxSeq"])

    def receive(self, entries, via):
        for entry in entries:
            new = entry["messageID"] not in self.seen and entry["inboxSeq"] > self.confirmed
            previous = entry.get("prevInboxSeq", entry["inboxSeq"] - 1)
            if previous > self.last_entry:
                raise OSError("entries are missing")
            self.last_entry = max(self.last_entry, entry["inboxSeq"])
            self.seen[entry["messageID"]] = entry["inboxSeq"]
            if new:
                self.messages.append(entry)
            self.report({"event": "delivered", "via": via, "new": new, "message": entry})
        if self.receipting and entries:
            self.write({"messageType": "receipt", "upTo": entries[-1]["inboxSeq"]})

    def on_confirm(self, frame):
        self.confirmed = max(self.confirmed, frame["inboxSeq"])
        self.seen = {key: at for key, at in self.seen.items() if at > self.confirmed}
        self.report({"event": "confirmed", "inboxSeq": frame["inboxSeq"]})

    def on_settled(self, frame):
        sent = self.unsettled.pop(frame.get("clientMsgID"), None)
        self.written.discard(frame.get("clientMsgID"))
        if sent:
            self.held_back.pop(target_of(sent), None)
            self.receipts[frame["clientMsgID"]] = frame
            self.report({"event": "settled", "receipt": frame})

    def on_error(self, frame):
        self.report({"event": "error", **frame})
        sent = self.unsettled.get(frame.get("clientMsgID"))
        if sent is None or not frame["temporary"]:
            return
        self.written.discard(frame["clientMsgID"])
        target = target_of(sent)
        at, wait = self.held_back.get(target, (None, 1.0))
        if at is None or at <= time.monotonic():
            self.held_back[target] = (time.monotonic() + wait * random.uniform(0.5, 1), min(2 * wait, 10.0))

    def on_close(self, frame):
        self.report({"event": "close", **frame})
        if not frame["reconnect"]:
            self.disconnected()
            raise Stopped(frame["name"])
        if "retryAfter" in frame:
            self.told_to_wait = frame["retryAfter"] / 1000

    # --- what goes

    def send_text(self, text, to=None, group=None):
        target = {"chatType": "groupChat", "groupID": group} if group else {"chatType": "userChat", "toUserID": to}
        return self.send({"messageType": "normal", **target, "contenType": "text", "content": {"text": text}})

    def create_group(self, name, members):
        return self.send({"messageType": "createGroup", "groupName": name, "memberUserIDs": members})

    def send(self, frame):
        client_id = str(uuid.uuid4())
        self.unsettled[client_id] = {**frame, "clientMsgID": client_id, "sendTime": str(int(time.time() * 1000))}
        return client_id

    def write_sends(self, now):
        """Everything unsettled that is not on its way, in order; a conversation that was refused waits as a whole."""
        for client_id, frame in list(self.unsettled.items()):
            if len(self.written) >= self.limits["unansweredSends"]:
                return
            if client_id in self.written or self.is_held_back(frame, now):
                continue
            self.write(frame)
            self.written.add(client_id)

    def is_held_back(self, frame, now):
        at, _ = self.held_back.get(target_of(frame), (0.0, 1.0))
        return now < at

    # --- for those who wait

    def until(self, condition, timeout):
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.step()
        return True

    def is_settled(self):
        return not self.unsettled

    def is_confirmed(self):
        return not self.seen


def target_of(frame):
    return frame.get("toUserID"), frame.get("groupID")


def conversation(options):
    def report(event):
        print(json.dumps(event, ensure_ascii=False), flush=True)

    mode = MODES[options.mode]
    address = (options.host, options.port)
    client = Client(
        *address, options.user, options.token, options.device, options.ca, options.plain, mode=mode, report=report
    )
    deadline = time.monotonic() + options.timeout

    def until(condition):
        return client.until(condition, deadline - time.monotonic())

    try:
        if options.cut_after:
            # Take that many without a receipt, lose the connection, and come back for them.
            client.receipting = False
            if not until(lambda: len(client.messages) >= options.cut_after):
                return "too few messages before the cut"
            client.cut()
            client.receipting = True
        if not until(lambda: client.logged_in_at is not None):
            return "no login"
        group = options.group
        if options.create_group:
            made = client.create_group(options.create_group, options.member)
            if not until(client.is_settled):
                return "the group was not settled"
            group = client.receipts[made].get("groupID")
        for text in options.send:
            client.send_text(text, options.to, group)
        if not until(client.is_settled):
            return "not everything sent is settled"
        if not until(lambda: len(client.messages) >= options.expect):
            return "too few messages came"
        if not until(client.is_confirmed):
            return "not everything receipted is confirmed"
    except Stopped as stop:
        return f"stopped: {stop}"
    finally:
        client.disconnected()
    report({"event": "done", "received": [m["messageID"] for m in client.messages]})
    return None


VECTORS = {
    "json-lines-valid.json": JsonLines,
    "json-lines-invalid.json": JsonLines,
    "base64-lines.json": Base64Lines,
    "hz-frames.json": HzFrames,
}


def data_of(row):
    if "hex" in row:
        return bytes.fromhex(row["hex"])
    return base64.b64decode(row["base64"]) if "base64" in row else row["utf8"].encode()


def run_vector(decoder, pieces):
    frames = []
    try:
        for piece in pieces:
            frames.extend(decoder.push(piece))
    except BadFrame as bad:
        return frames, bad.name
    return frames, None


def vectors(options):
    results = []
    for name, mode in VECTORS.items():
        fixture = json.loads((pathlib.Path(options.folder) / name).read_text(encoding="utf-8"))
        for row in fixture["rows"]:
            data = data_of(row)
            side = {} if row.get("from") == "server" else {"levels": 16, "arrays": False}
            for pieces in ([data], [data[i : i + 1] for i in range(len(data))]):
                frames, error = run_vector(mode(row["limit"], **side), pieces)
                results.append((f"{name}: {row['name']}", frames == row["frames"] and error == row.get("error")))
        for row in fixture.get("encodes", ()):
            results.append((f"{name}: encodes {row['json']}", mode.encode(row["json"]) == data_of(row)))
    results.extend(web_socket_vectors(pathlib.Path(options.folder) / "web-socket.json"))
    failed = [name for name, good in results if not good]
    for name in failed:
        print(json.dumps({"failed": name}))
    print(json.dumps({"vectors": len(results), "failed": len(failed)}))
    return f"{len(failed)} vectors failed" if failed else None


def web_socket_vectors(path):
    fixture = json.loads(path.read_text(encoding="utf-8"))

    def decoded(hex_text, bytewise):
        decoder, data = WebSocketFrames(), bytes.fromhex(hex_text)
        pieces = [data[i : i + 1] for i in range(len(data))] if bytewise else [data]
        return decoder, [frame for piece in pieces for frame in decoder.push(piece)]

    for row in fixture["handshakes"]:
        if "accept" in row:
            yield f"accepts {row['name']}", WebSocketFrames.accept(row["key"]) == row["accept"]
    for row in fixture["encodes"]:
        encoded = WebSocketFrames.encode(row["json"], bytes.fromhex(row["mask"]))
        yield f"encodes {row['json']}", encoded.hex() == row["hex"]
    for bytewise in (False, True):
        for row in fixture["rows"]:
            if row.get("from") == "server":
                yield row["name"], decoded(row["hex"], bytewise)[1] == row["frames"]
        for row in fixture["closes"]:
            yield row["name"], decoded(row["hex"], bytewise)[0].closed == (row["code"], row["name"])


def main():
    parser = argparse.ArgumentParser(description="A small Huizhi client")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    parser.add_argument("--ca", help="PEM file of the authority that signed the server's certificate")
    parser.add_argument("--plain", action="store_true", help="no TLS: for servers in development")
    parser.add_argument("--mode", choices=MODES, default="lines", help="how to speak")
    parser.add_argument("--user")
    parser.add_argument("--token")
    parser.add_argument("--device", default="python")
    commands = parser.add_subparsers(dest="command", required=True)
    talk = commands.add_parser("conversation", help="log in, send, receive, receipt")
    talk.add_argument("--to", help="the user to send to")
    talk.add_argument("--group", help="the group to send to")
    talk.add_argument("--create-group", metavar="NAME", help="make a group of --member and send to it")
    talk.add_argument("--member", action="append", default=[])
    talk.add_argument("--send", action="append", default=[], metavar="TEXT")
    talk.add_argument("--expect", type=int, default=0, metavar="N", help="wait for N messages")
    talk.add_argument("--cut-after", type=int, default=0, metavar="N", help="first take N without receipts and reconnect")
    talk.add_argument("--timeout", type=float, default=30)
    talk.set_defaults(run=conversation)
    golden = commands.add_parser("vectors", help="run the golden vectors")
    golden.add_argument("folder")
    golden.set_defaults(run=vectors)
    options = parser.parse_args()
    problem = options.run(options)
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())

"""A small Huizhi client that uses only what docs/protocol.md specifies. Python 3.8 or newer, standard library only.

    python3 huizhi_client.py --host 127.0.0.1 --port 7443 --ca ca.pem --user alice --token eyJ… --device phone \
        conversation --to bob --send "hi" --send "are you there?" --expect 2

Prints one JSON object per event and line. The exit code is 0 when every sent message is settled and every expected one
has been received, receipted and confirmed.

huizhi_wire.py holds the four modes of the wire; huizhi_vectors.py runs the golden vectors through them.
"""

import argparse
import json
import random
import socket
import ssl
import sys
import time
import uuid

from huizhi_wire import BadFrame, JsonLines, MODES, WebSocketFrames


class Stopped(Exception):
    """The server forbade a reconnect, or refused the login permanently."""


class Client:
    """One device. Single-threaded: `step` reads available data and runs due timers."""

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
        """Simulates a network failure without a close."""
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
        if self.mode is WebSocketFrames and self.decoder.answers:
            answers, self.decoder.answers = self.decoder.answers, b""
            self.socket.sendall(answers)

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

    # --- received frames

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

    # --- sent frames

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
        """Sends unsettled messages that are not in flight, in order. After a temporary error its conversation waits."""
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

    # --- waiting

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
            # Receive N messages without receipts, cut the connection, and reconnect to receive them again.
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
            return "some sent messages are not settled"
        if not until(lambda: len(client.messages) >= options.expect):
            return "too few messages arrived"
        if not until(client.is_confirmed):
            return "some receipts are not confirmed"
    except Stopped as stop:
        return f"stopped: {stop}"
    finally:
        client.disconnected()
    report({"event": "done", "received": [m["messageID"] for m in client.messages]})
    return None


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
    talk.add_argument("--create-group", metavar="NAME", help="create a group with --member and send to it")
    talk.add_argument("--member", action="append", default=[])
    talk.add_argument("--send", action="append", default=[], metavar="TEXT")
    talk.add_argument("--expect", type=int, default=0, metavar="N", help="wait for N messages")
    talk.add_argument("--cut-after", type=int, default=0, metavar="N", help="first receive N without receipts and reconnect")
    talk.add_argument("--timeout", type=float, default=30)
    talk.set_defaults(run=conversation)
    options = parser.parse_args()
    problem = options.run(options)
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())

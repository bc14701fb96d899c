"""Runs every golden vector through a codec that was written from docs/protocol.md only.

    python3 huizhi_vectors.py libs/protocol/fixtures docs/protocol.md

Prints one JSON object for each row that differs and one per file with its number of rows. Exits with 1 if any differs.
An unknown file or list of rows is an error, so that none is skipped.
"""

import base64
import json
import pathlib
import re
import sys

from huizhi_frames import Page, is_id, read_up
from huizhi_wire import MODES, BadFrame, WebSocketFrames, headers_of, mode_of

MODE_OF_FILE = {"json-lines.json": "lines", "base64-lines.json": "base64", "hz-frames.json": "hz"}
MODE_NAMES = {"jsonLines": "lines", "base64Lines": "base64", "hz": "hz", "http": "http", "undecided": "undecided"}
WEB_SOCKET_LIMIT = 65536


def bytes_of(row):
    if "hex" in row:
        return bytes.fromhex(row["hex"])
    return base64.b64decode(row["base64"]) if "base64" in row else row["utf8"].encode()


def decoded(decoder, pieces):
    """The frames, and the name of the error that ends them, if any."""
    frames = []
    try:
        for piece in pieces:
            for frame in decoder.push(piece):
                frames.append(frame)
    except BadFrame as bad:
        return frames, bad.name
    return frames, None


def splits_of(data):
    return [data], [data[at : at + 1] for at in range(len(data))]


def stream(mode, row):
    """The decoded and the expected frames of a row, from whole and from single bytes."""
    made = [decoded(MODES[mode](row["limit"], row.get("from", "client")), pieces) for pieces in splits_of(bytes_of(row))]
    return made, [(row["frames"], row.get("error"))] * 2


def encoded(mode, row):
    return MODES[mode].encode(row["json"]), bytes_of(row)


def first_bytes(row):
    return mode_of(bytes_of(row)), MODE_NAMES.get(row["mode"])


def up(page, row):
    expected = (row["type"], row["frame"]) if "type" in row else row["error"]
    try:
        return read_up(page, row["raw"], row["first"]), expected
    except BadFrame as bad:
        return bad.name, expected


def down(page, row):
    """Checks every field against the table."""
    frames = row["frame"] if row["schema"] == "batch" else [row["frame"]]
    table = page.down["normal" if row["schema"] == "batch" else row["schema"]]
    return [page.read(table, frame, of_client=False) for frame in frames], frames


def handshake(row):
    """The answer to an upgrade: its status, and the values of the two headers when it is 101."""
    line, *lines = row["request"].split("\r\n")
    method, target, version = line.split(" ")
    headers = headers_of(lines)
    status, accept, protocol = 101, None, None
    if target.split("?")[0] not in ("/", "/ws"):
        status = 404
    elif headers.get("upgrade", "").lower() != "websocket" or version == "HTTP/1.0":
        status = 426
    elif "host" not in headers:
        status = 400
    elif "origin" in headers and re.sub(r"^https?://", "", headers["origin"]) != headers["host"]:
        status = 403
    elif method != "GET" or headers.get("sec-websocket-version") != "13":
        status = 400
    if status == 101:
        accept = WebSocketFrames.accept(headers["sec-websocket-key"])
        offered = [one.strip() for one in headers.get("sec-websocket-protocol", "").split(",")]
        protocol = "huizhi" if "huizhi" in offered else None
    return (status, accept, protocol), (row["status"], row.get("accept"), row.get("protocol"))


def web_socket(page, row):
    results = []
    for pieces in splits_of(bytes_of(row)):
        decoder = WebSocketFrames(WEB_SOCKET_LIMIT, row.get("from", "client"))
        decoder.mask = bytes.fromhex("37fa213d")
        frames, error = decoded(decoder, pieces)
        answer = decoder.answers + (decoder.close_frame(page.closes[error], error) if error else b"")
        results.append((frames, error, answer.hex()))
    return results, [(row["frames"], row.get("error"), row.get("answer", ""))] * 2


def web_socket_encoded(row):
    return WebSocketFrames.encode(row["json"], bytes.fromhex(row["mask"])), bytes_of(row)


def web_socket_close(page, row):
    results = []
    for pieces in splits_of(bytes_of(row)):
        decoder = WebSocketFrames()
        frames, error = decoded(decoder, pieces)
        results.append((frames, error, decoder.closed))
    return [*results, page.closes[row["name"]]], [*[([], None, (row["code"], row["name"]))] * 2, row["code"]]


def identifier(row):
    return is_id(row["id"]), "problem" not in row


def runners(file, page):
    """For each list of rows in a file, a function from a row to its actual and expected results."""
    if file in MODE_OF_FILE:
        mode = MODE_OF_FILE[file]
        return {"rows": lambda row: stream(mode, row), "encodes": lambda row: encoded(mode, row)}
    return {
        "ids.json": {"rows": identifier},
        "modes.json": {"rows": first_bytes},
        "frames-up.json": {"rows": lambda row: up(page, row)},
        "guide-client.json": {"rows": lambda row: up(page, row)},
        "frames-down.json": {"rows": lambda row: down(page, row)},
        "web-socket.json": {
            "handshakes": handshake,
            "rows": lambda row: web_socket(page, row),
            "encodes": web_socket_encoded,
            "closes": lambda row: web_socket_close(page, row),
        },
    }[file]


def main(folder, page_file):
    page = Page(pathlib.Path(page_file).read_text(encoding="utf-8"))
    failed = 0
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        lists = json.loads(path.read_text(encoding="utf-8"))
        lists.pop("about")
        run = runners(path.name, page)
        count = 0
        for key, rows in lists.items():
            for row in rows:
                count += 1
                got, expected = run[key](row)
                if got != expected:
                    failed += 1
                    name = row.get("name", row.get("json"))
                    print(json.dumps({"differs": f"{path.name} {key}: {name}", "got": repr(got), "expected": repr(expected)}))
        print(json.dumps({"file": path.name, "rows": count}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

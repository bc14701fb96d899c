"""Runs a program in a pseudo-terminal and keeps the screen that a user would see. Commands are JSON lines on stdin:
{"type": text} and {"resize": [columns, rows]}. Each change of the screen is printed as a JSON line."""

import codecs
import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import unicodedata


def columns_of(character):
    """The width from Python's Unicode data, independent of the program's own table."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


class Screen:
    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.cells = [[]]
        self.row = self.column = 0
        self.saved = (0, 0)
        # Number of rows that were too long, so that the terminal wrapped them.
        self.broken = 0
        self.escape = None

    def feed(self, text):
        for character in text:
            if self.escape is not None:
                self.escape += character
                self.finish_escape()
            elif character == "\x1b":
                self.escape = ""
            elif character == "\r":
                self.column = 0
            elif character == "\n":
                self.row += 1
                while len(self.cells) <= self.row:
                    self.cells.append([])
            elif character >= " ":
                self.put(character)

    def put(self, character):
        width = columns_of(character)
        line = self.cells[self.row]
        if width == 0:
            if self.column > 0 and self.column <= len(line):
                line[self.column - 1] += character
            return
        if self.column + width > self.columns:
            self.broken += 1
            self.feed("\r\n")
            line = self.cells[self.row]
        while len(line) < self.column + width:
            line.append(" ")
        line[self.column] = character
        if width == 2:
            line[self.column + 1] = ""
        self.column += width

    def finish_escape(self):
        text = self.escape
        if text[0] != "[":
            self.escape = None
            if text == "7":
                self.saved = (self.row, self.column)
            elif text == "8":
                self.row, self.column = self.saved
            return
        if len(text) < 2 or not ("@" <= text[-1] <= "~"):
            return
        self.escape = None
        number = int(text[1:-1]) if text[1:-1].isdigit() else None
        if text[-1] == "A":
            top = max(0, len(self.cells) - self.rows)
            self.row = max(top, self.row - (number or 1))
        elif text[-1] == "G":
            self.column = (number or 1) - 1
        elif text[-1] == "J" and number in (None, 0):
            del self.cells[self.row][self.column :]
            del self.cells[self.row + 1 :]

    def lines(self):
        return ["".join(line).rstrip() for line in self.cells]


def main():
    columns, rows = int(sys.argv[1]), int(sys.argv[2])
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.argv[3], sys.argv[3:])
    screen = Screen(columns, rows)

    def resize():
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", screen.rows, screen.columns, 0, 0))

    def tell(**more):
        state = {"lines": screen.lines(), "row": screen.row, "column": screen.column, "broken": screen.broken}
        print(json.dumps({**state, **more}), flush=True)

    resize()
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    commands = b""
    reading = [terminal, 0]
    while True:
        ready, _, _ = select.select(reading, [], [])
        if terminal in ready:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                data = b""
            if not data:
                break
            screen.feed(decode(data))
            tell()
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                reading.remove(0)
                os.kill(pid, signal.SIGKILL)
            commands += data
            *whole, commands = commands.split(b"\n")
            for line in whole:
                command = json.loads(line)
                if "type" in command:
                    # A terminal accepts a few kilobytes at a time; the program reads meanwhile.
                    rest = command["type"].encode()
                    while rest:
                        rest = rest[os.write(terminal, rest[:1024]) :]
                if "resize" in command:
                    screen.columns, screen.rows = command["resize"]
                    resize()
    _, status = os.waitpid(pid, 0)
    tell(code=os.waitstatus_to_exitcode(status))


main()

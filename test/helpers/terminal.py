"""Owns one command on a real pseudo-terminal: relays bytes between it and the standard streams, and takes commands about the
terminal on descriptor 3 ("resize ROWS COLUMNS", one a line). Ends with the command's exit code, 128 + the number for a signal.

Usage: terminal.py ROWS COLUMNS COMMAND [ARGUMENT ...]
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios


def set_size(master, rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data) :]


def relay(master):
    control = b""
    sources = [3, 0, master]  # a new size goes before what is typed after it
    while True:
        for source in select.select(sources, [], [])[0]:
            try:
                data = os.read(source, 65536)
            except OSError:  # EIO: the last holder of the terminal is gone
                data = b""
            if source == master:
                if not data:
                    return
                write_all(1, data)
            elif not data:
                sources.remove(source)
            elif source == 0:
                write_all(master, data)
            else:
                *lines, control = (control + data).split(b"\n")
                for line in lines:
                    words = line.split()
                    if words[0] == b"resize":
                        set_size(master, int(words[1]), int(words[2]))


def main():
    rows, columns, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    pid, master = pty.fork()
    if pid == 0:
        os.close(3)
        set_size(0, rows, columns)
        os.execvp(command[0], command)
    relay(master)
    _, status = os.waitpid(pid, 0)
    sys.exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


main()

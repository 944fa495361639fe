"""What stands beside the daemon in an end-to-end test: ports, certificates, and a wire that can be cut.

Everything here has the four words of harness.Process (name, text, is_running, stop), so that `world` ends it.
"""
import os
import socket
import struct
import subprocess
import threading

CHUNK = 65536
HEADER_MAX = 65536


def free_port(host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def certificate(work, name="server", san="IP:127.0.0.1,DNS:localhost"):
    """(certificate, key) of a self-signed server that also is its own authority."""
    cert, key = os.path.join(work, name + ".pem"), os.path.join(work, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=" + san, "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


def read_message(sock, rest=b""):
    """(header, whole message) of one HTTP message with Content-Length, or (b"", b"") at the end of the stream."""
    data = rest
    while b"\r\n\r\n" not in data:
        more = sock.recv(CHUNK)
        if not more or len(data) > HEADER_MAX:
            return b"", b""
        data += more
    header = data[:data.index(b"\r\n\r\n") + 4]
    length = 0
    for line in header.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"content-length":
            length = int(value)
    while len(data) < len(header) + length:
        more = sock.recv(CHUNK)
        if not more:
            return b"", b""
        data += more
    return header, data


def reset(sock):
    """Ends a connection with RST and not with FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Server:
    """Accepts on a loopback port, a thread a connection; `serve(sock, number)` is the subclass's."""

    def __init__(self, name="server"):
        self.name = name
        self.lock = threading.Lock()
        self.lines = []
        self.stopped = threading.Event()
        self.threads, self.sockets = [], []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.accepted = 0
        self.acceptor = threading.Thread(target=self._accept)
        self.acceptor.start()

    def _accept(self):
        while not self.stopped.is_set():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.accepted += 1
                self.sockets.append(sock)
                thread = threading.Thread(target=self._run, args=(sock, self.accepted))
                self.threads.append(thread)
            thread.start()

    def _run(self, sock, number):
        try:
            self.serve(sock, number)
        except OSError as error:
            self.note("connection %d: %s" % (number, error))
        finally:
            sock.close()

    def serve(self, sock, number):
        raise NotImplementedError

    def note(self, line):
        with self.lock:
            self.lines.append(line)

    def text(self):
        with self.lock:
            return "\n".join(self.lines)

    def is_running(self):
        return not self.stopped.is_set()

    def stop(self):
        self.stopped.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.acceptor.join(10)
        with self.lock:
            threads, sockets = list(self.threads), list(self.sockets)
        for sock in sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in threads:
            thread.join(10)
        assert not any(t.is_alive() for t in threads), "a thread of %s does not end" % self.name


class Trap(Server):
    """A port that nobody should speak to. Notes what arrives and answers nothing."""

    def serve(self, sock, number):
        self.note(sock.recv(CHUNK).decode("latin-1"))


class Wire(Server):
    """A TCP proxy that understands just enough HTTP/1.1 to know where a request ends.

    decide(header, use) says what becomes of a request, the use-th of its connection:
    "pass"     forwarded, the answer is handed on
    "cut"      forwarded, the answer is awaited (so it took effect) and thrown away, then the connection is reset
    "close"    as cut, but ended in good order
    "drop"     not forwarded, reset
    "swallow"  forwarded, the answer is awaited and never handed on
    "drip"     forwarded, the answer is handed on one byte a second
    bytes      not forwarded, answered with these
    """

    def __init__(self, upstream_port, decide, name="wire"):
        self.upstream_port, self.decide = upstream_port, decide
        self.seen = []  # (connection, use, is_upgrade, verdict)
        super().__init__(name)

    def forward(self, message):
        with socket.create_connection(("127.0.0.1", self.upstream_port), timeout=20) as upstream:
            upstream.sendall(message)
            return read_message(upstream)[1]

    def serve(self, sock, number):
        use = 0
        while not self.stopped.is_set():
            header, message = read_message(sock)
            if not header:
                return
            use += 1
            verdict = self.decide(header, use)
            with self.lock:
                self.seen.append((number, use, is_upgrade(header), verdict if isinstance(verdict, str) else "answer"))
            if isinstance(verdict, bytes):
                sock.sendall(verdict)
            elif not self.carry(sock, message, verdict):
                return

    def carry(self, sock, message, verdict):
        """False when the connection is over."""
        if verdict == "drop":
            reset(sock)
            return False
        answer = self.forward(message)
        if verdict == "pass":
            sock.sendall(answer)
            return True
        if verdict == "cut":
            reset(sock)
        elif verdict == "swallow":
            sock.recv(1)  # until the other side gives up
        elif verdict == "drip":
            for i in range(len(answer)):
                sock.sendall(answer[i:i + 1])
                if self.stopped.wait(1):
                    break
        return False

    def requests(self):
        with self.lock:
            return list(self.seen)


def is_upgrade(header):
    return b"UpdateSmartAccessGatewayVersion" in header

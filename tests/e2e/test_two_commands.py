"""What `make demo` and `make test` say on the way: installing, compiling, streaming, skipping. Tools
that would need another machine (apt, sudo, a compiler) are stood in for by scripts."""

import os
import re
import socket
import subprocess
import threading

import pytest
from daemon_fixture import BINARY, MODEL, plain_environment

BUILD = os.path.dirname(BINARY)
ASK = os.path.join(BUILD, "ask")


@pytest.fixture
def tools(tmp_path):
    """A folder in front of PATH; returns how to put a script into it."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def put(name, script):
        (folder / name).write_text("#!/bin/sh\n" + script)
        (folder / name).chmod(0o755)

    put.env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    put.folder = folder
    return put


def run(command, env=None, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, **options)


# --- installing ---------------------------------------------------------------------------------

NOTHING_INSTALLED = "exit 1\n"
APT = """
echo "$@" >>"$0.calls"
echo 'dlstatus:1:30.5:Retrieving file 3 of 9'
echo 'Unpacking libuv1-dev ...'
echo 'pmstatus:libuv1-dev:71.2:Unpacking libuv1-dev (amd64)'
"""


def install(tools, *packages, **options):
    return run(["tests/install-deps", *packages], tools.env, **options)


def calls(tools):
    return [line.split("install -y --no-install-recommends ")[-1]
            for line in (tools.folder / "apt-get.calls").read_text().splitlines()]


def fresh_debian(tools, known="*"):
    tools("dpkg-query", NOTHING_INSTALLED)
    tools("apt-cache", f'case $2 in {known}) echo "$2 | 1.0 | archive" ;; esac\n')
    tools("apt-get", APT)
    tools("id", "echo 0\n")


def test_installing_shows_what_it_does(tools):
    fresh_debian(tools)
    result = install(tools, "libuv1-dev", "g++")
    assert result.returncode == 0 and calls(tools) == ["libuv1-dev g++"]
    assert re.fullmatch(r"qwend: installing libuv1-dev g\+\+\n"
                        r" +30% Retrieving file 3 of 9\n"
                        r" +71% installing: Unpacking libuv1-dev \(amd64\)\n"
                        r"qwend: installed in \d+ s\n", result.stdout)


def test_nothing_missing_is_nothing_said(tools):
    fresh_debian(tools)
    tools("dpkg-query", "printf 'install ok installed'\n")
    result = install(tools, "libllhttp-dev|node-llhttp", "g++")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("known, chosen", [("*", "libllhttp-dev"), ("make|node-*", "node-llhttp")])
def test_of_alternatives_the_one_apt_knows(tools, known, chosen):
    fresh_debian(tools, known)
    assert install(tools, "libllhttp-dev|node-llhttp").returncode == 0
    assert calls(tools) == [chosen]


def test_package_lists_are_read_where_there_are_none(tools):
    fresh_debian(tools)
    tools("apt-cache", 'test ! -e "$0.read" || echo "$2 | 1.0 | archive"\n')
    tools("apt-get", APT + f'case $* in *update) touch {tools.folder}/apt-cache.read ;; esac\n')
    result = install(tools, "g++")
    assert result.returncode == 0 and "reading the package lists" in result.stdout
    assert calls(tools)[0].endswith("update") and calls(tools)[1:] == ["g++"]


def test_another_apt_is_waited_for(tools):
    fresh_debian(tools)
    tools("apt-get", """
test -e "$0.calls" || {
    echo 'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 4711 (apt)'
    : >"$0.calls"
    exit 100
}""" + APT)
    tools("sleep", ":\n")
    result = install(tools, "g++")
    assert result.returncode == 0 and calls(tools) == ["g++"]
    assert "waiting for another apt" in result.stdout and "process 4711 (apt)" in result.stdout


FOR_ROOT = "apt-get update && apt-get install -y --no-install-recommends g++ make\n"


@pytest.mark.parametrize("sudo", [None, "exit 1\n"])
def test_without_root_the_command_for_root_is_said(tools, sudo):
    """No sudo; a sudo that wants a password of somebody who is not there."""
    fresh_debian(tools)
    tools("id", "echo 1000\n")
    for name in ("sh", "env", "tr", "mktemp", "rm"):
        tools(name, f'exec /usr/bin/{name} "$@"\n')
    if sudo:
        tools("sudo", sudo)
    tools.env["PATH"] = str(tools.folder)
    result = install(tools, "g++", "make", stdin=subprocess.DEVNULL)
    assert result.returncode == 1 and result.stderr.endswith(FOR_ROOT)
    assert "root" in result.stderr and not (tools.folder / "apt-get.calls").exists()


def test_a_failing_apt_is_quoted(tools):
    fresh_debian(tools)
    tools("apt-get", "echo 'E: no space left on device'\nexit 100\n")
    result = install(tools, "g++", "make")
    assert result.returncode == 1 and result.stderr.endswith(FOR_ROOT)
    assert "E: no space left on device" in result.stderr


# --- compiling ----------------------------------------------------------------------------------

def compile_all(tmp_path, *variables):
    """A build with a compiler that does nothing, in an environment that is not this make's."""
    env = plain_environment()
    return run(["make", f"BUILD={tmp_path}/build", "NVCC=", "CC=true", *variables], env)


def test_compiling_prints_a_short_line_a_step(tmp_path):
    result = compile_all(tmp_path, "CXX=true")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    steps = [re.fullmatch(r"\[(\d+)/(\d+)\] (\S+)", line) for line in lines[:-1]]
    assert all(steps), lines
    n = len(steps)  # jobs side by side may print in another order than they began
    assert sorted(int(step.group(1)) for step in steps) == list(range(1, n + 1))
    assert {int(step.group(2)) for step in steps} == {n} and n > 40
    assert "daemon/api/api.cpp" in [step.group(3) for step in steps]
    assert re.search(r"built in \d+ s$", lines[-1])


def test_warnings_are_errors_only_when_asked_for(tmp_path):
    assert "-Werror" not in compile_all(tmp_path / "1", "CXX=true", "V=1").stdout
    strict = compile_all(tmp_path / "2", "CXX=true", "V=1", "WERROR=1").stdout
    assert re.search(r"^true .*-Werror.* -c .*daemon/api/api\.cpp$", strict, re.M)


def test_what_is_missing_is_named_before_anything_is_compiled(tmp_path, tools):
    result = compile_all(tmp_path, "CXX=no-such-compiler")
    assert result.returncode != 0 and "no C++ compiler (no-such-compiler)" in result.stderr
    assert "run: make deps" in result.stderr
    # A compiler whose headers are elsewhere: the table in the Makefile names them and what to do.
    compiler = "g++ -nostdinc -nostdinc++"
    result = compile_all(tmp_path, f"CXX={compiler}")
    assert result.returncode != 0 and "fatal error" not in result.stderr
    assert "qwend: missing: uv.h (libuv1-dev)\n" in result.stderr
    assert "qwend: missing: llhttp.h (libllhttp-dev or node-llhttp)\n" in result.stderr \
        or os.path.exists("/usr/share/llhttp")
    assert result.stderr.count("qwend: to install them, run: make deps\n") == 1


@pytest.mark.parametrize("goal", ["gpu-bundle", "gpu-all", "test-gpu", "bench-gpu"])
def test_what_is_for_a_gpu_installs_what_it_needs_first(tmp_path, goal):
    env = plain_environment()
    result = run(["make", "-n", f"BUILD={tmp_path}/build", "NVCC=true", "CXX=true", goal], env)
    assert result.returncode == 0, result.stderr
    before = result.stdout[:result.stdout.index("[1/")]
    assert re.search(r"^tests/install-deps .*libdnnl-dev.*doctest-dev", before, re.M)


# --- the demo -----------------------------------------------------------------------------------

def chunk(event):
    data = f"data: {event}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


def delta(text):
    return chunk('{"choices":[{"delta":{"content":"%s"},"finish_reason":null}]}' % text)


HEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n")
END = (chunk('{"choices":[{"delta":{},"finish_reason":"stop"}]}')
       + chunk('{"choices":[],"usage":{"completion_tokens":41}}') + chunk("[DONE]") + b"0\r\n\r\n")


def asked(serve):
    """(exit status, output, errors) of ask, whose one request serve(connection, process) answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        process = subprocess.Popen([ASK, "127.0.0.1:%d" % server.getsockname()[1], 'Say "hi"'],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(60)
            request = b""
            while not request.endswith(b"}"):
                more = connection.recv(65536)
                assert more, request
                request += more
            assert b'"Say \\"hi\\""' in request
            read = serve(connection, process) or b""
        out, err = process.communicate(timeout=60)
        return process.returncode, (read + out).decode(), err.decode()


def test_text_is_shown_as_it_comes_and_the_rate_is_true():
    pace = threading.Event()  # never set: waiting for it is sleeping

    def serve(connection, process):
        connection.sendall(HEAD + delta("first "))
        read = b""
        while b"first " not in read:  # it is shown although nothing follows yet
            more = os.read(process.stdout.fileno(), 4096)
            assert more, read
            read += more
        for _ in range(20):
            pace.wait(0.02)
            connection.sendall(delta(r"w\n\"") + delta("x"))
        connection.sendall(END)
        return read

    status, out, err = asked(serve)
    assert (status, err) == (0, "")
    assert out.startswith("first " + 'w\n"x' * 20 + "\nfirst token after ")
    tokens, rate = re.search(r"(\d+) tokens, (\d+) tokens/s\n$", out).groups()
    # 40 tokens after the first in at least 0.4 s.
    assert int(tokens) == 41 and 0 < int(rate) <= 100


def test_an_answer_in_one_piece_has_no_rate():
    status, out, _ = asked(lambda connection, _: connection.sendall(HEAD + delta("all") + END))
    assert status == 0 and re.fullmatch(r"all\nfirst token after \d+ ms, 41 tokens\n", out), out


@pytest.mark.parametrize("answer, why", [
    (HEAD + delta("half"), "not complete"),
    (b"HTTP/1.1 503 Unavailable\r\nContent-Length: 4\r\n\r\nbusy", "status 503: busy"),
    (b"SMTP\r\n\r\n", "HPE_")])
def test_a_bad_answer_is_an_error(answer, why):
    status, _, err = asked(lambda connection, _: connection.sendall(answer))
    assert status == 1 and why in err


def test_the_demo(tools):
    """As on a machine with no awk, curl or bash."""
    for name in ("awk", "curl", "gawk", "mawk", "bash"):
        tools(name, "echo not here >&2; exit 127\n")
    result = run(["tests/demo", BINARY, ASK, MODEL], tools.env)
    assert result.returncode == 0, result.stderr
    assert len(re.findall(r"first token after \d+ ms, \d+ tokens, \d+ tokens/s", result.stdout)) == 2
    assert "ready in" in result.stdout and "Stopped. Next:" in result.stdout


# --- the tests ----------------------------------------------------------------------------------

def test_skipped_tests_are_named_with_their_reason(tmp_path):
    build = tmp_path / "build"
    build.mkdir()
    unit = build / "unit-tests"
    unit.write_text("#!/bin/sh\necho 'skipped: cpu: rounding: this CPU has no bf16'\n"
                    "echo '[doctest] test cases:  7 |  7 passed | 0 failed | 0 skipped'\n")
    unit.chmod(0o755)
    band = tmp_path / "test_band.py"
    band.write_text("import pytest\n\n@pytest.mark.skip(reason='no nginx')\ndef test_a(): pass\n"
                    "\ndef test_b(): pass\n")
    pytest_stub = tmp_path / "pytest"
    pytest_stub.write_text(f'#!/bin/sh\nexec /usr/bin/python3 -m pytest -q -p no:cacheprovider '
                           f'--rootdir {tmp_path} {band} "$2"\n')
    pytest_stub.chmod(0o755)
    result = run(["tests/run-all", str(build)], {**os.environ, "PYTEST": str(pytest_stub)})
    assert result.stdout.endswith("""\
3 skipped:
  unit: cpu: rounding: this CPU has no bf16
  protocol: test_a: no nginx
  e2e: test_a: no nginx
8 passed, 0 failed
"""), result.stdout
    assert result.returncode == 0

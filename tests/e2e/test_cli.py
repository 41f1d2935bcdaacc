"""The command line and the configuration file as people meet them: for each mistake the exit code,
and words that say what was expected, found, and what to do."""

import ctypes
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest
from daemon_fixture import BINARY, MODEL, PATIENCE

NOBODY = 65534
USAGE, NO_DEVICE, CONFIG = 64, 69, 78
NEEDS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


def run(*arguments, stdin=subprocess.DEVNULL, **more):
    done = subprocess.run([BINARY, *map(str, arguments)], stdin=stdin, capture_output=True, text=True,
                          timeout=PATIENCE, **more)
    return done.returncode, done.stdout, done.stderr


def refused(code, words, *arguments, **more):
    """The command ends with that code and says all of that on stderr, in one breath."""
    found, _, said = run(*arguments, **more)
    assert found == code, said
    for word in words:
        assert word in said, said
    return said


FLAGS = [
    (["--max-que", "1"], ["unknown option --max-que", "did you mean --max-queue?"]),
    (["--port", "80"], ["unknown option --port", "did you mean --listen?"]),
    (["--max-model-len=5"], ["unknown option --max-model-len=5", "did you mean --max-context?"]),
    (["--sed", "1"], ["unknown option --sed"]),
    (["--listen", "127.0.0.1:99999"], ["--listen", "expected a port from 1 to 65535", "99999"]),
    (["--listen", "127.0.0.1:65536"], ["expected a port", "65536"]),
    (["--listen", "127.0.0.1"], ["expected HOST:PORT"]),
    (["--listen", "unix:"], ["expected unix: and a path"]),
    (["--served-model-name", ""], ["--served-model-name", "expected a name"]),
    (["--max-body", "0"], ["--max-body", "expected a size", '"0"']),
    (["--max-body", "-1"], ["--max-body", "expected a size", '"-1"']),
    (["--kv-cache-memory", "-1"], ["--kv-cache-memory", "expected a size"]),
    (["--kv-cache-memory", "99999999T"], ["--kv-cache-memory", "expected a size"]),
    (["--gpu-memory-utilization", "0"], ["--gpu-memory-utilization", "expected a number"]),
    (["--max-sequences", "-5"], ["--max-sequences", "expected a whole number from 0 to 4096"]),
    (["--threads", "many"], ["--threads", "expected a whole number", '"many"']),
    (["--drain-timeout", "nan"], ["--drain-timeout", "expected a number of seconds"]),
    (["--log-level", "loud"], ["--log-level", "expected one of error, warning"]),
]


def test_what_a_message_repeats_is_short_and_printable(tmp_path):
    binary = bytes(range(1, 256)).replace(b"\n", b"") * 400
    config = tmp_path / "c.conf"
    for text in binary, b"max-queue = '" + binary.replace(b"'", b"") + b"'", b"\x1b]0;title\x07 = 1":
        config.write_bytes(text)
        for arguments in ["--config", config], ["--listen", text.replace(b"'", b"")], [b"--" + text]:
            done = subprocess.run([BINARY, "check", "--model", MODEL, *arguments], capture_output=True,
                                  timeout=PATIENCE)
            said = done.stderr.decode()  # UTF-8
            assert done.returncode in (USAGE, CONFIG) and 20 < len(said) < 1000, said
            assert all(c == "\n" or c.isprintable() for c in said), said


@pytest.mark.parametrize("flags, words", FLAGS, ids=[" ".join(flags) for flags, _ in FLAGS])
@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_bad_flag_is_a_usage_error(command, flags, words):
    refused(USAGE, words, command, "--model", MODEL, *flags)


CONFIGURATIONS = [
    ("max-qeue = 1", ["c.conf:2: unknown option max-qeue; did you mean max-queue?"]),
    ("max-queue = lots", ["c.conf:2: max-queue: expected a whole number", 'found "lots"']),
    ("listen = \"127.0.0.1:99999\"", ["c.conf:2: listen: expected a port from 1 to 65535"]),
    ("served-model-name = [\"\"]", ["c.conf:2: served-model-name: expected a name"]),
    ("max-body = 0", ["c.conf:2: max-body: expected a size"]),
    ("[server]", ["c.conf:2: expected KEY = VALUE, found a section"]),
]


@pytest.mark.parametrize("line, words", CONFIGURATIONS, ids=[line for line, _ in CONFIGURATIONS])
@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_bad_line_is_the_configurations_error(command, line, words, tmp_path):
    (tmp_path / "c.conf").write_text(f"# ours\n{line}\n")
    refused(CONFIG, words, command, "--model", MODEL, "--config", tmp_path / "c.conf")


def listening_path(tmp_path):
    (tmp_path / "file").write_text("")
    return tmp_path / "file"


REFUSALS = [  # what check and serve refuse alike, for reasons that lie outside the options
    (["--listen", "0.0.0.0:0"], ["0.0.0.0:0 can be reached from other machines", "api-key-file"]),
    (["--listen", "[::]:0"], ["can be reached from other machines"]),
    (["--listen", "192.0.2.1:8000"], ["can be reached from other machines"]),
    (["--listen", "192.0.2.1:8000", "--insecure-no-auth"], ["cannot listen on 192.0.2.1:8000", "assign"]),
    (["--listen", "no-such-host.invalid:1"], ["cannot listen on no-such-host.invalid:1"]),
    (["--listen", "unix:/no/such/folder/q"], ["/no/such/folder: No such file"]),
    (["--listen", "unix:{tmp}/file"], ["exists and is not a socket"]),
    (["--api-key-file", "/no/such/keys"], ["/no/such/keys: No such file"]),
    (["--api-key-file", "{tmp}/file"], ["expected mode 0600 or 0400, found 0644"]),
    (["--state-directory", "{tmp}/file"], ["state-directory: expected a folder", "{tmp}/file: Not a directory"]),
    (["--state-directory", "{tmp}/file/below"], ["state-directory: expected a folder", "Not a directory"]),
    (["--kv-cache-memory", "4000G"], ["kv-cache-memory", "expected", "4096000 MiB"]),
    (["--max-context", "1000000"], ["max-context 1000000 is more than the model's own"]),
    (["--max-sequences", "64", "--max-step-tokens", "32"], ["max-sequences 64", "max-step-tokens 32"]),
]


@pytest.mark.parametrize("flags, words", REFUSALS, ids=[" ".join(flags) for flags, _ in REFUSALS])
@pytest.mark.parametrize("command", ["serve", "check"])
def test_check_refuses_what_serve_refuses(command, flags, words, tmp_path):
    (tmp_path / "file").write_text("key\n")
    (tmp_path / "file").chmod(0o644)
    flags, words = ([text.replace("{tmp}", str(tmp_path)) for text in texts] for texts in (flags, words))
    refused(CONFIG, words, command, "--model", MODEL, "--device", "cpu", "--listen", "127.0.0.1:0", *flags)


@pytest.mark.parametrize("command", ["serve", "check"])
def test_what_is_no_model_is_refused(command, tmp_path):
    refused(CONFIG, ["/nonexistent"], command, "--model", "/nonexistent")
    (tmp_path / "file").write_text("")
    refused(CONFIG, ["expected a checkpoint folder or a GGUF file"], command, "--model", tmp_path / "file")
    refused(CONFIG, ["config.json"], command, "--model", tmp_path)
    refused(NO_DEVICE, ["device = cuda", "device = cpu"], command, "--model", MODEL, "--device", "cuda",
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})


def has_nvidia_driver():
    try:
        return bool(ctypes.CDLL("libcuda.so.1"))
    except OSError:
        return False


@pytest.mark.skipif(has_nvidia_driver(), reason="there is an NVIDIA driver")
def test_without_a_driver_it_says_so():
    """In words of ours: CUDA's runtime calls an absent driver an insufficient version."""
    if "CUDA" not in run("--version")[1]:
        pytest.skip("built without CUDA")
    refused(NO_DEVICE, ["device = cuda: no NVIDIA driver;"], "check", "--model", MODEL, "--device", "cuda")
    code, said, _ = run("check", "--model", MODEL, "--listen", "127.0.0.1:0")
    assert code == 0 and "no NVIDIA driver" in said


def test_check_tells_what_serve_would_do(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("one\ntwo\n")
    keys.chmod(0o600)
    config = tmp_path / "c.conf"
    config.write_text(f'model = "{os.path.abspath(MODEL)}"\nlisten = ["127.0.0.1:0", "unix:{tmp_path}/q"]\n'
                      f'device = "cpu"\nkv-cache-memory = 64M\napi-key-file = "{keys}"\n'
                      f'state-directory = "{tmp_path}/state"\n')
    code, said, _ = run("check", "--config", config)
    assert code == 0 and said.endswith("ok\n")
    for line in (rf"config +{config}", r"device +CPU, \d+ thread", r"KV cache +\d+ tokens in 6[34] MiB",
                 rf"listen +127.0.0.1:0, unix:{tmp_path}/q", rf"state +{tmp_path}/state",
                 rf"keys +2 API keys from {keys}"):
        assert re.search(f"^{line}", said, re.M), said
    assert not (tmp_path / "state").exists()
    code, said, _ = run("check", "--model", MODEL, "--listen", "127.0.0.1:0", "--state-directory", "batches")
    assert code == 0 and re.search("^keys +off", said, re.M) and re.search("^config +none", said, re.M)
    assert re.search("^state +batches, below what systemd keeps", said, re.M)


def test_an_address_in_use_is_said_by_check_and_waited_for_by_serve(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, said, _ = run("check", "--model", MODEL, "--listen", address)
        assert code == 0 and f"{address}: Address already in use now" in said
        refused(CONFIG, ["waiting up to 5 s for it", f"cannot listen on {address}"],
                "serve", "--model", MODEL, "--listen", address)
        with subprocess.Popen([BINARY, "serve", "--model", MODEL, "--listen", address],
                              stderr=subprocess.PIPE, text=True) as process:
            try:
                assert any("waiting up to" in line for line in process.stderr)
                taken.close()  # and it takes its place
                assert any(f"listening on {address}" in line for line in process.stderr)
            finally:
                process.kill()


def test_the_shipped_configuration_is_one():
    code, said, _ = run("check", "--config", "etc/qwend.conf", "--model", MODEL, "--listen", "127.0.0.1:0")
    assert code == 0, said


def test_a_service_without_a_model_names_the_file_to_edit():
    said = refused(CONFIG, ["no model is set in etc/qwend.conf", 'model = "/var/lib/qwend/', "systemctl restart"],
                   "serve", "--config", "etc/qwend.conf")
    assert "--model" not in said
    refused(USAGE, ["no model given", "--model"], "serve")


@pytest.mark.parametrize("name", ["serve", "check", "generate"])
def test_help_lists_what_a_command_takes(name):
    for arguments in ([name, "--help"], ["help", name]):
        code, said, _ = run(*arguments)
        assert code == 0 and f"qwend {name}" in said
        for option in ("--model", "--config", "--device", "--max-context"):
            assert option in said
        assert ("--temperature" in said) == (name == "generate")
        assert ("--drain-timeout" in said) == (name != "generate")


@NEEDS_ROOT
@pytest.mark.parametrize("command", ["serve", "check"])
def test_what_the_service_may_not_read_is_said_with_reason_and_remedy(command, tmp_path):
    for folder in reversed((tmp_path, *tmp_path.parents)):  # down to ours anybody may go
        if folder.owner() == "root" and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    program = shutil.copy(BINARY, tmp_path / "qwend")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    model = closed / "model"
    shutil.copytree(MODEL, model, ignore=shutil.ignore_patterns("corpus", "*.py"))
    keys = tmp_path / "keys"
    keys.write_text("one\n")
    keys.chmod(0o600)
    config = closed / "c.conf"
    config.write_text("")

    def as_nobody(*arguments, service=True):
        environment = {**os.environ, **({"INVOCATION_ID": "x"} if service else {})}
        done = subprocess.run([program, command, "--listen", "127.0.0.1:0", *map(str, arguments)],
                              capture_output=True, text=True, timeout=PATIENCE, user=NOBODY, group=NOBODY,
                              extra_groups=[], env=environment, cwd="/")
        assert done.returncode == CONFIG
        return done.stderr

    said = as_nobody("--model", model)
    for word in (f"cannot read the model in {model}", "Permission denied", f"{closed} belongs to root with mode 0700",
                 "qwend runs as nobody", "/var/lib/qwend"):
        assert word in said, said
    assert "chmod" in as_nobody("--model", model, service=False)
    said = as_nobody("--model", model, "--config", config)
    assert f"cannot read {config}: Permission denied" in said
    said = as_nobody("--model", MODEL, "--api-key-file", keys)
    for word in (f"cannot read {keys}: Permission denied", "belongs to root with mode 0600",
                 f"LoadCredential=api-keys:{keys}"):
        assert word in said, said
    assert "Permission denied" in as_nobody("--model", MODEL, "--listen", f"unix:{closed}/q")
    closed.chmod(0o755)
    (model / "model.safetensors").chmod(0o600)
    said = as_nobody("--model", model)
    assert f"{model}/model.safetensors belongs to root with mode 0600" in said, said
    code, said, _ = run("check", "--model", model, "--listen", "127.0.0.1:0")
    assert code == 0 and f"{model}/model.safetensors is closed to others" in said


def test_generate_reads_standard_input(tmp_path):
    question = "What is 3 + 4?"
    (tmp_path / "prompt").write_text(question + "\n")
    flags = ["generate", "--model", MODEL, "--temperature", "0", "--max-tokens", "20"]
    code, expected, said = run(*flags, question)
    assert code == 0 and "7" in expected and "tok/s" in said
    for behind in (["-"], []):
        with open(tmp_path / "prompt") as prompt:
            assert run(*flags, *behind, stdin=prompt)[:2] == (0, expected)
    refused(USAGE, ["expected a prompt, found nothing"], *flags)
    refused(USAGE, ["--seed", "expected a whole number"], *flags, "--seed", "abc", "x")
    refused(USAGE, ["--temperature", "expected a number"], *flags, "--temperature", "nan", "x")


def test_generate_without_a_template_says_that_it_goes_on_from_the_text(tmp_path):
    for file in pathlib.Path(MODEL).iterdir():
        if file.suffix in (".json", ".safetensors", ".txt"):
            (tmp_path / file.name).symlink_to(file.resolve())
    (tmp_path / "tokenizer_config.json").unlink()
    text = pathlib.Path(MODEL, "tokenizer_config.json").read_text()
    (tmp_path / "tokenizer_config.json").write_text(re.sub(r'"chat_template": "(?:[^"\\]|\\.)*"',
                                                            '"unused": ""', text))
    flags = ["generate", "--model", tmp_path, "--temperature", "0", "--max-tokens", "5", "Once"]
    code, _, said = run(*flags)
    assert code == 0 and "no chat template" in said
    code, _, said = run(*flags, "--raw")
    assert code == 0 and "no chat template" not in said

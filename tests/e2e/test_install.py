"""`make install` into a folder: what lies where, and that nothing of an administrator's is lost."""

import os
import shutil
import subprocess

import pytest
from daemon_fixture import BINARY, plain_environment

BUILD = os.path.dirname(BINARY)
UNITS = ["qwend-devices.service", "qwend.service", "qwend.socket"]
LOCAL, ETC = "usr/local/lib/systemd/system", "etc/systemd/system"
DOC = "usr/local/share/doc/qwend"


def make(goal, root, *variables):
    """What it printed, apart from the make that runs the tests. The binary is there already: -o."""
    env = plain_environment()
    result = subprocess.run(["make", "-o", "all", goal, f"BUILD={BUILD}", f"DESTDIR={root}", *variables],
                            capture_output=True, text=True, timeout=60, env=env)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def files(root):
    return sorted(os.path.relpath(os.path.join(folder, name), root)
                  for folder, _, names in os.walk(root) for name in names)


def enable(root, unit, target):
    """What `systemctl enable` does."""
    wants = root / ETC / "multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / unit).symlink_to(target)
    return wants / unit


def test_everything_has_its_place_and_goes_again(tmp_path):
    make("install", tmp_path)
    installed = files(tmp_path)
    assert installed == sorted(
        ["usr/local/bin/qwend", "etc/qwend/qwend.conf"]
        + [f"{LOCAL}/{unit}" for unit in UNITS]
        + [f"{DOC}/{name}" for name in ["qwend.conf", "nginx/qwend.conf", *UNITS]])
    make("uninstall", tmp_path)
    assert files(tmp_path) == ["etc/qwend/qwend.conf"]


@pytest.mark.skipif(not shutil.which("readelf"), reason="readelf is not installed")
def test_the_installed_binary_has_no_debugging_data(tmp_path):
    make("install", tmp_path)
    installed = tmp_path / "usr/local/bin/qwend"

    def sections(binary):
        return subprocess.run(["readelf", "-SW", str(binary)], capture_output=True, text=True,
                              check=True).stdout

    assert ".debug" not in sections(installed) and ".symtab" not in sections(installed)
    version = [str(installed), "--version"], [BINARY, "--version"]
    assert len({subprocess.run(v, capture_output=True, check=True).stdout for v in version}) == 1
    make("install", tmp_path, "STRIP=")
    assert installed.read_bytes() == open(BINARY, "rb").read()


@pytest.mark.parametrize("prefix, folder", [("/usr", "usr/lib"), ("/opt/qwend", "usr/local/lib")])
def test_a_prefix_moves_the_units_where_systemd_looks(tmp_path, prefix, folder):
    make("install", tmp_path, f"PREFIX={prefix}")
    assert (tmp_path / prefix[1:] / "bin/qwend").exists()
    unit = (tmp_path / folder / "systemd/system/qwend.service").read_text()
    assert f"\nExecStart={prefix}/bin/qwend serve" in unit
    make("uninstall", tmp_path, f"PREFIX={prefix}")
    assert files(tmp_path) == ["etc/qwend/qwend.conf"]


def test_what_an_administrator_edited_is_kept_and_named(tmp_path):
    make("install", tmp_path)
    mine = {"etc/qwend/qwend.conf": "model = /srv/model\n",
            f"{LOCAL}/qwend-devices.service": "[Service]\nExecStart=/bin/true\n",
            f"{ETC}/qwend.service": "[Service]\nExecStart=/usr/local/bin/qwend serve --port 1\n",
            f"{ETC}/qwend.service.d/override.conf": "[Service]\nMemoryMax=8G\n"}
    for name, text in mine.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / ETC / "qwend.socket").symlink_to("/dev/null")  # systemctl mask
    printed = make("install", tmp_path)
    for name, text in mine.items():
        assert (tmp_path / name).read_text() == text
    assert f"kept /etc/qwend/qwend.conf; this version's is /{DOC}/qwend.conf" in printed
    assert f"kept /{LOCAL}/qwend-devices.service" in printed
    assert "kept /etc/systemd/system/qwend.service" in printed
    assert "qwend.socket" not in printed.split("kept", 1)[1]
    assert make("uninstall", tmp_path).count("kept") == 2
    assert files(tmp_path) == sorted([*mine, f"{ETC}/qwend.socket"])


def test_a_unit_that_an_earlier_version_put_into_etc_moves(tmp_path):
    """It is this repository's, so nobody edited it; what `systemctl enable` made of it follows."""
    (tmp_path / ETC).mkdir(parents=True)
    for unit in UNITS:
        with open(f"systemd/{unit}") as file:
            (tmp_path / ETC / unit).write_text(
                file.read().replace("/usr/local/bin/qwend", "/opt/bin/qwend"))
    link = enable(tmp_path, "qwend.service", f"/{ETC}/qwend.service")
    other = enable(tmp_path, "other.service", "/usr/lib/systemd/system/other.service")
    make("install", tmp_path, "PREFIX=/opt")
    assert not [unit for unit in UNITS if (tmp_path / ETC / unit).exists()]
    assert os.readlink(link) == f"/{LOCAL}/qwend.service"
    make("uninstall", tmp_path, "PREFIX=/opt")
    assert not link.is_symlink() and other.is_symlink()


def test_without_an_install_of_this_version_an_old_one_is_removed_from_etc(tmp_path):
    (tmp_path / ETC).mkdir(parents=True)
    for unit in UNITS:
        shutil.copy(f"systemd/{unit}", tmp_path / ETC / unit)
    link = enable(tmp_path, "qwend.service", f"/{ETC}/qwend.service")
    make("uninstall", tmp_path)
    assert files(tmp_path) == [] and not link.is_symlink()


@pytest.mark.skipif(not shutil.which("git") or not os.path.exists(".git"), reason="not a git clone")
def test_units_of_every_version_so_far_count_as_unedited(tmp_path):
    log = subprocess.run(["git", "log", "--format=%H", "--", "systemd"], capture_output=True,
                         text=True).stdout.split()
    if len(log) < 2:
        pytest.skip("the history is not here")
    (tmp_path / ETC).mkdir(parents=True)
    for commit in log:
        text = subprocess.run(["git", "show", f"{commit}:systemd/qwend.service"],
                              capture_output=True, check=True).stdout
        (tmp_path / ETC / "qwend.service").write_bytes(text)
        assert "kept" not in make("install", tmp_path)


def test_what_a_version_unknown_here_installed_counts_as_unedited(tmp_path):
    """Without the history, that is: the copy beside the documentation says what was installed."""
    make("install", tmp_path)
    for folder in (LOCAL, DOC):
        (tmp_path / folder / "qwend.service").write_text("[Service]\nExecStart=/of/another/version\n")
    assert "kept" not in make("install", tmp_path)
    assert "another" not in (tmp_path / LOCAL / "qwend.service").read_text()

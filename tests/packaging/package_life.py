#!/usr/bin/env python3
"""Second half of package_test.py, run in mount and process namespaces of its own: install, start, reload, upgrade, remove, purge.

    package_life.py OVERLAY FIRST.deb SECOND.deb SOURCES

OVERLAY is an empty folder; on it a root is put together in which the machine's own shows through and everything written goes to memory.
"""
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import traceback
import urllib.request

OVERLAY, FIRST, SECOND, SOURCES = (pathlib.Path(word) for word in sys.argv[1:5])
ROOT, UPPER = OVERLAY / "root", OVERLAY / "memory/upper"
PORT = 0
# What a purge leaves: the user (files of it may be elsewhere), and what dpkg and its triggers keep for themselves.
LEFT_BY_OTHERS = re.compile(r"^(var/lib/dpkg|var/log|var/cache|etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|etc/\.pwd\.lock|"
                            r"etc/ld\.so\.cache|run|tmp|dev|proc|sys|packages)")


def mount_root():
    def mount(*words):
        subprocess.run(["mount", *map(str, words)], check=True, capture_output=True)
    try:
        mount("--make-rprivate", "/")
        (OVERLAY / "memory").mkdir()
        ROOT.mkdir()
        mount("-t", "tmpfs", "tmpfs", OVERLAY / "memory")
        UPPER.mkdir()
        (OVERLAY / "memory/work").mkdir()
        mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={UPPER},workdir={OVERLAY / 'memory/work'}", ROOT)
        for place in ("run", "tmp"):
            mount("-t", "tmpfs", "tmpfs", ROOT / place)
        mount("-t", "proc", "proc", ROOT / "proc")
        mount("--bind", "/dev", ROOT / "dev")
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"      no root of our own here: {error}")
        sys.exit(77)
    (ROOT / "packages").mkdir()
    for package in (FIRST, SECOND):
        (ROOT / "packages" / package.name).write_bytes(package.read_bytes())


def inside(*command, check=True):
    """Runs a command in the root; its output."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(["chroot", str(ROOT), *map(str, command)], capture_output=True, text=True, env=environment, check=False)
    if check:
        assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def dpkg(*words):
    out = inside("dpkg", "--force-confdef", "--force-confold", *words)
    assert "warning" not in out.lower() or "ignoring request to remove" in out, out
    return out


def status() -> str:
    return inside("dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}", "aerie", check=False).strip()


class Service:
    """What systemd would do with the unit: its command as its user, the state directory made, the notification socket."""

    def __init__(self):
        unit = (ROOT / "lib/systemd/system/aerie.service").read_text()
        environment = dict(re.findall(r'^(\w+)="?(.*?)"?$', (ROOT / "etc/default/aerie").read_text(), re.MULTILINE))
        command = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE).group(1).replace("$ARGS", environment["ARGS"])
        state = ROOT / "var/lib" / re.search(r"^StateDirectory=(.*)$", unit, re.MULTILINE).group(1)
        user = inside("getent", "passwd", re.search(r"^User=(.*)$", unit, re.MULTILINE).group(1)).split(":")
        assert int(user[2]) < 1000 and user[6].strip().endswith("nologin"), user
        state.mkdir(mode=0o750, exist_ok=True)
        os.chown(state, int(user[2]), int(user[3]))
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = ROOT / "run/notify"
        path.unlink(missing_ok=True)
        self.told.bind(str(path))
        os.chmod(path, 0o666)
        self.told.settimeout(30)
        self.process = subprocess.Popen(
            ["chroot", f"--userspec={user[2]}:{user[3]}", str(ROOT), *shlex.split(command), f"--web.listen-address=127.0.0.1:{PORT}"],
            env={"NOTIFY_SOCKET": "/run/notify", "PATH": os.environ["PATH"]}, stderr=open(OVERLAY / "memory/aerie.log", "ab"))

    def expect(self, message: str):
        told = self.told.recv(1000).decode().split("\n")[0]
        assert told == message, f"the service manager was told {told}, not {message}"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.expect("STOPPING=1")
        assert self.process.wait(30) == 0, (OVERLAY / "memory/aerie.log").read_text()[-2000:]


def get(path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=30) as answer:
        return answer.read().decode()


def test_install():
    dpkg("-i", f"/packages/{FIRST.name}")
    assert status().startswith("ii"), status()
    assert inside("dpkg", "--audit") == "" and inside("dpkg", "-V", "aerie") == ""
    assert (ROOT / "etc/systemd/system/multi-user.target.wants/aerie.service").is_symlink(), "not enabled"
    out = inside("systemd-analyze", "verify", "--recursive-errors=no", "/lib/systemd/system/aerie.service", check=False)
    assert "aerie" not in out, out
    assert "SUCCESS" in inside("aeriectl", "check", "config", "/etc/aerie/aerie.yml"), "the shipped configuration is refused"


def test_start_reload_stop():
    service = Service()
    service.expect("READY=1")
    assert get("/-/ready")
    assert "AerieStoreNotWritable" in get("/api/v1/rules"), "the shipped rules are not loaded"
    service.process.send_signal(signal.SIGHUP)
    service.expect("RELOADING=1")
    service.expect("READY=1")
    service.stop()
    assert list((ROOT / "var/lib/aerie").iterdir()), "no data where the unit says"


def test_upgrade_keeps_what_was_edited():
    edited = ROOT / "etc/aerie/aerie.yml"
    edited.write_text(edited.read_text() + "# mine\n")
    (ROOT / "etc/aerie/rules/mine.yml").write_text("groups: []\n")
    inside("systemctl", "disable", "aerie.service", check=False)
    (ROOT / "etc/systemd/system/multi-user.target.wants/aerie.service").unlink(missing_ok=True)
    data = sorted(path.name for path in (ROOT / "var/lib/aerie").iterdir())
    dpkg("-i", f"/packages/{SECOND.name}")
    assert status().startswith("ii") and SECOND.name.split("_")[1] in status(), status()
    assert edited.read_text().endswith("# mine\n") and (ROOT / "etc/aerie/rules/mine.yml").exists()
    assert sorted(path.name for path in (ROOT / "var/lib/aerie").iterdir()) == data
    assert not (ROOT / "etc/systemd/system/multi-user.target.wants/aerie.service").exists(), "disabled by hand, enabled by the upgrade"
    service = Service()
    service.expect("READY=1")
    service.stop()


def test_remove_keeps_data_and_configuration():
    dpkg("-r", "aerie")
    assert status().startswith("rc"), status()
    assert not (ROOT / "usr/bin/aerie").exists() and (ROOT / "etc/aerie/aerie.yml").exists()
    assert list((ROOT / "var/lib/aerie").iterdir())


def test_install_again_after_removal():
    dpkg("-i", f"/packages/{SECOND.name}")
    masked = ROOT / "etc/systemd/system/aerie.service"
    assert status().startswith("ii") and not masked.is_symlink(), "still masked"


def test_purge_leaves_nothing_of_ours():
    (ROOT / "etc/aerie/rules/mine.yml").unlink()
    dpkg("-P", "aerie")
    assert not status().startswith(("ii", "rc")), status()
    left = []
    for path in UPPER.rglob("*"):
        name = path.relative_to(UPPER).as_posix()
        if path.is_char_device() or path.is_dir() or LEFT_BY_OTHERS.match(name):
            continue  # a character device: a file of the machine's root that was deleted; folders are copied up by their files
        left.append(name)
    assert not left, f"left behind: {left}"
    assert not (ROOT / "var/lib/aerie").exists() and not (ROOT / "etc/aerie").exists()


def main() -> int:
    global PORT
    mount_root()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        PORT = probe.getsockname()[1]
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        started = time.monotonic()
        try:
            test()
        except Exception:  # noqa: BLE001
            print(f"FAIL  {name[5:].replace('_', ' ')}\n{traceback.format_exc()}", flush=True)
            return 1  # what follows builds on it
        print(f"ok      {name[5:].replace('_', ' ')} ({time.monotonic() - started:.1f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

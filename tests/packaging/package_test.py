#!/usr/bin/env python3
"""Builds the Debian package, looks at it as lintian would, and takes it through its life in a throw-away root.

    package_test.py BUILD FOLDER       (BUILD: a configured build folder with aerie and aeriectl in it)

The root is an overlay over the machine's own in a mount namespace of its own: nothing is installed on the machine. Exits 77 when that
is not allowed here (not root), after the checks that need no root. Prints one line per test and `N passed, N failed`.
"""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import traceback

BUILD, FOLDER = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
HERE = pathlib.Path(__file__).resolve().parent


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def pack(version: str) -> pathlib.Path:
    target = FOLDER / "packages"
    run("cpack", "--config", BUILD / "CPackConfig.cmake", "-G", "DEB", "-D", f"CPACK_PACKAGE_VERSION={version}", "-D",
        f"CPACK_PACKAGE_DIRECTORY={target}", "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=gzip", cwd=BUILD,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
    found = list(target.glob(f"aerie_{version}-1_*.deb"))
    assert len(found) == 1, f"cpack made {found}"
    return found[0]


class Package:
    """A package, taken apart once."""

    def __init__(self, path: pathlib.Path):
        self.path, self.root, self.control = path, FOLDER / "content", FOLDER / "control"
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.control, ignore_errors=True)
        run("dpkg-deb", "-x", path, self.root)
        run("dpkg-deb", "-e", path, self.control)
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(path)], stdout=subprocess.PIPE) as source:
            with tarfile.open(fileobj=source.stdout, mode="r|") as archive:
                self.members = [(member.name.removeprefix("./"), member) for member in archive]
        self.files = sorted(name for name, member in self.members if member.isfile())

    def field(self, name: str) -> str:
        return run("dpkg-deb", "-f", self.path, name).strip()


def test_fields_say_what_it_is_and_needs(package):
    assert package.field("Package") == "aerie"
    assert "@" in package.field("Maintainer"), package.field("Maintainer")
    assert package.field("Section") == "net" and package.field("Priority") == "optional"
    needs = package.field("Depends")
    for library in ("libc6 (>= ", "librocksdb", "libssl3", "libcurl4", "systemd"):
        assert library in needs, f"{library} is not among {needs}"
    synopsis, *lines = package.field("Description").splitlines()
    assert 10 < len(synopsis) < 80 and not synopsis.endswith(".") and not synopsis.lower().startswith("aerie"), synopsis
    assert lines and all(re.match(r" \S.{,79}$", line) for line in lines), lines
    assert int(package.field("Installed-Size")) > 1000
    log = run("gzip", "-dc", package.root / "usr/share/doc/aerie/changelog.Debian.gz")
    assert log.startswith(f"aerie ({package.field('Version')}) unstable; ") and f" -- {package.field('Maintainer')}  " in log, log
    if shutil.which("dpkg-parsechangelog"):
        (FOLDER / "changelog").write_text(log)
        assert run("dpkg-parsechangelog", "-l", FOLDER / "changelog", "-S", "Version").strip() == package.field("Version")


def test_owners_modes_and_places(package):
    for name, member in package.members:
        assert (member.uid, member.gid) == (0, 0), f"{name} belongs to {member.uid}:{member.gid}"
        program = name.startswith("usr/bin/")
        wanted = 0o755 if member.isdir() or program else 0o644
        assert member.mode & 0o7777 == wanted, f"{name} has mode {member.mode:o}"
        assert not name.startswith(("usr/local", "opt", "home", "var", "run")), name
        assert member.isdir() or member.isfile(), f"{name} is neither file nor folder"


def test_checksums_cover_every_file(package):
    listed = dict(reversed(line.split("  ", 1)) for line in (package.control / "md5sums").read_text().splitlines())
    assert sorted(listed) == package.files
    for name, digest in listed.items():
        assert hashlib.md5((package.root / name).read_bytes()).hexdigest() == digest, name


def test_conffiles_are_all_of_etc(package):
    listed = sorted((package.control / "conffiles").read_text().split())
    assert listed == ["/" + name for name in package.files if name.startswith("etc/")], listed


def test_maintainer_scripts(package):
    for name in ("postinst", "prerm", "postrm"):
        script = package.control / name
        text = script.read_text()
        assert text.startswith("#!/bin/sh\nset -e\n"), f"{name} does not stop at errors"
        assert script.stat().st_mode & 0o7777 == 0o755, name
        run("sh", "-n", script)
        assert "systemctl start" not in text and "adduser" not in text, f"{name} bypasses policy-rc.d"


def test_documents(package):
    for name in ("usr/share/doc/aerie/copyright", "usr/share/doc/aerie/changelog.gz",
                 "usr/share/doc/aerie/changelog.Debian.gz", "usr/share/man/man1/aerie.1.gz", "usr/share/man/man1/aeriectl.1.gz"):
        assert name in package.files, f"{name} is missing"
        if name.endswith(".gz"):
            assert (package.root / name).read_bytes()[4:8] == bytes(4), f"{name} carries the time of packing"
    if shutil.which("man"):
        for page in (package.root / "usr/share/man/man1").iterdir():
            done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)], capture_output=True,
                                  text=True, env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"}, check=False)
            assert done.returncode == 0 and not done.stderr.strip(), done.stderr


def test_manual_pages_name_every_flag(package):
    text = run("gzip", "-dc", package.root / "usr/share/man/man1/aerie.1.gz").replace("\\-", "-")
    flags = re.findall(r"^  (--[\w.-]+)", run(package.root / "usr/bin/aerie", "--help"), re.MULTILINE)
    assert len(flags) > 20
    missing = [flag for flag in flags if flag not in text]
    assert not missing, f"aerie(1) does not name {missing}"


def test_completion(package):
    script = package.root / "usr/share/bash-completion/completions/aeriectl"

    def complete(*words):
        quoted = " ".join(f"'{word}'" for word in words)
        return run("bash", "-c", f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _aeriectl; "
                   'printf "%s\\n" "${COMPREPLY[@]}"').split()
    assert "get" in complete("aeriectl", "g")
    assert "deployments" in complete("aeriectl", "get", "dep")
    assert "--unhealthy" in complete("aeriectl", "get", "deploy", "--un")
    assert complete("aeriectl", "get", "deployments", "-o", "ya") == ["yaml"]
    assert complete("aeriectl", "--url", "http://x", "query", "ran") == ["range"]


def test_programs_are_hardened_and_stripped(package):
    for name in ("aerie", "aeriectl"):
        program = package.root / "usr/bin" / name
        header = run("readelf", "-hlSd", program)
        assert "DYN (Position-Independent Executable file)" in header, f"{name} is not position-independent"
        assert "GNU_RELRO" in header and "BIND_NOW" in header, f"{name} has a writable table of functions"
        assert not re.search(r"GNU_STACK.*\n.*RWE", header), f"{name} has an executable stack"
        assert ".debug_info" not in header, f"{name} is not stripped"
        assert "RPATH" not in header and "RUNPATH" not in header, f"{name} looks for libraries in a folder of the build"


def test_texts_name_no_folder_of_the_build(package):
    source = str(HERE.parent.parent)
    for name in package.files:
        if not name.startswith("usr/bin/"):
            assert source.encode() not in (package.root / name).read_bytes(), name


def test_unit_is_tight(package):
    unit = package.root / "lib/systemd/system/aerie.service"
    if shutil.which("systemd-analyze") is None:
        return
    score = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=15", str(unit)], capture_output=True,
                           text=True, check=False)
    last = score.stdout.strip().splitlines()[-1] if score.stdout.strip() else score.stderr
    assert score.returncode == 0, f"systemd-analyze security: {last}"


def test_same_input_same_bytes(package):
    shutil.move(package.path, FOLDER / "first.deb")
    rebuilt = pack("0.1.0")
    try:
        assert rebuilt.read_bytes() == (FOLDER / "first.deb").read_bytes(), "two packages of the same programs differ"
    finally:
        package.path = rebuilt


def test_lintian(package):
    if shutil.which("lintian") is None:
        print("      no lintian on this machine")
        return
    found = subprocess.run(["lintian", "--tag-display-limit", "0", "--suppress-tags", "initial-upload-closes-no-bugs",
                            str(package.path)], capture_output=True, text=True, check=False).stdout
    assert not re.search(r"^[EW]: ", found, re.MULTILINE), found


def life_in_a_throw_away_root(first: pathlib.Path, second: pathlib.Path):
    """Its exit code: 77 when it was not possible."""
    overlay = FOLDER / "overlay"
    shutil.rmtree(overlay, ignore_errors=True)
    overlay.mkdir(parents=True)
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", sys.executable, str(HERE / "package_life.py"),
                           str(overlay), str(first), str(second), str(HERE.parent.parent)], check=False)
    return done.returncode


def life_under_systemd(first: pathlib.Path, second: pathlib.Path) -> str:
    """Empty when all went well, "skip" with why when systemd cannot be booted here, else what was wrong."""
    folder = FOLDER / "systemd"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if not pathlib.Path("/lib/systemd/systemd").exists():
        return "skip: no systemd"
    done = subprocess.run(["timeout", "120", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--cgroup", "--uts", "--ipc", "--net",
                           str(HERE / "under_systemd"), str(folder), str(first), str(second)], capture_output=True, text=True, check=False)
    seen = folder / "out/seen"
    text = seen.read_text() if seen.exists() else ""
    if not text.startswith("begun"):
        return f"skip: systemd did not boot here: {done.stderr.strip()[-200:]}"
    up = "active aerie is ready."
    wanted = {"installed": up, "enabled": "enabled", "user": "aerie", "start time": "1", "reloaded": up, "same process": "yes", "killed": up,
              "upgraded": up, "new process": "yes", "removed": "inactive", "data kept": "yes", "again": up, "purged": "inactive",
              "data gone": "yes"}
    lines = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    wrong = [f"{name}: {lines.get(name)!r} and not {value!r}" for name, value in wanted.items() if lines.get(name, "").strip() != value]
    if wrong or "finished" not in text:
        return "\n".join(wrong) + "\n" + (folder / "out/errors").read_text()[-3000:]
    return ""


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    run("cmake", "--build", BUILD, "--target", "package_documents")
    package = Package(pack("0.1.0"))
    passed = failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            test(package)
            passed += 1
            print(f"ok    {name[5:].replace('_', ' ')}", flush=True)
        except Exception:  # noqa: BLE001
            failed += 1
            print(f"FAIL  {name[5:].replace('_', ' ')}\n{traceback.format_exc()}", flush=True)
    second = pack("0.1.1")
    life = life_in_a_throw_away_root(package.path, second)
    print({0: "ok    installed, started, upgraded, removed and purged",
           77: "skip  the throw-away root needs root"}.get(life, "FAIL  life in a throw-away root"), flush=True)
    passed, failed = passed + (life == 0), failed + (life not in (0, 77))
    wrong = life_under_systemd(package.path, second)
    print(f"skip  {wrong[6:]}" if wrong.startswith("skip: ") else f"FAIL  life under systemd\n{wrong}" if wrong else
          "ok    installed, started, reloaded, killed, upgraded, removed and purged under systemd")
    passed, failed = passed + (not wrong), failed + (bool(wrong) and not wrong.startswith("skip: "))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else life


if __name__ == "__main__":
    sys.exit(main())

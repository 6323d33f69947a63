#!/usr/bin/env python3
"""Makes what belongs to the package and follows the programs: manual pages and bash completion from their --help, and the changelog.

  make_documents.py --aerie PROGRAM --aeriectl PROGRAM --sources FOLDER --version X.Y.Z --contact 'NAME <ADDRESS>' --into FOLDER

The same programs give the same bytes.
"""
import argparse
import dataclasses
import gzip
import os
import pathlib
import re
import subprocess
import time

SECTION = re.compile(r"^(Options|Subcommands|Positionals):$")
ENTRY = re.compile(r"^  (\S.*?)(?:  +(\S.*))?$")
DESCRIPTION = re.compile(r"^ {20,}(\S.*)$")
CHOICES = re.compile(r":\{([^}]*)\}")
ENVIRONMENT = re.compile(r"\s*\(Env:(\w+)\)")


@dataclasses.dataclass
class Entry:
    """A flag, positional or subcommand as --help shows it."""
    names: list
    argument: str = ""      # TEXT=http://…; empty: none
    choices: list = dataclasses.field(default_factory=list)
    environment: str = ""
    text: str = ""


@dataclasses.dataclass
class Command:
    path: list              # ["query", "range"]
    about: str
    usage: str
    options: list
    positionals: list
    subcommands: list       # of Entry
    aliases: list = dataclasses.field(default_factory=list)  # its own names, the first of them in path
    children: list = dataclasses.field(default_factory=list)


def parse_entry(head: str, text: str) -> Entry:
    environment = ENVIRONMENT.search(head)
    head = ENVIRONMENT.sub("", head)
    found = CHOICES.search(head)
    choices = found.group(1).split(",") if found else []
    names, _, argument = head.partition(" ")
    while names.endswith(","):
        more, _, argument = argument.partition(" ")
        names += more
    argument = re.sub(r":(UINT in |SIZE )?\[[^\]]*\]", "", CHOICES.sub("", argument))
    return Entry([name for name in names.split(",") if name], argument.replace(" REQUIRED", "").strip(), choices,
                 environment.group(1) if environment else "", text)


def parse_help(path, text: str) -> Command:
    lines = text.splitlines()
    usage_at = next(i for i, line in enumerate(lines) if line.startswith("Usage: "))
    sections = {"Options": [], "Subcommands": [], "Positionals": []}
    section = None
    for line in lines[usage_at + 1:]:
        if SECTION.match(line):
            section = sections[SECTION.match(line).group(1)]
        elif DESCRIPTION.match(line) and section:
            section[-1].text = (section[-1].text + " " + DESCRIPTION.match(line).group(1)).strip()
        elif ENTRY.match(line) and section is not None:
            section.append(parse_entry(ENTRY.match(line).group(1), ENTRY.match(line).group(2) or ""))
    return Command(path, "\n".join(lines[:usage_at]).strip(), lines[usage_at][len("Usage: "):], sections["Options"],
                   sections["Positionals"], sections["Subcommands"])


def read_command(program: str, path=(), names=()) -> Command:
    text = subprocess.run([program, *path, "--help"], capture_output=True, text=True, check=True).stdout
    command = parse_help(list(path), text)
    command.aliases = list(names)
    command.children = [read_command(program, (*path, entry.names[0]), entry.names) for entry in command.subcommands]
    return command


# Manual pages


def roff(text: str) -> str:
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return "\n".join((r"\&" + line if line.startswith((".", "'")) else line) for line in text.splitlines())


def roff_entries(entries) -> str:
    out = ""
    for entry in entries:
        names = ", ".join(rf"\fB{roff(name)}\fR" for name in entry.names)
        argument, _, default = entry.argument.partition("=")
        out += f".TP\n{names}" + (rf" \fI{roff(argument)}\fR" if argument else "") + "\n"
        out += roff(entry.text or "See above.") + "\n"
        notes = []
        if entry.choices:
            notes.append("One of " + ", ".join(entry.choices) + ".")
        if default:
            notes.append(f"Default: {default}.")
        if entry.environment:
            notes.append(f"Environment: {entry.environment}.")
        if notes:
            out += roff(" ".join(notes)) + "\n"
    return out


def roff_command(name: str, command: Command) -> str:
    out = ""
    for child in command.children:
        title = " ".join([name, *child.path])
        if child.children:
            out += roff_command(name, child)
            if not child.positionals:
                continue
        out += f".SS {roff(title)}\n{roff(child.about)}\n.PP\n\\fB{roff(child.usage)}\\fR\n"
        out += roff_entries(child.positionals)
        out += roff_entries(entry for entry in child.options if "--help" not in entry.names)
    return out


def manual_page(name: str, summary: str, command: Command, version: str, date: str, rest: str) -> str:
    out = f'.TH {name.upper()} 1 "{date}" "aerie {version}" "User Commands"\n'
    out += f".SH NAME\n{name} \\- {roff(summary)}\n.SH SYNOPSIS\n\\fB{roff(command.usage)}\\fR\n"
    about, _, examples = command.about.partition("Examples:\n")
    out += f".SH DESCRIPTION\n{roff(about.strip())}\n"
    out += f".SH OPTIONS\n{roff_entries(command.options)}"
    if command.children:
        out += f".SH COMMANDS\n{roff_command(name, command)}"
    if examples:
        out += ".SH EXAMPLES\n.nf\n" + roff("\n".join(line.strip() for line in examples.splitlines())) + "\n.fi\n"
    return out + rest


AERIE_REST = r""".SH FILES
.TP
.I /etc/aerie/aerie.yml
The configuration; \fBaeriectl check config\fR checks it, \fBsystemctl reload aerie\fR reads it again.
.TP
.I /etc/aerie/rules/
Prometheus rule files.
.TP
.I /etc/default/aerie
Further flags of the service, in ARGS.
.TP
.I /var/lib/aerie
The data of the service. Purging the package deletes it.
.SH SIGNALS
.TP
.B SIGHUP
Reads the configuration again; a bad file keeps the old one.
.TP
.B SIGTERM, SIGINT
Ends it in order; a second one at once. What was acknowledged is on disk in either case.
.SH EXIT STATUS
0 after an orderly end, 1 when it could not start or stop, 2 for bad flags or a bad configuration.
.SH SEE ALSO
.BR aeriectl (1)
"""
AERIECTL_REST = r""".SH EXIT STATUS
0 fine, 1 failed, 2 wrong usage, 3 the checked file is wrong.
.SH SEE ALSO
.BR aerie (1)
"""


# Completion


def shell_words(words) -> str:
    return " ".join(sorted(set(words)))


def completion_cases(command: Command):
    """One line per command: path, what may follow; and one per option with a closed list of values."""
    flags = [name for entry in command.options for name in entry.names]
    words = [name for entry in command.subcommands for name in entry.names]
    words += [choice for entry in command.positionals for choice in entry.choices]
    yield f"    {shell_pattern(command)}) words='{shell_words(words + flags)}' ;;"
    for child in command.children:
        yield from completion_cases(child)


def shell_pattern(command: Command) -> str:
    if not command.path:
        return "''"
    return "|".join("'" + " ".join([*command.path[:-1], name]) + "'" for name in command.aliases)


def all_entries(command: Command):
    yield from command.options
    for child in command.children:
        yield from all_entries(child)


def completion(name: str, command: Command) -> str:
    paths = []

    def walk(one):
        for child in one.children:
            paths.append(shell_pattern(child))
            walk(child)
    walk(command)
    values, files = {}, []
    for entry in all_entries(command):
        for flag in entry.names:
            if entry.choices:
                values[flag] = entry.choices
            elif entry.argument.split("=")[0] in ("FILE", "FOLDER") or flag.endswith(("file", "-path")):
                files.append(flag)
    out = f"# bash completion of {name}, made from its --help\n_{name}() {{\n"
    out += "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} path='' word next words\n"
    # With --flag=value bash splits at the equals sign.
    out += "  if [[ $cur == '=' ]]; then cur=''; elif [[ $prev == '=' ]]; then prev=${COMP_WORDS[COMP_CWORD - 2]}; fi\n"
    out += "  case $prev in\n"
    for flag, choices in sorted(values.items()):
        out += f"    {flag}) mapfile -t COMPREPLY < <(compgen -W '{shell_words(choices)}' -- \"$cur\"); return ;;\n"
    if files:
        out += f"    {'|'.join(sorted(set(files)))}) compopt -o filenames 2>/dev/null; "
        out += "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n"
    out += "  esac\n"
    if paths:
        out += "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n    next=\"${path:+$path }$word\"\n    case $next in\n"
        out += "      " + "|".join(paths) + ") path=$next ;;\n    esac\n  done\n"
    out += "  case $path in\n" + "\n".join(completion_cases(command)) + "\n    *) words='' ;;\n  esac\n"
    out += "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
    out += "  [[ ${#COMPREPLY[@]} -gt 0 || $cur == -* ]] || { compopt -o filenames 2>/dev/null; "
    out += "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); }\n"
    return out + f"}}\ncomplete -F _{name} {name}\n"


def write(path: pathlib.Path, text: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_compressed(path: pathlib.Path, text: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(text.encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("aerie", "aeriectl", "sources", "version", "contact", "into"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    into = pathlib.Path(given.into)
    changelog = pathlib.Path(given.sources, "CHANGELOG.md")
    stamp = int(os.environ.get("SOURCE_DATE_EPOCH", changelog.stat().st_mtime))
    date = time.strftime("%Y-%m-%d", time.gmtime(stamp))
    server, client = read_command(given.aerie), read_command(given.aeriectl)
    write_compressed(into / "aerie.1.gz", manual_page(
        "aerie", "metrics, alerts and rollouts of many clusters in one place", server, given.version, date, AERIE_REST))
    write_compressed(into / "aeriectl.1.gz", manual_page(
        "aeriectl", "ask a running aerie, check its files", client, given.version, date, AERIECTL_REST))
    write(into / "completions/aerie", completion("aerie", server))
    write(into / "completions/aeriectl", completion("aeriectl", client))
    write_compressed(into / "changelog.gz", changelog.read_text())
    write_compressed(into / "changelog.Debian.gz", f"""aerie ({given.version}-1) unstable; urgency=medium

  * Version {given.version}. What changed: changelog.gz in this folder.

 -- {given.contact}  {time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(stamp))}
""")


if __name__ == "__main__":
    main()

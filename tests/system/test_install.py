"""make install: everything lies where a distribution expects it, and a plugin builds against it alone."""
import os
import pathlib
import re
import stat
import subprocess

import pytest

from conftest import BUILD, SANITIZED

ROOT = pathlib.Path(__file__).parents[2]


def make_install(destination, *variables):
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    environment.update({"BUILD": os.path.relpath(BUILD, ROOT)}, **({"SANITIZE": "1"} if SANITIZED else {}))
    subprocess.run(["make", "install", f"DESTDIR={destination}", *variables], cwd=ROOT, env=environment, check=True,
                   capture_output=True, text=True)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    destination = tmp_path_factory.mktemp("installed")
    make_install(destination)
    return destination


def run(*command, **options):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)


def test_every_file_is_in_its_place(installed):
    for path in ("usr/sbin/campaignd", "usr/bin/campaignctl", "usr/lib/campaignd/letter.so",
                 "usr/lib/campaignd/plugins/print.so", "usr/lib/campaignd/plugins/email.so",
                 "usr/include/campaignd/action.h", "usr/lib/pkgconfig/campaignd.pc",
                 "lib/systemd/system/campaignd.service", "usr/lib/sysusers.d/campaignd.conf",
                 "etc/campaignd/campaignd.conf", "usr/share/bash-completion/completions/campaignctl",
                 "usr/share/man/man8/campaignd.8", "usr/share/man/man1/campaignctl.1", "usr/share/man/man5/campaignd.conf.5",
                 "usr/share/doc/campaignd/schema.md", "usr/share/doc/campaignd/credentials.conf",
                 "usr/share/doc/campaignd/plugins/email.md"):
        assert (installed / path).is_file(), path
    assert (installed / "etc/campaignd/conf.d").is_dir()


def test_nobody_else_may_write_what_is_installed(installed):
    for path in installed.rglob("*"):
        assert not path.lstat().st_mode & (stat.S_IWGRP | stat.S_IWOTH), path


def test_programs_say_their_version(installed):
    assert run(installed / "usr/sbin/campaignd", "--version").stdout.startswith("campaignd ")
    assert run(installed / "usr/bin/campaignctl", "--version").stdout.startswith("campaignctl ")


def test_a_sites_configuration_is_left_as_it_is(installed):
    configuration = installed / "etc/campaignd/campaignd.conf"
    fresh = configuration.read_text()
    configuration.write_text("# our own\n")
    try:
        make_install(installed)
        assert configuration.read_text() == "# our own\n"
    finally:
        configuration.write_text(fresh)


def test_a_fresh_configuration_is_right(installed, tmp_path):
    text = (installed / "etc/campaignd/campaignd.conf").read_text()
    own = tmp_path / "campaignd.conf"
    own.write_text(text.replace("[daemon]", f"[daemon]\nlibrary_dir = {installed}/usr/lib/campaignd", 1))
    checked = run(installed / "usr/sbin/campaignd", "-t", "-c", own)
    assert checked.returncode == 0, checked.stderr


def test_the_unit_names_what_is_installed(installed):
    unit = (installed / "lib/systemd/system/campaignd.service").read_text()
    assert "ExecStart=/usr/sbin/campaignd -c /etc/campaignd/campaignd.conf\n" in unit
    assert "ExecReload=/usr/bin/campaignctl reload\n" in unit


def test_the_manuals_example_builds_outside_the_tree_and_loads(installed, tmp_path):
    """docs/plugins.md shows a whole plugin in forty lines: it needs the installed header and nothing else of ours."""
    manual = (installed / "usr/share/doc/campaignd/plugins.md").read_text()
    source = re.search(r"```c\n(#include <campaignd/action.h>\n.*?)```", manual, re.DOTALL).group(1)
    (tmp_path / "greet.c").write_text(source)
    package = run("pkg-config", "--cflags", "campaignd", env={
        **os.environ, "PKG_CONFIG_PATH": f"{installed}/usr/lib/pkgconfig", "PKG_CONFIG_SYSROOT_DIR": str(installed),
        "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1"})
    assert package.returncode == 0, package.stderr
    plugins = tmp_path / "plugins"
    plugins.mkdir(0o755)
    built = run("cc", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-shared", "-fPIC", *package.stdout.split(),
                "-o", plugins / "greet.so", "greet.c", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    (plugins / "greet.so").chmod(0o755)
    configuration = tmp_path / "campaignd.conf"
    configuration.write_text(f"[daemon]\nstate_dir = {tmp_path}/state\nlibrary_dir = {installed}/usr/lib/campaignd\n"
                             f"plugin_dir = {plugins}\n[http]\nsocket = {tmp_path}/s\n[action.greeting]\nplugin = greet\n")
    checked = run(installed / "usr/sbin/campaignd", "-t", "-c", configuration)
    assert checked.returncode == 0, checked.stderr

"""Which script is given what: the person's rules, questions and handles, as they meet a program in Python."""

import os
import re
import sys

from conftest import Script, by_password, ctl

import glassdome

GET = "import glassdome\nprint(glassdome.get('deploy/key'))\n"


def test_an_approved_script_runs_a_changed_one_asks_an_unlisted_one_is_denied() -> None:
    glassdome.set("deploy/key", "the key")
    unlisted = Script("unlisted.py", GET)
    code, out, err = unlisted.run()
    assert (code, out) == (1, "")
    # The traceback tells what to type.
    last = err.splitlines()[-1]
    assert last.startswith("glassdome.errors.DeniedError: denied deploy/key: no rule allows it to python3"), err
    assert "unlisted.py" in last and "ctl policy allow" in last, last

    script = Script("deploy.py", GET)
    script.allow("deploy/*", "get")
    assert script.run() == (0, "the key\n", "")
    for no_time in ("soon", "\udcff"):
        code, _, err = script.run(GLASSDOME_WAIT=no_time)
        assert code == 1 and "UsageError: GLASSDOME_WAIT is a span of time up to 10m" in err, err

    script.write(GET + "# changed\n")
    code, out, err = script.run()
    assert code == 1 and "changed since rule deploy allowed it" in err, err
    with script.start(GLASSDOME_WAIT="50s") as process:
        assert process.stderr
        asked = re.match(r"waiting for you: type 'ctl approve (\d+)' in an unlocked terminal \(\d+ s\)", process.stderr.readline())
        assert asked
        by_password("approve", asked[1], "--yes")
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "the key\n", "")


def test_wait_is_for_how_long_a_person_is_asked() -> None:
    glassdome.set("waits", "value")
    text = "import sys, glassdome\nprint(glassdome.connect(wait=float(sys.argv[1])).get('waits'))\n"
    script = Script("waits.py", text)
    code, _, err = script.run("0", GLASSDOME_WAIT="50s")
    assert code == 1 and "waiting for you" not in err and "DeniedError" in err, err
    script.write(text + "# another program, which was not refused just now\n")
    with script.start("30.5") as process:
        assert process.stderr
        asked = re.search(r"ctl approve (\d+)' in an unlocked terminal \((\d+) s\)", process.stderr.readline())
        assert asked and 25 <= int(asked[2]) <= 31
        by_password("refuse", asked[1])
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "DeniedError" in err, err


def test_a_handle_gives_what_it_was_made_for() -> None:
    glassdome.set("shop/a", "value a")
    glassdome.set("other", "value b")
    script = Script(
        "granted.py",
        "import glassdome\n"
        "with glassdome.connect() as vault:\n"
        "    assert vault['shop/a'] == glassdome.get('shop/a') == 'value a'\n"
        "    assert glassdome.get_many(['shop/a']) == {'shop/a': 'value a'}\n"
        "    for ask in (lambda: vault['other'], lambda: vault.list(), lambda: vault.set('shop/a', 'x')):\n"
        "        try: ask()\n"
        "        except glassdome.DeniedError as error: print(error)\n"
        "        else: raise SystemExit('served')\n"
        "    assert vault.status().state == 'unlocked'\n",
    )
    code, _, err = script.run()
    assert code == 1 and "DeniedError" in err, "without the handle"
    told = ctl("run", "--grant", "shop/*", "--", sys.executable, str(script.path))
    assert len(told.splitlines()) == 3, told

    # A number that came along as nothing is an error, and never another way.
    listed = Script("listed.py", "import glassdome\nprint(glassdome.get('shop/a'))\n")
    listed.allow("shop/*", "get")
    assert listed.run()[0] == 0
    code, _, err = listed.run(GLASSDOME_FD="99")
    assert code == 1 and "UsageError: GLASSDOME_FD names no handle that came along" in err, err
    for no_number in ("x", "", "\udcff"):
        code, _, err = listed.run(GLASSDOME_FD=no_number)
        assert code == 1 and "UsageError: GLASSDOME_FD names no handle that came along" in err, err


def test_the_process_stays_as_it_is() -> None:
    """Other people's programs are not hidden from debuggers for a library's sake."""
    import ctypes

    glassdome.status()
    assert ctypes.CDLL(None).prctl(3) == 1, "PR_GET_DUMPABLE"
    assert os.path.isdir("/proc/self/fd") and os.access("/proc/self/mem", os.R_OK)

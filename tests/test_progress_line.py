import io
import os
import sys

from lastlayer._progress_line import ProgressLine


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def fileno(self):
        return 2


def test_a_line_that_stays(capsys):
    ProgressLine().show("fold 1 of 5")
    assert capsys.readouterr().err == "fold 1 of 5\n"


def test_a_line_that_renews_itself_is_cut_to_the_width_and_the_last_is_whole(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(os, "get_terminal_size", lambda descriptor: os.terminal_size((11, 24)))
    line = ProgressLine()
    line.show("1,000,000 rows read")
    line.end("2,000,000 rows read")
    assert sys.stderr.getvalue() == "\r1,000,000 \033[K\r2,000,000 rows read\033[K\n"

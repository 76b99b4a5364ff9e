"""The command line of Snakemake: a flag whose first files would be dropped in silence is refused."""

import pytest

from seunet.config.flags import check_flags
from seunet.runtime.errors import UserError


@pytest.mark.parametrize(
    "line",
    [
        "-n --configfile a.yaml --configfile b.yaml",
        "--configfile=a.yaml -n --configfile=b.yaml",
        "--configfiles a.yaml -c 2 --configfile b.yaml",
        "--configf a.yaml --configfiles=b.yaml target",
        "--configfi=a.yaml --configfile b.yaml -- --configfile",
    ],
)
def test_two_flags_are_refused_with_the_one_to_write(line):
    with pytest.raises(UserError, match=r"--configfile stands there 2 times.*once: --configfile a\.yaml b\.yaml"):
        check_flags(line.split())


@pytest.mark.parametrize("line", ["--config a=1 --config b=2", "-C a=1 -C b=2", "-Ca=1 --config=b=2"])
def test_two_flags_of_values_are_refused(line):
    with pytest.raises(UserError, match="--config stands there 2 times.*once: --config a=1 b=2"):
        check_flags(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--configfile a.yaml b.yaml -c 2 -n",
        "--configfile a.yaml --config x=--configfile y=1",
        "--configfile a.yaml -- --configfile",
        "--cores 2 --conda-frontend conda --configfile=a.yaml --containerize",
    ],
)
def test_one_flag_of_each_is_fine(line):
    check_flags(line.split())

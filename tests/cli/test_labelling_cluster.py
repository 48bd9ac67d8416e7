"""label on a cluster of two nodes on this machine, of which one is killed while it labels, with folders and addresses.

No worker opens a file of the process that starts the job, as if the nodes were machines without a shared disk.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from cdpnet.bulk.labeller import Labeller
from tests.cli import test_cloud as cloud
from tests.cli.running import run
from tests.cli.test_labelling_stopped import arguments, contents
from tests.processes import run_at_once

_LONGEST_WAIT = 120.0  # seconds, for a job that hangs


def wait_for(path: Path) -> None:
    """Return when there is such a file, or after the longest wait."""
    end = time.monotonic() + _LONGEST_WAIT
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.1)


def label_while_a_node_is_killed(
    given: Sequence[object], unseen: Sequence[Path], marker: Path, variables: Mapping[str, str]
) -> None:
    """The second node begins a window and is killed; the first, which waits for that, labels all.

    unseen: folders of which no worker may open or list anything; the last one has the temporary files of this process.
    """
    from ray.cluster_utils import Cluster

    beginnings = tuple(map(str, unseen))

    def refuse_unseen(event: str, values: tuple[object, ...]) -> None:
        if any(str(value).startswith(beginnings) for value in values):
            raise RuntimeError(f"a worker calls {event} of {values}")

    class StuckOnTheSecondNode(Labeller):
        def label(self, window: Sequence[str], *others: Any) -> Any:
            import ray

            sys.addaudithook(refuse_unseen)
            if ray.get_runtime_context().get_node_id() == second_id:
                super().label(window[:1], *others)
                marker.touch()
                time.sleep(_LONGEST_WAIT)  # until it is killed
            wait_for(marker)
            return super().label(window, *others)

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        node = cluster.add_node(num_cpus=1)
        second_id = node.node_id

        def kill_the_second() -> None:
            wait_for(marker)
            cluster.remove_node(node, allow_graceful=False)

        threading.Thread(target=kill_the_second, daemon=True).start()
        with (
            mock.patch("cdpnet.bulk.labeller.Labeller", StuckOnTheSecondNode),
            mock.patch("tempfile.tempdir", beginnings[-1]),
            mock.patch.dict("os.environ", variables),
        ):
            shown = run(*given, "--engine", "ray", RAY_ADDRESS=cluster.address)
    finally:
        cluster.shutdown()
    assert shown.returncode == 0, shown.stderr
    assert marker.exists()


@pytest.fixture
def unseen(label_job: Path, tmp_path: Path) -> list[Path]:
    (tmp_path / "own").mkdir()
    return [label_job, tmp_path / "own"]


@pytest.mark.slow
def test_a_node_that_is_killed_while_it_labels_loses_nothing(
    label_job: Path, job_labels: Path, unseen: list[Path], tmp_path: Path
) -> None:
    """The files are those of one machine. Ray runs in a process of its own: each is connected to one cluster."""
    pytest.importorskip("ray")
    out = unseen[-1] / "out"
    job = arguments(label_job, out)
    assert run_at_once(label_while_a_node_is_killed, (job, unseen, tmp_path / "begun", {})) == [0]
    assert contents(out) == contents(job_labels)


@pytest.mark.slow
def test_a_node_that_is_killed_loses_nothing_at_an_address(
    label_job: Path, job_labels: Path, unseen: list[Path], tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    with cloud.s3_bucket() as (bucket, access):
        cloud.upload(label_job, f"{bucket}/images")
        job = cloud.arguments(label_job, f"{bucket}/images", f"{bucket}/out")
        assert run_at_once(label_while_a_node_is_killed, (job, unseen, tmp_path / "begun", access)) == [0]
        assert cloud.without_journal(cloud.stored(f"{bucket}/out")) == cloud.without_journal(contents(job_labels))

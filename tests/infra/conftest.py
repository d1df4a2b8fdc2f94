from __future__ import annotations

import pytest

from tests.infra.options import EVERY_OPTION, NO_OPTION
from tests.infra.templates import AWS_STAGES, CONTEXT, STAGES, Synthesised, synthesise


@pytest.fixture(scope="session")
def every_stage(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Synthesised]:
    """All of cdk.json, synthesised once: CDK's start alone takes seconds."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "CDK_DEFAULT_ACCOUNT", "AWS_ENDPOINT_URL"):
            environment.delenv(name, raising=False)
        return synthesise(tmp_path_factory.mktemp("cdk.out"))


@pytest.fixture(scope="session")
def every_option(tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    """A production stage that has switched on all that can be."""
    return synthesise(tmp_path_factory.mktemp("cdk.out"), stages="prod-eu-west-1", **EVERY_OPTION)["prod-eu-west-1"]


@pytest.fixture(scope="session")
def no_option(tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    """A production stage that has switched off all that can be."""
    return synthesise(tmp_path_factory.mktemp("cdk.out"), stages="prod-eu-west-1", **NO_OPTION)["prod-eu-west-1"]


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Synthesised:
    """A production stage that says nothing of its own: what the defaults come to."""
    document = {**CONTEXT["pousada"], "stages": {"prod-eu-west-1": {"region": "eu-west-1"}}}
    context = {**CONTEXT, "pousada": document}
    return synthesise(tmp_path_factory.mktemp("cdk.out"), context=context)["prod-eu-west-1"]


@pytest.fixture(params=STAGES)
def stage(request: pytest.FixtureRequest, every_stage: dict[str, Synthesised]) -> Synthesised:
    """Each stage of cdk.json, the local one among them."""
    return every_stage[request.param]


@pytest.fixture(params=AWS_STAGES)
def aws_stage(request: pytest.FixtureRequest, every_stage: dict[str, Synthesised]) -> Synthesised:
    return every_stage[request.param]


@pytest.fixture
def local(every_stage: dict[str, Synthesised]) -> Synthesised:
    return every_stage["local"]


@pytest.fixture
def prod(every_stage: dict[str, Synthesised]) -> Synthesised:
    return every_stage["prod-eu-west-1"]

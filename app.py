"""The CDK app. ``cdk ls`` shows its stacks; ``cdk deploy 'prod-eu-west-1/*'`` deploys one stage of cdk.json."""

from __future__ import annotations

import aws_cdk as cdk

from infra.stage import add_stages

app = cdk.App()
add_stages(app)
app.synth()

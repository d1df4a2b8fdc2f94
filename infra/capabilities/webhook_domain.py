"""A name of one's own for the webhook API, over TLS 1.2 and above."""

from __future__ import annotations

from typing import cast

from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_route53 as route53
from constructs import Construct

from infra.webhook_config import Domain


class WebhookDomain(Construct):
    """``https://{name}`` is the API's stage: vendors post to ``https://{name}/webhooks/…``.

    ``target``: the name that the domain's alias or CNAME record leads to.
    """

    def __init__(self, scope: Construct, id: str, *, domain: Domain, stage: apigateway.Stage) -> None:
        super().__init__(scope, id)
        name = apigateway.DomainName(
            self,
            "Name",
            domain_name=domain.name,
            certificate=acm.Certificate.from_certificate_arn(self, "Certificate", domain.certificate_arn),
            endpoint_type=apigateway.EndpointType.REGIONAL,
        )
        require_tls_1_2(cast(apigateway.CfnDomainName, name.node.default_child))
        apigateway.BasePathMapping(self, "Mapping", domain_name=name, rest_api=stage.rest_api, stage=stage)
        self.target = name.domain_name_alias_domain_name
        if domain.hosted_zone_id:
            self._add_record(domain.name, domain.hosted_zone_id, name)

    def _add_record(self, name: str, zone: str, leads_to: apigateway.DomainName) -> None:
        # By the zone's id alone: CDK's own record would look up the zone's name, or have it said twice.
        route53.CfnRecordSet(
            self,
            "Alias",
            name=name,
            type="A",
            hosted_zone_id=zone,
            alias_target=route53.CfnRecordSet.AliasTargetProperty(
                dns_name=leads_to.domain_name_alias_domain_name,
                hosted_zone_id=leads_to.domain_name_alias_hosted_zone_id,
            ),
        )


def require_tls_1_2(entrance: apigateway.CfnRestApi | apigateway.CfnDomainName) -> None:
    """Of the API and of its domain alike: where a domain leads to the API, the handshake goes by the API's policy.

    Nothing said, a Regional API takes TLS 1.0 as well ("Security policies for REST APIs in API Gateway").
    """
    entrance.security_policy = "SecurityPolicy_TLS13_1_2_2021_06"
    # Such a policy asks for it: the host that a call names is to be the one that its TLS named.
    entrance.endpoint_access_mode = "STRICT"

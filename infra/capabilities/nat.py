"""The way out by instances of the stage's own, where a NAT gateway would be dearer than what passes it is worth.

Not CDK's ``NatInstanceProviderV2``: it neither takes IMDSv2, encryption, monitoring nor waits until the instance
forwards, and its commands leave one that never will where the first installation fails (aws/aws-cdk#36717).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.alarms import platform
from infra.capabilities.alarms import described, metric_alarm
from infra.capabilities.permissions import acknowledge, skip_check
from infra.config import StageConfig

_IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
"""AWS's public parameter. CloudFormation reads it at each deployment, in its own region."""
_ROOT_GIB = 8
"""As large as the image's own snapshot: there is none smaller."""
_FORWARDING = Duration.minutes(10)
"""So long a new instance may take until it forwards; some two minutes are usual."""
_REBOOTED = "A NAT instance has not answered for three minutes, and is rebooted."
_COMMANDS = (
    # Others install something at the first boot too, and only one can.
    "until dnf install --assumeyes nftables aws-cfn-bootstrap; do sleep 5; done",
    "echo 'net.ipv4.ip_forward = 1' > /etc/sysctl.d/90-nat.conf",
    "sysctl -p /etc/sysctl.d/90-nat.conf",
    "echo 'table ip nat { chain postrouting { type nat hook postrouting priority srcnat; masquerade; }; }'"
    " > /etc/sysconfig/nftables.conf",
    # Also after a reboot: user data is run at the first boot alone.
    "systemctl enable --now nftables",
    "nft list chain ip nat postrouting | grep --quiet masquerade",
)


class NatInstances(Construct):
    """As many as ``network.nats``, each in a zone of its own, with a fixed address; the tier egress goes out by them.

    A new image is found at deployment, and is another instance: CloudFormation makes it, waits until it forwards, leads
    address and routes to it, and only then takes the old one away. An instance that fails is rebooted by an alarm, its
    host exchanged by EC2 itself.
    """

    def __init__(
        self, scope: Construct, id: str, *, config: StageConfig, vpc: ec2.Vpc, group: ec2.SecurityGroup
    ) -> None:
        super().__init__(scope, id)
        self._config, self._vpc, self._group = config, vpc, group
        self._role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
        public = vpc.select_subnets(subnet_group_name="public").subnets[: config.network.nats]
        instances = [self._instance(number, subnet) for number, subnet in enumerate(public, start=1)]
        self._lead_out(instances)
        self._watch(instances)

    def _instance(self, number: int, subnet: ec2.ISubnet) -> ec2.Instance:
        user_data = ec2.UserData.for_linux(shebang="#!/bin/bash -e")
        instance = ec2.Instance(
            self,
            f"Instance{number}",
            vpc=self._vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=[subnet]),
            instance_name=self._config.names.named("nat"),
            instance_type=ec2.InstanceType(self._config.network.nat_instance_class),
            machine_image=ec2.MachineImage.from_ssm_parameter(_IMAGE),
            role=self._role,
            security_group=self._group,
            source_dest_check=False,
            # It installs something before it has the fixed one.
            associate_public_ip_address=True,
            http_tokens=ec2.HttpTokens.REQUIRED,
            http_put_response_hop_limit=1,
            block_devices=[_root()],
            ebs_optimized=True,
            detailed_monitoring=True,
            user_data=user_data,
            user_data_causes_replacement=True,
            resource_signal_timeout=_FORWARDING,
        )
        user_data.add_signal_on_exit_command(instance)
        user_data.add_commands(*_COMMANDS)
        address = ec2.CfnEIP(self, f"Address{number}", domain="vpc")
        ec2.CfnEIPAssociation(
            self, f"Association{number}", allocation_id=address.attr_allocation_id, instance_id=instance.instance_id
        )
        _accept_findings(instance)
        return instance

    def _lead_out(self, instances: Sequence[ec2.Instance]) -> None:
        """Each zone by its own instance, where it has one."""
        egress = self._vpc.select_subnets(subnet_group_name="egress").subnets
        for number, subnet in enumerate(egress):
            cast(ec2.Subnet, subnet).add_route(
                # As the NAT gateway's route would be called: from one to the other it is changed, not made anew.
                "DefaultRoute",
                router_type=ec2.RouterType.INSTANCE,
                router_id=instances[number % len(instances)].instance_id,
                enables_internet_connectivity=True,
            )

    def _watch(self, instances: Sequence[ec2.Instance]) -> None:
        ids = [instance.instance_id for instance in instances]
        # By name: the topic is made later. The alarm is made here, for here an instance is exchanged for another.
        told = Stack.of(self).format_arn(
            service="sns", resource=self._config.names.mail_topic, arn_format=ArnFormat.NO_RESOURCE_NAME
        )
        metric_alarm(self, platform.nat(ids), config=self._config, told=told)
        for number, id in enumerate(ids, start=1):
            self._reboot(number, id)

    def _reboot(self, number: int, instance_id: str) -> None:
        """It tells nobody; the alarm that is over all of them does."""
        name = f"{platform.REBOOTS}{number}"
        action = Stack.of(self).format_arn(
            service="automate", account="ec2", resource="reboot", arn_format=ArnFormat.NO_RESOURCE_NAME
        )
        cloudwatch.CfnAlarm(
            self,
            name,
            alarm_name=self._config.names.named(name),
            alarm_description=described(_REBOOTED, platform.NAT, self._config),
            namespace="AWS/EC2",
            metric_name="StatusCheckFailed_Instance",
            dimensions=[cloudwatch.CfnAlarm.DimensionProperty(name="InstanceId", value=instance_id)],
            statistic="Maximum",
            period=60,
            evaluation_periods=3,
            threshold=0,
            comparison_operator="GreaterThanThreshold",
            # One that has just been made has no checks yet, and one that was stopped cannot be rebooted.
            treat_missing_data="notBreaching",
            alarm_actions=[action],
        )


def _root() -> ec2.BlockDevice:
    volume = ec2.BlockDeviceVolume.ebs(_ROOT_GIB, volume_type=ec2.EbsDeviceVolumeType.GP3, encrypted=True)
    return ec2.BlockDevice(device_name="/dev/xvda", volume=volume)


def _accept_findings(instance: ec2.Instance) -> None:
    acknowledge(
        instance,
        "AwsSolutions-EC29",
        "Each new image is another instance, and CloudFormation could not take the old one away; it keeps nothing.",
    )
    skip_check(instance, "CKV_AWS_88", "NAT is what lends its public address to those that have none.")

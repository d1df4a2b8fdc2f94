"""What a stage may switch on, all at once, and off. Names, addresses and accounts are invented."""

from __future__ import annotations

from typing import Any

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
CERTIFICATE = f"arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/0b6bd1a5-5a4e-4b6f-9b0e-0c8a4ac1b2d3"
EVERY_OPTION: dict[str, Any] = {
    "network": {
        "cidr": "10.60.0.0/16",
        "interface_endpoints": ["secretsmanager", "sqs"],
        # In two of three zones: the third goes out by one of theirs.
        "nat": "instance",
        "nats": 2,
    },
    "database": {
        "instance_class": "db.m7g.large",
        "storage_gib": 100,
        "storage_limit_gib": 1000,
        "monitoring_seconds": 15,
    },
    "hotel_secrets": {"store": "secretsmanager", "rotate_days": 60, "overlap_hours": 48},
    "webhooks": {
        "requests_per_second": 80,
        "vendors": {
            "hostpms": {"requests_per_second": 20, "burst": 40, "required_headers": ["X-HostPMS-Signature", "X-Hotel"]}
        },
        "countries": ["PT", "ES"],
        "allowed_addresses": {"hostpms": ["203.0.113.0/24", "198.51.100.7/32", "2001:db8:40::/48"]},
        "firewall_log": True,
        "domain": {
            "name": "hooks.hotel.example",
            "certificate_arn": CERTIFICATE,
            "hosted_zone_id": "Z0123456789ABCDEFGHIJ",
        },
    },
    "governance": {
        "trail_retention_days": 730,
        "trail_lock": "governance",
        "trail_regions": "own",
        "trail_to_logs": True,
        "management_events": False,
        "monthly_budget_usd": 250,
        "anomaly_usd": 15,
        "notify": ["platform@hotel.example", "finance@hotel.example"],
    },
    "recovery": {
        "keep_days": 90,
        "vault_lock": "compliance",
        "copy_to_region": "eu-south-2",
        "replicate_raw_to": {
            "bucket_arn": "arn:aws:s3:::pousada-raw-elsewhere",
            "kms_key_arn": f"arn:aws:kms:eu-south-2:{OTHER_ACCOUNT}:key/9f2b7c1e-1111-4222-8333-444455556666",
            "account": OTHER_ACCOUNT,
        },
    },
}
NO_OPTION: dict[str, Any] = {
    "network": {"zones": 2},
    "database": {
        "multi_az": False,
        "backup_days": 1,
        "deletion_protection": False,
        "proxy": False,
        "monitoring_seconds": 0,
    },
    "observability": {"traces": False, "dashboards": False},
    "deployment": {"webhook": "AllAtOnce", "apply": "AllAtOnce"},
    "governance": {"management_events": False, "trail_lock": "governance", "monthly_budget_usd": None},
    "recovery": {},
}
OPTED: dict[str, dict[str, Any]] = {"every option": EVERY_OPTION, "no option": NO_OPTION}
"""What the scanners look at besides cdk.json's stages."""

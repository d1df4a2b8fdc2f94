"""What IAM would say, as far as the rules of least privilege ask it."""

from __future__ import annotations

import pytest

from tests.infra import privilege_of_data
from tests.infra.planted_faults import RAW, allowing, bare, guarding, of, role, trusting
from tests.infra.policies import read_templates
from tests.infra.simulator import covers, may, overlap

pytestmark = pytest.mark.infra


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("s3:Get*", "s3:GetObject", True),
        ("*Object", "s3:Put*", True),
        ("s3:Get*", "s3:Put*", False),
        ("a?c", "ab*", True),
        ("a?c", "ab", False),
        ("*/webhooks/*", "x/polling/*", True),
        ("raw/*/webhooks/*", "raw/a/polling/b", False),
        ("[ab]", "a", False),
        ("", "*", True),
    ],
)
def test_two_patterns_overlap_where_a_text_matches_both(one: str, other: str, expected: bool):
    assert overlap(one, other) is overlap(other, one) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [("s3:*", "s3:Get*", True), ("s3:Get*", "s3:*", False), ("a?", "a*", False), ("*", "*", True), ("a*", "ab?", True)],
)
def test_one_pattern_covers_another_where_it_matches_all_of_it(pattern: str, text: str, expected: bool):
    assert covers(pattern, text) is expected


def test_a_denial_goes_before_what_is_allowed():
    deleting = allowing("s3:DeleteObject", f"{RAW}/*")
    never = {"Effect": "Deny", "Action": "s3:Delete*", "Resource": f"{RAW}/*"}
    assert may(bare(deleting), "function webhook", "s3:DeleteObject", f"{RAW}/a")
    assert not may(bare(deleting, never), "function webhook", "s3:DeleteObject", f"{RAW}/a")


def test_a_denial_by_the_bucket_binds_everybody():
    deleting = allowing("s3:DeleteObject", f"{RAW}/*")
    never = {"Effect": "Deny", "Action": "s3:DeleteObject*", "Resource": f"{RAW}/*", "Principal": "*"}
    guarded = bare(deleting, Raw=guarding("AWS::S3::BucketPolicy", never))
    assert not may(guarded, "function webhook", "s3:DeleteObject", f"{RAW}/*")


def test_a_denial_of_less_or_on_a_condition_leaves_the_rest_allowed():
    deleting = allowing("s3:DeleteObject", f"{RAW}/*")
    some = {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": f"{RAW}/a/*"}
    plain_text = {**some, "Resource": f"{RAW}/*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    for denial in (some, plain_text):
        assert may(bare(deleting, denial), "function webhook", "s3:DeleteObject", f"{RAW}/*")


def test_references_across_stacks_are_followed():
    exporting = {
        "Resources": {"Raw": of("AWS::S3::Bucket", BucketName="pousada-bare-raw")},
        "Outputs": {"Raw": {"Value": {"Fn::GetAtt": ["Raw", "Arn"]}, "Export": {"Name": "raw-arn"}}},
    }
    deleting = allowing("s3:DeleteObject", {"Fn::Join": ["", [{"Fn::ImportValue": "raw-arn"}, "/*"]]})  # type: ignore[arg-type]
    policy = of("AWS::IAM::Policy", Roles=[{"Ref": "Role"}], PolicyDocument={"Statement": [deleting]})
    importing = {"Resources": {"Policy": policy, "Role": role(trusting())}}
    walked = read_templates({"storage": exporting, "other": importing}, prefix="pousada-bare-")
    assert privilege_of_data.nobody_destroys_raw(walked) == [f"other/Role: s3:DeleteObject on {RAW}/*"]

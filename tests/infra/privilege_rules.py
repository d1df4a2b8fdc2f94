"""The rules of least privilege, all of them: which hold of what a role may do, and of who is let in."""

from __future__ import annotations

from tests.infra import privilege, privilege_of_data, privilege_of_resources
from tests.infra.privilege import Rule

RULES: tuple[Rule, ...] = (
    privilege.no_wildcard_in_an_action,
    privilege.no_resource_left_open,
    privilege.only_named_policies_of_aws,
    privilege_of_data.a_secret_is_read_by_whom_it_serves,
    privilege_of_data.raw_objects_are_put_by_the_landers,
    privilege_of_data.raw_is_read_and_landed_and_nothing_else,
    privilege_of_data.nobody_destroys_raw,
    privilege_of_data.who_encrypts_writes,
    privilege.roles_are_passed_by_whom_it_is_said,
    privilege.a_function_is_called_by_one_source,
    privilege.nothing_is_open_to_everybody,
    privilege.a_service_comes_in_for_this_account,
    privilege.a_way_out_leads_to_this_account,
    privilege.a_role_trusts_one_service,
    privilege_of_resources.a_resource_lets_in_whom_it_is_said,
)

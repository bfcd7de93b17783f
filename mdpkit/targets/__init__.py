"""Sampled backups on plain arrays; each names the operator it lifts."""

from mdpkit.targets.off_policy import off_policy_return, retrace, tree_backup, vtrace

__all__ = ["off_policy_return", "retrace", "tree_backup", "vtrace"]

"""Environments on arrays: spaces, any MDP, and Gymnasium's, played on the host.

`spaces` and `tabular` need NumPy alone; `gymnasium` the extra `gym`. Their JAX twins live in
`mdpkit.deep.envs`.
"""

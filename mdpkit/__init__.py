"""mdpkit."""
from mdpkit.mdp import MDP

"""The best policy, or a policy's value, from samples: in a table or on features."""

from mdpkit.learn.batch_prediction import batch_values, certainty_equivalence
from mdpkit.learn.double_q_learning import DoubleQLearning
from mdpkit.learn.dyna import DynaQ
from mdpkit.learn.eligibility import SarsaLambda, WatkinsQLambda
from mdpkit.learn.learn import Learned, learn
from mdpkit.learn.linear import (
    GTD2,
    TDC,
    EmphaticTD,
    GradientMonteCarlo,
    LeastSquares,
    LeastSquaresPolicy,
    ResidualGradient,
    SemiGradientExpectedSarsa,
    SemiGradientQLearning,
    SemiGradientSarsa,
    SemiGradientTD,
    fitted_q_iteration,
    fitted_value_iteration,
    lspi,
    lstd,
    lstdq,
    merged,
)
from mdpkit.learn.monte_carlo import LambdaReturn, MonteCarlo
from mdpkit.learn.monte_carlo_control import (
    ExploringStarts,
    MonteCarloControl,
    OffPolicyMonteCarloControl,
)
from mdpkit.learn.n_step import NStepTD
from mdpkit.learn.n_step_control import NStepExpectedSarsa, NStepSarsa, TreeBackup
from mdpkit.learn.off_policy import ImportanceSampling
from mdpkit.learn.one_step import ExpectedSarsa, QLearning, Sarsa, SoftQLearning
from mdpkit.learn.recorded import learn_recorded
from mdpkit.learn.stochastic_approximation import approximate, require_convergence
from mdpkit.learn.successor import SuccessorFeatures, SuccessorRepresentation
from mdpkit.learn.temporal_difference import TD0, TDLambda, TrueOnlineTDLambda

__all__ = [
    "GTD2",
    "TD0",
    "TDC",
    "DoubleQLearning",
    "DynaQ",
    "EmphaticTD",
    "ExpectedSarsa",
    "ExploringStarts",
    "GradientMonteCarlo",
    "ImportanceSampling",
    "LambdaReturn",
    "Learned",
    "LeastSquares",
    "LeastSquaresPolicy",
    "MonteCarlo",
    "MonteCarloControl",
    "NStepExpectedSarsa",
    "NStepSarsa",
    "NStepTD",
    "OffPolicyMonteCarloControl",
    "QLearning",
    "ResidualGradient",
    "Sarsa",
    "SarsaLambda",
    "SemiGradientExpectedSarsa",
    "SemiGradientQLearning",
    "SemiGradientSarsa",
    "SemiGradientTD",
    "SoftQLearning",
    "SuccessorFeatures",
    "SuccessorRepresentation",
    "TDLambda",
    "TreeBackup",
    "TrueOnlineTDLambda",
    "WatkinsQLambda",
    "approximate",
    "batch_values",
    "certainty_equivalence",
    "fitted_q_iteration",
    "fitted_value_iteration",
    "learn",
    "learn_recorded",
    "lspi",
    "lstd",
    "lstdq",
    "merged",
    "require_convergence",
]

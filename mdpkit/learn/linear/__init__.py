"""Linear value functions from samples: online, by least squares, and fitted."""

from mdpkit.learn.linear.control import (
    SemiGradientExpectedSarsa,
    SemiGradientQLearning,
    SemiGradientSarsa,
)
from mdpkit.learn.linear.fitted import (
    LeastSquares,
    fitted_q_iteration,
    fitted_value_iteration,
)
from mdpkit.learn.linear.least_squares import lstd, lstdq, merged
from mdpkit.learn.linear.lspi import LeastSquaresPolicy, lspi
from mdpkit.learn.linear.prediction import (
    GTD2,
    TDC,
    EmphaticTD,
    GradientMonteCarlo,
    ResidualGradient,
    SemiGradientTD,
)

__all__ = [
    "GTD2",
    "TDC",
    "EmphaticTD",
    "GradientMonteCarlo",
    "LeastSquares",
    "LeastSquaresPolicy",
    "ResidualGradient",
    "SemiGradientExpectedSarsa",
    "SemiGradientQLearning",
    "SemiGradientSarsa",
    "SemiGradientTD",
    "fitted_q_iteration",
    "fitted_value_iteration",
    "lspi",
    "lstd",
    "lstdq",
    "merged",
]

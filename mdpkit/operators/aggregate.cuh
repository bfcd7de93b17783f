// ⊕ of one state's action values: the twin of aggregate.reduce_row, code by code.
//
// q[0 … n) and weight[0 … n) are the state's own; weight may be missing: then all are 1.

enum { MAXIMUM, EXPECTED, SOFT, MELLOWMAX, SPARSEMAX, EXPECTILE, BOLTZMANN, EPSILON_GREEDY };

__device__ inline double largest(const double* q, int n) {
    double top = q[0];
    for (int i = 1; i < n; i++) top = larger(top, q[i]);
    return top;
}

__device__ inline double soft_row(const double* q, int n, double tau, const double* weight) {
    double top = -infinity(), total = 0.0;
    for (int i = 0; i < n; i++) {
        if (!weight || weight[i] > 0) top = larger(top, q[i]);
    }
    for (int i = 0; i < n; i++) {
        double w = weight ? weight[i] : 1.0;
        if (w > 0) total += w * exp((q[i] - top) / tau);
    }
    return top + tau * log(total);
}

// Michelot's algorithm: drop what lies under the threshold until nothing does.
__device__ inline double sparsemax_row(const double* q, int n, double tau) {
    double top = largest(q, n), cut = -infinity();
    for (int count = 0;;) {
        double total = 0.0;
        int kept = 0;
        for (int i = 0; i < n; i++) {
            if ((q[i] - top) / tau > cut) {
                total += (q[i] - top) / tau;
                kept++;
            }
        }
        if (kept == count) break;
        cut = (total - 1.0) / kept;
        count = kept;
    }
    double value = 0.0, square = 0.0;
    for (int i = 0; i < n; i++) {
        double p = larger((q[i] - top) / tau - cut, 0.0);
        value += p * q[i];
        square += p * p;
    }
    return value + tau / 2 * (1.0 - square);
}

__device__ inline double expectile_row(
    const double* q, int n, double level, const double* weight
) {
    double m = 0.0;
    for (int step = 0; step < n + 2; step++) {
        double total = 0.0, mass = 0.0;
        for (int i = 0; i < n; i++) {
            double w = weight ? weight[i] : 1.0;
            if (step > 0) w *= q[i] > m ? level : 1.0 - level;
            total += w * q[i];
            mass += w;
        }
        m = total / mass;
    }
    return m;
}

__device__ inline double boltzmann_row(const double* q, int n, double tau) {
    double top = largest(q, n), total = 0.0, mass = 0.0;
    for (int i = 0; i < n; i++) {
        double e = exp((q[i] - top) / tau);
        total += e * q[i];
        mass += e;
    }
    return total / mass;
}

__device__ inline double epsilon_greedy_row(const double* q, int n, double epsilon) {
    double total = 0.0;
    for (int i = 0; i < n; i++) total += q[i];
    return (1.0 - epsilon) * largest(q, n) + epsilon * total / n;
}

__device__ inline double reduce_row(
    int code, const double* q, int n, double parameter, const double* weight
) {
    if (code == MAXIMUM) return largest(q, n);
    if (code == EXPECTED) {
        double total = 0.0;
        for (int i = 0; i < n; i++) total += weight[i] * q[i];
        return total;
    }
    if (code == SOFT) return soft_row(q, n, parameter, weight);
    if (code == MELLOWMAX) {
        return soft_row(q, n, 1.0 / parameter, 0) - log((double)n) / parameter;
    }
    if (code == SPARSEMAX) return sparsemax_row(q, n, parameter);
    if (code == EXPECTILE) return expectile_row(q, n, parameter, weight);
    if (code == EPSILON_GREEDY) return epsilon_greedy_row(q, n, parameter);
    return boltzmann_row(q, n, parameter);
}

// The first of the largest.
__device__ inline int first_largest(const double* q, int n) {
    int top = 0;
    for (int i = 1; i < n; i++) {
        if (q[i] > q[top]) top = i;
    }
    return top;
}
